//! What holds for the attempts of a step beside what the step does: how long one may
//! take, and what becomes of it when its worker is lost. An application says it for all
//! of its steps, an entry of `steps` for one; the service has defaults.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    application::{Application, Step, kind_of},
    suggest,
    validate::{Problem, code},
};

/// After so many seconds, an attempt counts as late.
pub const SOFT: &str = "task_soft_time_limit";
/// After so many seconds, an attempt is ended.
pub const HARD: &str = "task_time_limit";
/// What becomes of an attempt whose worker is lost.
pub const LOST: &str = "on_worker_lost";
/// The keys of a policy, in an application and in an entry of `steps`.
pub const KEYS: [&str; 3] = [SOFT, HARD, LOST];
/// The longest limit that can be written, in seconds: ten years.
const LONGEST: f64 = 315_360_000.0;

/// What becomes of a step whose worker was lost while it executed the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnWorkerLost {
    /// Another worker executes it again, so often as the service allows.
    Retry,
    /// It fails: nobody knows what it did outside.
    Fail,
}

impl OnWorkerLost {
    /// Every case.
    pub const ALL: [Self; 2] = [Self::Retry, Self::Fail];

    /// The word in documents, settings and views.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Fail => "fail",
        }
    }

    /// The case of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }
}

/// What a document says. `None`: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// After this, an attempt counts as late.
    pub soft: Option<Duration>,
    /// After this, it is ended.
    pub hard: Option<Duration>,
    /// What becomes of it when its worker is lost.
    pub on_worker_lost: Option<OnWorkerLost>,
}

impl Policy {
    /// What an application, or an entry of its `steps`, says. What is wrong counts as
    /// not said: the application's problems name it.
    pub fn of(map: &Map<String, Value>) -> Self {
        Self {
            soft: map.get(SOFT).and_then(limit),
            hard: map.get(HARD).and_then(limit),
            on_worker_lost: map
                .get(LOST)
                .and_then(Value::as_str)
                .and_then(OnWorkerLost::from_word),
        }
    }

    /// What holds for a step: its entry's word before the application's. A step that its
    /// SyncPack declares not `idempotent` is executed again only where its own entry says so.
    pub fn of_step(application: &Application, step: Step<'_>, idempotent: bool) -> Self {
        let (own, all) = (Self::of(step.entry), Self::of(application.document()));
        Self {
            soft: own.soft.or(all.soft),
            hard: own.hard.or(all.hard),
            on_worker_lost: own
                .on_worker_lost
                .or((!idempotent).then_some(OnWorkerLost::Fail))
                .or(all.on_worker_lost),
        }
    }
}

/// A limit in seconds, fractions too.
fn limit(value: &Value) -> Option<Duration> {
    let seconds = value.as_f64()?;
    (seconds > 0.0 && seconds <= LONGEST).then(|| Duration::from_secs_f64(seconds))
}

/// Reports what is wrong with a policy that stands in `map`, at `path`.
pub(crate) fn check(map: &Map<String, Value>, path: &str, problems: &mut Vec<Problem>) {
    for key in [SOFT, HARD] {
        let Some(value) = map.get(key).filter(|value| !value.is_null()) else {
            continue;
        };
        if limit(value).is_none() {
            let given = match value {
                Value::Number(number) => number.to_string(),
                other => kind_of(other).to_owned(),
            };
            problems.push(Problem::error(
                code::TIME_LIMIT,
                format!("{path}/{key}"),
                format!(
                    "`{key}` is a number of seconds, above 0 and at most {LONGEST}; this is {given}"
                ),
            ));
        }
    }
    let said = Policy::of(map);
    if let (Some(soft), Some(hard)) = (said.soft, said.hard)
        && soft >= hard
    {
        problems.push(Problem::warning(
            code::TIME_LIMIT,
            format!("{path}/{SOFT}"),
            format!(
                "`{SOFT}` is not below `{HARD}`, so that nobody is warned before the step is ended"
            ),
        ));
    }
    match map.get(LOST) {
        None | Some(Value::Null) => {}
        Some(Value::String(word)) if OnWorkerLost::from_word(word).is_some() => {}
        Some(Value::String(word)) => {
            let hint = suggest::hint(word, OnWorkerLost::ALL.map(OnWorkerLost::word));
            problems.push(Problem::error(
                code::ON_WORKER_LOST,
                format!("{path}/{LOST}"),
                format!("`{word}` is none of `retry` and `fail`{hint}"),
            ));
        }
        Some(other) => problems.push(Problem::error(
            code::ON_WORKER_LOST,
            format!("{path}/{LOST}"),
            format!("`{LOST}` is `retry` or `fail`, this is {}", kind_of(other)),
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(document: &Value) -> Vec<(String, &'static str, String)> {
        let mut problems = Vec::new();
        check(document.as_object().unwrap(), "", &mut problems);
        problems
            .into_iter()
            .map(|one| (one.path, one.code, one.message))
            .collect()
    }

    #[test]
    fn the_most_specific_word_holds() {
        let application = Application::from_value(json!({
            "name": "a", SOFT: 60, HARD: 90.5, LOST: "retry",
            "steps": [
                {"name": "one", "file": "F"},
                {"name": "two", "file": "F", SOFT: 0.25, LOST: "fail"},
                {"name": "three", "file": "F", LOST: "retry", HARD: null},
            ],
        }))
        .unwrap();
        let of = |at: usize, idempotent| {
            let step = application.steps().nth(at).unwrap();
            let policy = Policy::of_step(&application, step, idempotent);
            (
                policy.soft.unwrap().as_millis(),
                policy.hard.unwrap().as_millis(),
                policy.on_worker_lost.unwrap().word(),
            )
        };
        assert_eq!(of(0, true), (60_000, 90_500, "retry"));
        assert_eq!(of(1, true), (250, 90_500, "fail"));
        assert_eq!(of(2, true), (60_000, 90_500, "retry"));
        // What its pack says goes before the application, its own entry before its pack.
        assert_eq!((of(0, false).2, of(2, false).2), ("fail", "retry"));
        let step = application.steps().nth(1).unwrap();
        assert_eq!(step.parameters().count(), 0, "a policy is no parameter");
    }

    #[test]
    fn what_is_wrong_is_said_with_what_is_meant() {
        assert_eq!(problems(&json!({SOFT: 1, HARD: 2, LOST: "fail"})), []);
        assert_eq!(problems(&json!({SOFT: null, LOST: null})), []);
        for wrong in [json!(0), json!(-1), json!("60"), json!(true), json!(1e12)] {
            let found = problems(&json!({HARD: wrong}));
            assert_eq!(found.len(), 1, "{wrong}");
            assert_eq!((&*found[0].0, found[0].1), ("/task_time_limit", "PF-A030"));
        }
        assert!(
            problems(&json!({SOFT: 5, HARD: 5}))[0]
                .2
                .contains("not below")
        );
        let said = |word: Value| problems(&json!({LOST: word}))[0].2.clone();
        assert!(said(json!("fial")).ends_with("did you mean `fail`?"));
        assert!(said(json!("Retry")).ends_with("did you mean `retry`?"));
        assert!(said(json!("failed")).ends_with("did you mean `fail`?"));
        assert!(said(json!("abandon")).ends_with("`fail`"));
        assert!(said(json!(1)).ends_with("a number"));
    }
}
