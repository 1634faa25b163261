//! Steps that ask something of the outside and wait for the answer: an approval asks a
//! person, a wait for a webhook a system. They hold nothing meanwhile.
//!
//! An answer is the detail with which the attempt goes on; an attempt that goes on without
//! one was woken by its deadline.

use bytes::Bytes;
use model::{
    clock::Timestamp,
    id::{Ordinal, TenantId, Token},
    operator::{self, Operator},
    plan::{PlannedStep, run_code},
    state::WaitKind,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{asks::Ask, runs::Suspension};

use crate::{
    Engine, attempt::End, attend::stored_lines, problem::Problem, waits::detail, worker::Chain,
};

mod answer;

pub use answer::{Approval, ApprovalsQuery, Decision, Signal, Signalled};

/// The longest question, in bytes.
const LONGEST_QUESTION: usize = 4_000;
/// The code of a step that somebody has rejected.
const REJECTED: &str = "rejected";
/// The code of a step whose deadline has passed.
const TIMED_OUT: &str = "no-answer";

/// What a step waits for, if it is an operator that asks.
pub(crate) fn asks_for(step: &PlannedStep) -> Option<WaitKind> {
    match step.operator.as_ref()?.operator {
        Operator::Approval => Some(WaitKind::Approval),
        Operator::Webhook => Some(WaitKind::Webhook),
        Operator::Condition | Operator::Transform | Operator::Delay => None,
    }
}

/// What is stored of an approval, for those who decide.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Question {
    /// The step's name.
    pub(crate) step: String,
    /// What is asked; nothing of a wait for a webhook.
    #[serde(default, rename = "question")]
    pub(crate) text: String,
    /// Who may decide; empty: whoever may execute applications.
    #[serde(default)]
    pub(crate) approvers: Vec<String>,
}

impl Question {
    pub(crate) fn read(detail: &[u8]) -> Self {
        serde_json::from_slice(detail).unwrap_or_default()
    }
}

/// A decision as the step's data has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Decided {
    decision: String,
    /// Nobody: the deadline has decided.
    by: Option<String>,
    at: String,
    note: String,
    data: Value,
}

/// What the operator was given.
struct Asked {
    question: String,
    key: String,
    approvers: Vec<String>,
    within: Option<i64>,
    on_timeout: String,
}

fn mistaken(message: String) -> Box<Problem> {
    Box::new(Problem::permanent(run_code::TYPE_MISMATCH, message))
}

/// A text from whatever a reference led to.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

impl Asked {
    fn read(kind: WaitKind, parameters: &str) -> Result<Self, Box<Problem>> {
        let parameters: Value = serde_json::from_str(parameters).unwrap_or_default();
        let said = |name: &str, most: usize| {
            let value = &parameters[name];
            text(value)
                .filter(|text| !text.is_empty() && text.len() <= most)
                .ok_or_else(|| {
                    mistaken(format!(
                        "`{name}` is a text of 1 to {most} bytes, and became {value}"
                    ))
                })
        };
        let (mut question, mut key) = (String::new(), String::new());
        if kind == WaitKind::Approval {
            question = said(operator::QUESTION, LONGEST_QUESTION)?;
        } else {
            key = said(operator::SIGNAL, operator::LONGEST_KEY)?;
            if !is_key(&key) {
                return Err(mistaken(format!(
                    "`key` became {key:?}: it holds no control characters"
                )));
            }
        }
        Ok(Self {
            question,
            key,
            approvers: approvers(&parameters[operator::APPROVERS])?,
            within: within(&parameters[operator::WITHIN])?,
            on_timeout: text(&parameters[operator::ON_TIMEOUT]).unwrap_or_default(),
        })
    }
}

/// Whether messages can be sent under it.
pub(crate) fn is_key(key: &str) -> bool {
    !key.is_empty() && key.len() <= operator::LONGEST_KEY && !key.chars().any(char::is_control)
}

fn approvers(value: &Value) -> Result<Vec<String>, Box<Problem>> {
    let wrong = || {
        mistaken(format!(
            "`approvers` is a list of at most {} names of users, and became {value}",
            operator::MOST_APPROVERS
        ))
    };
    match value {
        Value::Null => Ok(Vec::new()),
        Value::String(name) if !name.trim().is_empty() => Ok(vec![name.trim().to_owned()]),
        Value::Array(list) if list.len() <= operator::MOST_APPROVERS => list
            .iter()
            .map(|name| text(name).filter(|name| !name.is_empty()).ok_or_else(wrong))
            .collect(),
        _ => Err(wrong()),
    }
}

/// A deadline in microseconds.
fn within(value: &Value) -> Result<Option<i64>, Box<Problem>> {
    let number = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    };
    match number.filter(|seconds| operator::is_delay(*seconds)) {
        Some(seconds) => Ok(Some((seconds * 1e6) as i64)),
        None => Err(mistaken(format!(
            "`within` is a number of seconds from 0 to {}, and became {value}",
            operator::LONGEST_DELAY
        ))),
    }
}

/// A moment as data has it.
fn moment(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.0)
        .unwrap_or_default()
        .to_string()
}

fn output(data: &Value) -> runtime::Outcome {
    runtime::Outcome::Output {
        data: data.to_string(),
        warning: None,
        attributes: None,
    }
}

impl Engine {
    /// An attempt of a step that asks: it asks, or it has been answered.
    pub(crate) fn ask_outside(
        &self,
        chain: &Chain,
        (step, token): (Ordinal, Token),
        kind: WaitKind,
        parameters: &str,
    ) -> End {
        let asked = match Asked::read(kind, parameters) {
            Ok(asked) => asked,
            Err(problem) => return self.end(chain, step, token, Err(*problem), Vec::new()),
        };
        if !chain.waited_for(kind) {
            return End::Waits(self.question(chain, (step, token), kind, asked));
        }
        let answer = detail(chain.again.as_ref()).filter(|answer| !answer.is_empty());
        let (result, line) = match (kind, answer) {
            (WaitKind::Approval, answer) => self.decided(&asked, answer),
            (_, answer) => signalled(&asked, answer),
        };
        let line = runtime::Line {
            at: self.clock.now(),
            level: runtime::Level::Flow,
            message: line,
        };
        self.end(chain, step, token, result, vec![line])
    }

    fn question(
        &self,
        chain: &Chain,
        (step, token): (Ordinal, Token),
        kind: WaitKind,
        asked: Asked,
    ) -> Suspension {
        let now = self.clock.now();
        let planned = chain.planned(step);
        let question = Question {
            step: planned.map_or_else(String::new, |one| one.name.clone()),
            text: chain.masker.mask(&asked.question).into_owned(),
            approvers: asked.approvers,
        };
        let line = runtime::Line {
            at: now,
            level: runtime::Level::Flow,
            message: match kind {
                WaitKind::Approval => format!("waits for a decision: {}", question.text),
                _ => format!("waits for a message under the key `{}`", asked.key),
            },
        };
        Suspension {
            key: chain.key(step),
            token,
            kind,
            until: asked.within.map(|micros| now.plus_micros(micros)),
            children: (0, 0),
            // No answer yet, and none of an attempt before.
            detail: Some(Bytes::new()),
            ask: Some(Ask {
                tenant: chain.header.tenant,
                key: asked.key,
                detail: json!(question).to_string().into(),
            }),
            ended: None,
            error: None,
            log: stored_lines(&[line], &chain.masker),
            at: now,
            expires_at: chain.header.expires_at,
        }
    }

    /// What a decision makes of its step, and what the log says of it.
    fn decided(
        &self,
        asked: &Asked,
        answer: Option<&Bytes>,
    ) -> (Result<runtime::Outcome, Problem>, String) {
        let read = answer.map(|answer| serde_json::from_slice::<Decided>(answer));
        let decided = match read {
            Some(Ok(decided)) => decided,
            Some(Err(error)) => {
                let problem = Problem::permanent("internal", format!("the decision: {error}"));
                return (Err(problem), "the decision cannot be read".to_owned());
            }
            None if asked.on_timeout == "approve" || asked.on_timeout == "reject" => Decided {
                decision: if asked.on_timeout == "approve" {
                    answer::APPROVED.to_owned()
                } else {
                    answer::REJECTED.to_owned()
                },
                by: None,
                at: moment(self.clock.now()),
                note: "nobody decided in time".to_owned(),
                data: Value::Null,
            },
            None => {
                let message = "nobody decided in time".to_owned();
                return (Err(Problem::permanent(TIMED_OUT, &message)), message);
            }
        };
        let who = decided.by.as_deref().unwrap_or("the deadline");
        let note = match decided.note.as_str() {
            "" => String::new(),
            note => format!(": {note}"),
        };
        let line = format!("{who} {} it{note}", decided.decision);
        if decided.decision == answer::APPROVED {
            return (Ok(output(&json!(decided))), line);
        }
        let problem = Problem::permanent(REJECTED, &line).with_detail(json!(decided));
        (Err(problem), line)
    }
}

/// What a message makes of its step, and what the log says of it.
fn signalled(asked: &Asked, answer: Option<&Bytes>) -> (Result<runtime::Outcome, Problem>, String) {
    if let Some(answer) = answer {
        return match serde_json::from_slice::<Value>(answer) {
            Ok(data) => (
                Ok(output(&data)),
                format!("was given a message under the key `{}`", asked.key),
            ),
            Err(error) => (
                Err(Problem::permanent(
                    "internal",
                    format!("the message: {error}"),
                )),
                "the message cannot be read".to_owned(),
            ),
        };
    }
    let message = format!("no message came in time under the key `{}`", asked.key);
    if asked.on_timeout == "continue" {
        let data = json!({"timed_out": true, "key": asked.key, "body": null});
        return (Ok(output(&data)), message);
    }
    (Err(Problem::permanent(TIMED_OUT, &message)), message)
}

/// Which tenant and step name a list shows.
pub(crate) fn filter(tenant: TenantId, kind: WaitKind) -> store::asks::AskFilter {
    store::asks::AskFilter {
        tenant,
        kind,
        application: None,
        key: None,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_operator_is_given_what_it_can_ask() {
        let read = |kind, value: Value| Asked::read(kind, &value.to_string());
        let asked = read(
            WaitKind::Approval,
            json!({"question": " Restart? ", "approvers": ["ann", 7], "within": "60"}),
        );
        let asked = asked.ok().unwrap();
        assert_eq!(asked.question, "Restart?");
        assert_eq!(asked.approvers, ["ann", "7"]);
        assert_eq!(asked.within, Some(60_000_000));
        for wrong in [
            json!({}),
            json!({"question": ""}),
            json!({"question": "x".repeat(LONGEST_QUESTION + 1)}),
            json!({"question": "a", "approvers": [null]}),
            json!({"question": "a", "approvers": {"a": 1}}),
            json!({"question": "a", "within": "soon"}),
            json!({"question": "a", "within": -1}),
        ] {
            assert!(read(WaitKind::Approval, wrong.clone()).is_err(), "{wrong}");
        }
        let key = |value: Value| read(WaitKind::Webhook, json!({"key": value})).ok();
        assert_eq!(key(json!(4711)).unwrap().key, "4711");
        assert_eq!(key(json!("a b/ü")).unwrap().key, "a b/ü");
        for wrong in [json!(""), json!("a\nb"), json!("x".repeat(256)), json!([])] {
            assert!(key(wrong.clone()).is_none(), "{wrong}");
        }
    }
}
