//! Operators whose step only waits: for a moment, for a person, for a message from outside.

use serde_json::Value;

use super::{
    Compiler,
    operators::{literal, object},
};
use crate::{
    application::{Step, kind_of},
    operator::{self, Operator},
    reference::Template,
    suggest,
    validate::code,
};

/// A number of seconds that a wait can have, or a text with a reference to one.
fn is_time(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("${"),
        other => other.as_f64().is_some_and(operator::is_delay),
    }
}

impl Compiler<'_> {
    pub(super) fn delay(&mut self, step: Step<'_>, path: &str) -> Template {
        let path = format!("{path}/{}", operator::SECONDS);
        let value = step.entry.get(operator::SECONDS).unwrap_or(&Value::Null);
        if !is_time(value) {
            self.wrong(
                code::DELAY,
                path.clone(),
                format!(
                    "`seconds` is a number from 0 to {} or a reference to one, this is {value}",
                    operator::LONGEST_DELAY
                ),
            );
        }
        let seconds = self.operand(value, &path);
        object(vec![(operator::SECONDS, seconds)])
    }

    pub(super) fn approval(&mut self, step: Step<'_>, path: &str) -> Template {
        let question = self.words(step, path, operator::QUESTION, code::APPROVAL);
        let approvers = self.approvers(step, path);
        let mut parts = vec![
            (operator::QUESTION, question),
            (operator::APPROVERS, approvers),
        ];
        self.deadline(step, path, Operator::Approval, code::APPROVAL, &mut parts);
        object(parts)
    }

    pub(super) fn webhook(&mut self, step: Step<'_>, path: &str) -> Template {
        let key = self.words(step, path, operator::SIGNAL, code::WEBHOOK);
        let mut parts = vec![(operator::SIGNAL, key)];
        self.deadline(step, path, Operator::Webhook, code::WEBHOOK, &mut parts);
        object(parts)
    }

    /// A text that says something, with references in it.
    fn words(
        &mut self,
        step: Step<'_>,
        path: &str,
        key: &'static str,
        code: &'static str,
    ) -> Template {
        let path = format!("{path}/{key}");
        let value = step.entry.get(key).unwrap_or(&Value::Null);
        match value.as_str() {
            Some(text) if !text.trim().is_empty() => {}
            Some(_) => self.wrong(code, path.clone(), format!("`{key}` is empty")),
            None => self.wrong(
                code,
                path.clone(),
                format!("`{key}` is a text, this is {}", kind_of(value)),
            ),
        }
        self.operand(value, &path)
    }

    fn approvers(&mut self, step: Step<'_>, path: &str) -> Template {
        let path = format!("{path}/{}", operator::APPROVERS);
        let list = match step.entry.get(operator::APPROVERS) {
            None | Some(Value::Null) => return literal(Vec::<Value>::new()),
            // A list that is known only when it runs.
            Some(value @ Value::String(text)) if text.contains("${") => {
                return self.operand(value, &path);
            }
            Some(Value::Array(list)) => list,
            Some(other) => {
                self.wrong(
                    code::APPROVAL,
                    path,
                    format!(
                        "`approvers` lists names of users as texts, this is {}",
                        kind_of(other)
                    ),
                );
                return literal(Value::Null);
            }
        };
        if list.is_empty() || list.len() > operator::MOST_APPROVERS {
            self.wrong(
                code::APPROVAL,
                path.clone(),
                format!(
                    "`approvers` names 1 to {} users, this names {}; leave it out where everybody may decide who may execute applications",
                    operator::MOST_APPROVERS,
                    list.len()
                ),
            );
        }
        let mut names = Vec::with_capacity(list.len());
        for (at, name) in list.iter().enumerate() {
            let path = format!("{path}/{at}");
            if name.as_str().is_none_or(|name| name.trim().is_empty()) {
                self.wrong(
                    code::APPROVAL,
                    path.clone(),
                    format!("an approver is a user's name, this is {}", kind_of(name)),
                );
            }
            names.push(self.operand(name, &path));
        }
        Template::Array(names)
    }

    /// How long it waits, and what follows.
    fn deadline(
        &mut self,
        step: Step<'_>,
        path: &str,
        operator: Operator,
        code: &'static str,
        parts: &mut Vec<(&'static str, Template)>,
    ) {
        let within = step
            .entry
            .get(operator::WITHIN)
            .filter(|one| !one.is_null());
        if let Some(value) = within {
            let path = format!("{path}/{}", operator::WITHIN);
            if !is_time(value) {
                self.wrong(
                    code,
                    path.clone(),
                    format!(
                        "`within` is a number of seconds from 0 to {} or a reference to one, this is {value}",
                        operator::LONGEST_DELAY
                    ),
                );
            }
            let within_template = self.operand(value, &path);
            parts.push((operator::WITHIN, within_template));
        }
        let words = operator.timeouts();
        let path = format!("{path}/{}", operator::ON_TIMEOUT);
        let word = match step.entry.get(operator::ON_TIMEOUT) {
            None | Some(Value::Null) => words[0],
            Some(Value::String(word)) if words.contains(&word.as_str()) => {
                if within.is_none() {
                    self.wrong(
                        code,
                        path,
                        "`on_timeout` says what follows when the time of `within` is over, and there is no `within`",
                    );
                }
                word
            }
            Some(other) => {
                let (given, hint) = match other.as_str() {
                    Some(word) => (
                        format!("`{word}`"),
                        suggest::hint(word, words.iter().copied()),
                    ),
                    None => (kind_of(other).to_owned(), String::new()),
                };
                self.wrong(
                    code,
                    path,
                    format!(
                        "`on_timeout` is one of {}; this is {given}{hint}",
                        words.join(", ")
                    ),
                );
                words[0]
            }
        };
        parts.push((operator::ON_TIMEOUT, literal(word)));
    }
}
