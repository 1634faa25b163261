//! Conditions and transforms: from an entry's operands and templates to what the built-in
//! SyncPack is called with.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Compiler, Scope, jinja};
use crate::{
    application::{Step, kind_of},
    descriptor::StepKind,
    for_each,
    on_error::OnError,
    operator::{self, MAX_NESTING, Operator, PlannedOperator, Routing},
    plan::PlannedStep,
    policy::Policy,
    raw::push_string,
    reference::Template,
    retry::Retry,
    suggest,
    validate::{Lookup, Problem, code, pointer},
};

/// Conditions that compare two operands.
const PAIRS: [&str; 7] = [
    "equal",
    "not_equal",
    "above",
    "below",
    "at_least",
    "at_most",
    "contains",
];
/// Every kind of condition.
const KINDS: [&str; 12] = [
    "equal",
    "not_equal",
    "above",
    "below",
    "at_least",
    "at_most",
    "contains",
    "exists",
    "template",
    "and",
    "or",
    "not",
];

/// An object that holds templates.
pub(super) fn object(pairs: Vec<(&str, Template)>) -> Template {
    let key = |key: &str| {
        let mut json = String::new();
        push_string(&mut json, key);
        json.push(':');
        json.into()
    };
    Template::Object(
        pairs
            .into_iter()
            .map(|(name, one)| (key(name), one))
            .collect(),
    )
}

/// A value without references.
pub(super) fn literal(value: impl Into<Value>) -> Template {
    Template::Literal(value.into().to_string().into())
}

impl Compiler<'_> {
    /// Compiles an operator's entry.
    pub(super) fn operator(&mut self, step: Step<'_>, operator: Operator) {
        let path = format!("/steps/{}", step.index);
        self.stray_operator_keys(step, operator);
        self.executed_once(step, operator);
        let parameters = match operator {
            Operator::Condition => self.condition(step, &path),
            Operator::Transform => self.transform(step, &path),
            Operator::Delay => self.delay(step, &path),
            Operator::Approval => self.approval(step, &path),
            Operator::Webhook => self.webhook(step, &path),
        };
        let connected = self.connected(step);
        let parameters = if operator.only_waits() {
            parameters
        } else {
            object(vec![
                (operator.body(), parameters),
                (
                    operator::OUTPUT,
                    // A condition has none; one that stands there is told as a stray key.
                    step.entry
                        .get(operator::OUTPUT)
                        .filter(|_| operator == Operator::Transform)
                        .map_or_else(|| literal("auto"), |one| literal(one.clone())),
                ),
                ("connected", literal(connected)),
            ])
        };
        self.seen.clear();
        self.read(step, &parameters, &path.as_str().into());
        // What only waits executes nothing; the pack that it counts to is that of the others.
        let executing = if operator.only_waits() {
            Operator::Transform
        } else {
            operator
        };
        let Lookup::Found {
            syncpack,
            descriptor,
        } = self.registry.step(Some(operator::PACK), executing.file())
        else {
            self.problems.push(Problem::error(
                code::UNKNOWN_STEP,
                format!("{path}/{}", operator::KEY),
                format!(
                    "the built-in SyncPack `{}`, which executes operators, is not active: a process that serves the API activates it when it starts",
                    operator::PACK
                ),
            ));
            return;
        };
        let routing = (operator == Operator::Condition).then(|| self.routing(step));
        self.steps.push(PlannedStep {
            ordinal: crate::id::Ordinal(step.index as u32),
            name: step.name().unwrap_or_default().to_owned(),
            syncpack,
            file: operator.file().to_owned(),
            kind: StepKind::Standard,
            policy: Policy::of_step(self.application, step, descriptor.idempotent),
            retry: Retry::of_step(self.application, step, descriptor.idempotent).map(Arc::new),
            on_error: OnError::of_step(self.application, step),
            for_each: None,
            limits: Box::default(),
            descriptor,
            parameters: Vec::new(),
            data_from: Vec::new(),
            connected: 0,
            variables: Arc::clone(&self.variables.planned),
            operator: Some(PlannedOperator {
                operator,
                parameters,
                routing,
            }),
        });
    }

    /// Refuses an operator for each element of a list.
    fn executed_once(&mut self, step: Step<'_>, operator: Operator) {
        if step.entry.contains_key(for_each::KEY) {
            self.wrong(
                code::FOR_EACH,
                format!("/steps/{}/{}", step.index, for_each::KEY),
                format!(
                    "an operator is executed once, and this is one ({}): `{}` is for steps of SyncPacks",
                    operator.word(),
                    for_each::KEY
                ),
            );
        }
    }

    /// The names of the steps whose data an entry is connected with.
    fn connected(&self, step: Step<'_>) -> Vec<Value> {
        let own = crate::id::Ordinal(step.index as u32);
        let steps = self.edges.data_predecessors(own);
        steps
            .into_iter()
            .map(|at| self.names.show(at).into())
            .collect()
    }

    fn routing(&self, step: Step<'_>) -> Routing {
        let own = crate::id::Ordinal(step.index as u32);
        let branches: Vec<Vec<_>> = step
            .entry
            .get(operator::BRANCHES)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|branch| {
                let list = branch.get("steps").and_then(Value::as_array);
                let names = list.into_iter().flatten().filter_map(Value::as_str);
                names
                    .filter_map(|name| self.names.ordinals.get(name).copied())
                    .collect()
            })
            .collect();
        let always = self
            .edges
            .successors(own)
            .iter()
            .filter(|at| !branches.iter().flatten().any(|one| one == *at))
            .copied()
            .collect();
        Routing { always, branches }
    }

    fn stray_operator_keys(&mut self, step: Step<'_>, operator: Operator) {
        let known = crate::application::STEP_KEYS
            .into_iter()
            .filter(|key| !["file", "syncpack"].contains(key))
            .chain([operator::KEY, "description"])
            .chain(operator.keys().iter().copied());
        let known: Vec<&str> = known.collect();
        for key in step.entry.keys() {
            let empty = || step.entry[key].as_str().is_none_or(str::is_empty);
            if known.contains(&key.as_str())
                || super::stray::is_an_extension(key)
                || (["file", "syncpack"].contains(&key.as_str()) && empty())
            {
                continue;
            }
            let hint = self.names.hints.hint(key, known.iter().copied());
            self.problems.push(Problem::warning(
                code::STRAY_KEY,
                format!("/steps/{}/{}", step.index, pointer(key)),
                format!(
                    "`{key}` is no key of a {}: it is kept and means nothing{hint}",
                    operator.word()
                ),
            ));
        }
    }

    pub(super) fn wrong(&mut self, code: &'static str, path: String, message: impl Into<String>) {
        self.problems.push(Problem::error(code, path, message));
    }

    /// The branches, as a list of `{"label": …, "when": …}`.
    fn condition(&mut self, step: Step<'_>, path: &str) -> Template {
        let path = format!("{path}/{}", operator::BRANCHES);
        let list = match step.entry.get(operator::BRANCHES) {
            Some(Value::Array(list)) if !list.is_empty() => list.as_slice(),
            Some(Value::Array(_) | Value::Null) | None => {
                self.wrong(code::BRANCH, path, "a condition needs at least one branch in `branches`: {\"label\": …, \"when\": …, \"steps\": [names of steps]}");
                return Template::Array(Vec::new());
            }
            Some(other) => {
                self.wrong(
                    code::BRANCH,
                    path,
                    format!(
                        "`branches` is a list of branches, this is {}",
                        kind_of(other)
                    ),
                );
                return Template::Array(Vec::new());
            }
        };
        let mut branches = Vec::with_capacity(list.len());
        let mut labels: Vec<&str> = Vec::new();
        for (index, value) in list.iter().enumerate() {
            let path = format!("{path}/{index}");
            let Some(branch) = value.as_object() else {
                self.wrong(
                    code::BRANCH,
                    path,
                    format!(
                        "a branch is an object with `label`, `when` and `steps`, this is {}",
                        kind_of(value)
                    ),
                );
                continue;
            };
            let place = (index, index + 1 == list.len());
            branches.push(self.branch(branch, &path, place, &mut labels));
        }
        Template::Array(branches)
    }

    fn branch<'v>(
        &mut self,
        entry: &'v Map<String, Value>,
        path: &str,
        (index, last): (usize, bool),
        labels: &mut Vec<&'v str>,
    ) -> Template {
        for key in entry.keys() {
            if !operator::BRANCH_KEYS.contains(&key.as_str()) && !super::stray::is_an_extension(key)
            {
                let hint = suggest::hint(key, operator::BRANCH_KEYS);
                self.problems.push(Problem::warning(
                    code::STRAY_KEY,
                    format!("{path}/{}", pointer(key)),
                    format!("`{key}` is no key of a branch: it is kept and means nothing{hint}"),
                ));
            }
        }
        let mut own = None;
        match entry.get("label") {
            None | Some(Value::Null) => {}
            Some(Value::String(label)) if labels.contains(&label.as_str()) => self.wrong(
                code::BRANCH,
                format!("{path}/label"),
                format!("`{label}` is the label of another branch too: give each its own, for a run tells its branch by it"),
            ),
            Some(Value::String(label)) => {
                labels.push(label);
                own = Some(label.clone());
            }
            Some(other) => self.wrong(code::BRANCH, format!("{path}/label"), format!("`label` is a text, this is {}", kind_of(other))),
        }
        match entry.get("steps") {
            None | Some(Value::Null) => self.problems.push(Problem::warning(
                code::BRANCH,
                path,
                "the branch has no `steps`: nothing follows where it is chosen; write `\"steps\": []` where that is meant",
            )),
            Some(Value::Array(names)) => {
                for (at, name) in names.iter().enumerate().filter(|(_, name)| !name.is_string()) {
                    self.wrong(code::BRANCH, format!("{path}/steps/{at}"), format!("`steps` lists names of steps as texts, this is {}", kind_of(name)));
                }
            }
            Some(other) => self.wrong(code::BRANCH, format!("{path}/steps"), format!("`steps` is a list of names of steps, this is {}", kind_of(other))),
        }
        let mut parts = Vec::new();
        let nothing = match entry.get("when") {
            None => true,
            Some(when) => {
                parts.push(("when", self.when(when, &format!("{path}/when"), 0)));
                false
            }
        };
        if nothing && !last {
            self.wrong(
                code::BRANCH,
                path.to_owned(),
                "a branch without `when` is the else: it holds always, so it must be the last",
            );
        }
        let label = own.unwrap_or_else(|| {
            if nothing {
                "else".to_owned()
            } else {
                (index + 1).to_string()
            }
        });
        parts.insert(0, ("label", literal(label)));
        object(parts)
    }

    pub(super) fn scope(&self) -> Scope<'_> {
        Scope {
            steps: self.names,
            variables: &self.variables.positions,
            item: self.item,
        }
    }

    pub(super) fn operand(&mut self, value: &Value, path: &str) -> Template {
        let mut problems = Vec::new();
        let template = self.scope().parse(value, path, &mut problems);
        self.problems.append(&mut problems);
        template
    }

    /// A condition: an object with one key, which says of which kind it is.
    fn when(&mut self, when: &Value, path: &str, depth: usize) -> Template {
        let nothing = || literal(Value::Null);
        if depth > MAX_NESTING {
            self.wrong(
                code::CONDITION,
                path.to_owned(),
                format!("conditions nest deeper than {MAX_NESTING}"),
            );
            return nothing();
        }
        let Some((kind, of)) = when
            .as_object()
            .filter(|map| map.len() == 1)
            .and_then(|map| map.iter().next())
        else {
            let what = match when {
                Value::Object(map) if map.is_empty() => "this is empty".to_owned(),
                Value::Object(map) => {
                    format!("this has {}: join them with `and` or `or`", map.len())
                }
                other => format!("this is {}", kind_of(other)),
            };
            self.wrong(
                code::CONDITION,
                path.to_owned(),
                format!(
                    "a condition is an object with one key, such as {{\"equal\": [a, b]}}; {what}"
                ),
            );
            return nothing();
        };
        let kind = kind.as_str();
        let path = format!("{path}/{}", pointer(kind));
        let compiled = match kind {
            _ if PAIRS.contains(&kind) => self.pair(kind, of, &path),
            "exists" => self.operand(of, &path),
            "template" => self.template(of, &path, true),
            "and" | "or" => self.all_of(kind, of, &path, depth),
            "not" => self.when(of, &path, depth + 1),
            other => {
                let hint = suggest::hint(other, KINDS);
                self.wrong(
                    code::CONDITION,
                    path,
                    format!(
                        "`{other}` is no kind of condition{hint}; there are {}",
                        KINDS.join(", ")
                    ),
                );
                return nothing();
            }
        };
        object(vec![(kind, compiled)])
    }

    /// A list of conditions that are joined.
    fn all_of(&mut self, kind: &str, of: &Value, path: &str, depth: usize) -> Template {
        let Some(list) = of.as_array().filter(|list| !list.is_empty()) else {
            self.wrong(
                code::CONDITION,
                path.to_owned(),
                format!(
                    "`{kind}` is a list of at least one condition, this is {}",
                    if of.is_array() { "empty" } else { kind_of(of) }
                ),
            );
            return literal(Value::Null);
        };
        let each = list.iter().enumerate();
        Template::Array(
            each.map(|(at, one)| self.when(one, &format!("{path}/{at}"), depth + 1))
                .collect(),
        )
    }

    fn pair(&mut self, kind: &str, of: &Value, path: &str) -> Template {
        let Some([a, b]) = of.as_array().map(Vec::as_slice) else {
            let count = of.as_array().map(Vec::len);
            let what = count.map_or_else(
                || kind_of(of).to_owned(),
                |count| format!("a list of {count}"),
            );
            self.wrong(
                code::CONDITION,
                path.to_owned(),
                format!("`{kind}` is a list of two operands, [a, b]; this is {what}"),
            );
            return literal(Value::Null);
        };
        let operands = [(a, 0), (b, 1)].map(|(one, at)| {
            let path = format!("{path}/{at}");
            if !matches!(kind, "equal" | "not_equal" | "contains")
                && !one.is_number()
                && one
                    .as_str()
                    .is_none_or(|text| !text.contains("${") && text.trim().parse::<f64>().is_err())
            {
                self.wrong(
                    code::CONDITION,
                    path.clone(),
                    format!(
                        "`{kind}` compares numbers: give a number or a reference, this is {}",
                        kind_of(one)
                    ),
                );
            }
            self.operand(one, &path)
        });
        Template::Array(operands.into())
    }

    fn transform(&mut self, step: Step<'_>, path: &str) -> Template {
        match step.entry.get(operator::OUTPUT) {
            None => {}
            Some(Value::String(word)) if ["auto", "json", "text"].contains(&word.as_str()) => {}
            Some(other) => self.wrong(
                code::TEMPLATE,
                format!("{path}/{}", operator::OUTPUT),
                format!(
                    "`output` is `auto`, `json` or `text`; this is {}",
                    other
                        .as_str()
                        .map_or_else(|| kind_of(other).to_owned(), |word| format!("`{word}`"))
                ),
            ),
        }
        let path = format!("{path}/{}", operator::TEMPLATE);
        match step.entry.get(operator::TEMPLATE) {
            None | Some(Value::Null) => {
                self.wrong(
                    code::TEMPLATE,
                    path,
                    "a transform needs a `template`, a text",
                );
                literal(Value::Null)
            }
            Some(value) => self.template(value, &path, false),
        }
    }

    /// A template: its text, and the references in it. `condition`: a text without `{{` and
    /// `{%` is an expression.
    fn template(&mut self, value: &Value, path: &str, condition: bool) -> Template {
        let Some(text) = value.as_str() else {
            self.wrong(
                code::TEMPLATE,
                path.to_owned(),
                format!("a template is a text, this is {}", kind_of(value)),
            );
            return literal(Value::Null);
        };
        if condition && text.trim().is_empty() {
            self.wrong(
                code::TEMPLATE,
                path.to_owned(),
                "the template is empty, so it never holds",
            );
        }
        let expression = condition && !["{{", "{%", "{#"].iter().any(|mark| text.contains(mark));
        let mut problems = Vec::new();
        let parsed = jinja::parse(text, expression, &self.scope(), path, &mut problems);
        self.problems.append(&mut problems);
        let mut parts = vec![("text", literal(parsed.text))];
        if expression {
            parts.push(("expression", literal(true)));
        }
        if !parsed.references.is_empty() {
            parts.push(("references", Template::Array(parsed.references)));
        }
        object(parts)
    }
}
