//! From a document to a plan, gathering every problem on the way.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    rc::Rc,
    sync::Arc,
};

use crate::{
    application::{Application, Step},
    descriptor::{ParameterType, StepDescriptor},
    flow::Graph,
    for_each::{self, ForEach},
    id::Ordinal,
    on_error::OnError,
    operator::{self, Operator},
    plan::{Plan, PlannedStep, PlannedVariable},
    policy::Policy,
    reference::{self, Issue, Names, Part, Reference, Target, Template},
    retry::Retry,
    validate::{Lookup, MAX_STEPS, Problem, Registry, Severity, code},
};

/// How many problems with references are told of one document.
const MAX_PROBLEMS: usize = 2000;
/// The most times that steps may refer to others, over variables too.
const MAX_READS: usize = 1_000_000;

mod configured;
mod edges;
mod jinja;
mod limited;
mod live;
mod names;
mod operators;
mod parameters;
mod shape;
mod stray;

pub(crate) use stray::is_an_extension;
mod variables;
mod waiting;

pub use configured::configured;
use edges::Edges;
use names::StepNames;
use variables::Variables;

/// The plan, unless the document is too broken for one, and every problem. The plan
/// counts only when no problem is an error.
pub(crate) fn compile(
    application: &Application,
    registry: &dyn Registry,
) -> (Option<Plan>, Vec<Problem>) {
    let mut problems = Vec::new();
    let all = shape::check(application, &mut problems);
    if all > MAX_STEPS {
        problems.push(Problem::error(
            code::TOO_MANY,
            "/steps",
            format!("the application has {all} steps; it may have {MAX_STEPS}"),
        ));
        return (None, problems);
    }
    if all == 0 {
        problems.push(Problem::warning(
            code::EMPTY,
            "/steps",
            "the application has no steps; it can be stored, and cannot run",
        ));
    }
    let names = StepNames::of(application, &mut problems);
    stray::document(application, &names.hints, &mut problems);
    let edges = Edges::of(application, &names, &mut problems);
    let variables = Variables::of(application, &names, &mut problems);
    let mut compiler = Compiler {
        application,
        registry,
        names: &names,
        edges: &edges,
        variables: &variables,
        steps: Vec::with_capacity(all),
        reads: Vec::new(),
        seen: HashSet::new(),
        item: false,
        problems: &mut problems,
    };
    for step in application.steps() {
        compiler.step(step);
    }
    let Compiler {
        mut steps, reads, ..
    } = compiler;
    if reads.len() > MAX_READS {
        problems.push(Problem::error(
            code::TOO_MANY,
            "/steps",
            format!(
                "the parameters of the steps refer to other steps more than {MAX_READS} times, over variables too: let fewer steps refer to so many"
            ),
        ));
        return (None, problems);
    }
    edges.check_reads(&reads, &mut problems);
    if steps.len() != all {
        return (None, problems);
    }
    for (at, step) in steps.iter_mut().enumerate() {
        step.data_from = edges.data_predecessors(Ordinal(at as u32));
        step.connected = step.data_from.len();
    }
    let mut seen: HashSet<(Ordinal, Ordinal)> = edges.data_pairs().collect();
    for read in &reads {
        if seen.insert((read.step, read.reader)) {
            steps[read.reader.index()].data_from.push(read.step);
        }
    }
    let plan = Plan {
        name: application.name().unwrap_or_default().to_owned(),
        graph: Arc::new(
            Graph::new(all, edges.pairs())
                .with_data_only(edges.data_only())
                .with_errors(edges.errors()),
        ),
        secret_inputs: secret_inputs(&steps, &variables.planned),
        steps,
        variables: variables.planned,
        warnings: Vec::new(),
    };
    (Some(plan), problems)
}

/// The parameters of a run that lead into a step's parameter of type secret.
fn secret_inputs(steps: &[PlannedStep], variables: &[PlannedVariable]) -> Box<[Box<str>]> {
    let secret = steps
        .iter()
        .flat_map(|step| &step.parameters)
        .filter(|parameter| parameter.param_type == ParameterType::Secret);
    let mut names = BTreeSet::new();
    let mut open: Vec<&Template> = Vec::new();
    let mut seen = HashSet::new();
    for parameter in secret {
        names.insert(parameter.name.as_str());
        open.extend(&parameter.template);
    }
    for variable in variables.iter().filter(|variable| variable.secret) {
        names.insert(&variable.name);
        open.extend(&variable.template);
    }
    while let Some(template) = open.pop() {
        template.references(&mut |reference| {
            if let Target::Variable(at) = reference.target
                && let Some(variable) = variables.get(at as usize)
                && seen.insert(at)
            {
                names.insert(&variable.name);
                open.extend(&variable.template);
            }
        });
    }
    names.into_iter().map(Box::from).collect()
}

/// What names mean in a string of a step or a variable.
pub(crate) struct Scope<'a> {
    steps: &'a StepNames<'a>,
    variables: &'a HashMap<&'a str, u32>,
    /// Whether there is an element that it is executed for.
    item: bool,
}

impl Names for Scope<'_> {
    fn step(&self, name: &str) -> Option<Ordinal> {
        let item = self.item.then(|| for_each::named(name)).flatten();
        item.or_else(|| self.steps.ordinals.get(name).copied())
    }
    fn longest_step(&self) -> usize {
        self.steps.longest.max(if self.item {
            for_each::INDEX_NAME.len()
        } else {
            0
        })
    }
    fn variable(&self, name: &str) -> Option<u32> {
        self.variables.get(name).copied()
    }
}

impl Scope<'_> {
    /// The step that a reference to none probably means: its name ends before a dot.
    fn hint(&self, reference: &str) -> String {
        let whole = self.steps.hint(reference);
        match reference.split_once('.') {
            Some((name, _)) if whole.is_empty() => self.steps.hint(name),
            _ => whole,
        }
    }

    /// Parses a value that stands at `path`.
    fn parse(
        &self,
        value: &serde_json::Value,
        path: &str,
        problems: &mut Vec<Problem>,
    ) -> Template {
        let mut issues = Vec::new();
        let template = Template::parse(value, self, &mut issues);
        self.report(issues, path, problems);
        template
    }

    /// Parses the reference at the start of `body`, which follows a `${`, in a text that
    /// stands at `path`; says how long it is. `closed`: a `}` follows somewhere.
    fn reference(
        &self,
        body: &str,
        closed: bool,
        path: &str,
        problems: &mut Vec<Problem>,
    ) -> (usize, Part) {
        let mut issues = Vec::new();
        let (used, found) = reference::reference(body, closed, self, &mut issues);
        let text = format!("${{{}", &body[..used]).into();
        let found = match found {
            Some((target, path)) => Part::Reference(Reference { target, path, text }),
            None => Part::Text(text),
        };
        self.report(issues, path, problems);
        (used, found)
    }

    fn report(&self, issues: Vec<Issue>, path: &str, problems: &mut Vec<Problem>) {
        for issue in issues {
            // Enough to read; but where an error is, there is one in the list.
            if problems.len() >= MAX_PROBLEMS
                && (issue == Issue::Unclosed
                    || problems.iter().any(|one| one.severity == Severity::Error))
            {
                continue;
            }
            problems.push(match issue {
                Issue::UnknownReference(name) => Problem::error(
                    code::UNKNOWN_REFERENCE,
                    path,
                    format!(
                        "`${{{name}}}` names no step of this application{}; for the text itself write `$${{{name}}}`",
                        self.hint(&name)
                    ),
                ),
                Issue::UnknownVariable(name) => Problem::error(
                    code::UNKNOWN_VARIABLE,
                    path,
                    format!(
                        "`${{appvar.{name}}}` names no application variable{}",
                        self.steps.hints.hint(&name, self.variables.keys().copied())
                    ),
                ),
                Issue::Unclosed => Problem::warning(
                    code::UNCLOSED,
                    path,
                    "`${` without `}` is taken as text; `$${` says so without this warning",
                ),
            });
        }
    }
}

/// A step's parameters refer to the data of another.
pub(crate) struct Read {
    reader: Ordinal,
    step: Ordinal,
    /// Where, as a JSON pointer.
    path: Rc<str>,
    /// The reference as written.
    text: Rc<str>,
}

struct Compiler<'a> {
    application: &'a Application,
    registry: &'a dyn Registry,
    names: &'a StepNames<'a>,
    edges: &'a Edges<'a>,
    variables: &'a Variables<'a>,
    steps: Vec<PlannedStep>,
    reads: Vec<Read>,
    /// The steps that the step at hand was found to read.
    seen: HashSet<Ordinal>,
    /// Whether the step at hand is executed for each element of a list.
    item: bool,
    problems: &'a mut Vec<Problem>,
}

impl Compiler<'_> {
    fn step(&mut self, step: Step<'_>) {
        let path = format!("/steps/{}", step.index);
        self.item = false;
        if let Some(operator) = step.operator() {
            self.operator(step, operator);
            return;
        }
        let Some(file) = step.file() else {
            self.unknown_operator(step, path);
            return;
        };
        if step.syncpack() == Some(operator::PACK) {
            self.problems.push(Problem::error(
                code::OPERATOR,
                format!("{path}/syncpack"),
                format!("the steps of `{}` execute operators: write `\"operator\": \"condition\"` or `\"transform\"` instead of `file` and `syncpack`", operator::PACK),
            ));
            return;
        }
        let found = self.lookup(step, file, &path);
        let known = found.is_some();
        let (syncpack, descriptor) = found.unwrap_or_else(|| {
            // Its references can be checked in any case.
            (String::new(), Arc::new(StepDescriptor::default()))
        });
        self.stray_keys(step, known.then_some(&*descriptor));
        self.seen.clear();
        let for_each = self.for_each(step, &path);
        self.item = for_each.is_some();
        let parameters = self.parameters(step, &descriptor);
        for parameter in &parameters {
            if let Some(template) = &parameter.template {
                let path = format!("{path}/{}", crate::validate::pointer(&parameter.name));
                self.read(step, template, &path.into());
            }
        }
        let limits = self.limits(step, &path);
        if known {
            self.steps.push(PlannedStep {
                ordinal: Ordinal(step.index as u32),
                name: step.name().unwrap_or_default().to_owned(),
                syncpack,
                file: file.to_owned(),
                kind: descriptor.kind,
                policy: Policy::of_step(self.application, step, descriptor.idempotent),
                retry: Retry::of_step(self.application, step, descriptor.idempotent).map(Arc::new),
                on_error: OnError::of_step(self.application, step),
                for_each: for_each.map(Arc::new),
                limits,
                descriptor,
                parameters,
                data_from: Vec::new(),
                connected: 0,
                operator: None,
                variables: Arc::clone(&self.variables.planned),
            });
        }
    }

    /// Tells of an entry that names no step and is no operator that we know.
    fn unknown_operator(&mut self, step: Step<'_>, path: String) {
        let file = step.entry.get("file");
        if !file.is_none_or(|file| file.is_null() || file.is_string()) {
            return;
        }
        let which = match step.entry.get(operator::KEY).and_then(|word| word.as_str()) {
            Some(word) if let Some(operator) = Operator::from_word(word) => {
                format!("a {word} without `{}`, so none of ours?", operator.body())
            }
            Some(word) => {
                let known = Operator::ALL.map(Operator::word);
                let hint = self.names.hints.hint(word, known.into_iter());
                format!(
                    "an operator `{word}`, and there are {}{hint}",
                    known.join(", ")
                )
            }
            None => "an operator that we do not know?".to_owned(),
        };
        self.problems.push(Problem::warning(
            code::OPERATOR,
            path,
            format!(
                "`{}` names no step (`file`): {which} It is kept and needs attention before the application can run",
                step.name().unwrap_or("the entry")
            ),
        ));
    }

    /// For what the step is executed, if it is for each element of a list.
    fn for_each(&mut self, step: Step<'_>, path: &str) -> Option<ForEach> {
        let value = step.entry.get(for_each::KEY).filter(|one| !one.is_null())?;
        let path = format!("{path}/{}", for_each::KEY);
        let said = for_each::check(value, &path, self.problems)?;
        for name in [for_each::ITEM_NAME, for_each::INDEX_NAME] {
            if self.names.ordinals.contains_key(name) {
                self.problems.push(Problem::warning(
                    code::HIDDEN_NAME,
                    &*path,
                    format!("`${{{name}…}}` means the element, or its place: this step cannot refer to the step `{name}`"),
                ));
            }
        }
        let path = format!("{path}/{}", for_each::ITEMS);
        let items = self.operand(said.get(for_each::ITEMS).unwrap_or_default(), &path);
        self.read(step, &items, &path.into());
        Some(ForEach::of(said, items))
    }

    fn lookup(
        &mut self,
        step: Step<'_>,
        file: &str,
        path: &str,
    ) -> Option<(String, Arc<StepDescriptor>)> {
        let pack = step.syncpack();
        let problem = match self.registry.step(pack, file) {
            Lookup::Found {
                syncpack,
                descriptor,
            } => return Some((syncpack, descriptor)),
            Lookup::UnknownPack => Problem::error(
                code::UNKNOWN_STEP,
                format!("{path}/syncpack"),
                format!(
                    "SyncPack `{}` is not active{}; import and activate it",
                    pack.unwrap_or_default(),
                    self.hint(pack.unwrap_or_default(), || self.registry.packs())
                ),
            ),
            Lookup::UnknownStep => Problem::error(code::UNKNOWN_STEP, format!("{path}/file"), {
                let hint = self.hint(file, || self.registry.steps(pack));
                match pack {
                    Some(pack) => format!(
                        "the active version of SyncPack `{pack}` has no step `{file}`{hint}"
                    ),
                    None => format!("no active SyncPack has a step `{file}`{hint}"),
                }
            }),
            Lookup::Ambiguous(packs) => Problem::error(
                code::AMBIGUOUS_STEP,
                format!("{path}/file"),
                format!(
                    "several SyncPacks have a step `{file}`: {}; name one as `syncpack`",
                    packs.join(", ")
                ),
            ),
        };
        self.problems.push(problem);
        None
    }

    /// "; did you mean `…`?" for a name that the registry does not have.
    fn hint(&self, name: &str, known: impl Fn() -> Vec<String>) -> String {
        let hints = &self.names.hints;
        if !hints.any_left() {
            return String::new();
        }
        let known = known();
        hints.hint(name, known.iter().map(String::as_str))
    }

    /// Notes which steps a template reads, over application variables too, each once.
    fn read(&mut self, step: Step<'_>, template: &Template, path: &Rc<str>) {
        let reader = Ordinal(step.index as u32);
        let (reads, seen, variables) = (&mut self.reads, &mut self.seen, self.variables);
        template.references(&mut |reference| {
            let one;
            let steps: &[Ordinal] = match &reference.target {
                Target::Config(_) => &[],
                Target::Step(step) if for_each::is_item(*step) => &[],
                Target::Step(step) => {
                    one = [*step];
                    &one
                }
                Target::Variable(at) => &variables.facts(*at).reads,
            };
            let mut text: Option<Rc<str>> = None;
            for &step in steps {
                if reads.len() > MAX_READS {
                    return;
                }
                if seen.insert(step) {
                    let text = text.get_or_insert_with(|| (&*reference.text).into());
                    reads.push(Read {
                        reader,
                        step,
                        path: path.clone(),
                        text: text.clone(),
                    });
                }
            }
        });
    }
}

#[cfg(test)]
#[path = "compile_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "compile/operator_tests.rs"]
mod operator_tests;
