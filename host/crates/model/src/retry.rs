//! When an attempt that failed is followed by another: how often, after which delay, and
//! for which errors. An application says it for all of its steps, an entry of `steps` for
//! one; a step of which nobody says anything is not executed again.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    application::{Application, Step, kind_of},
    clock::Timestamp,
    suggest,
    validate::{Problem, code, pointer},
};

/// The key in an application and in an entry of `steps`.
pub const RETRY: &str = "task_retry";

const ATTEMPTS: &str = "max_attempts";
const INITIAL: &str = "initial_delay";
const BACKOFF: &str = "backoff";
const LONGEST: &str = "max_delay";
const JITTER: &str = "jitter";
const DURATION: &str = "max_duration";
const ON: &str = "on";
/// The keys of a retry policy.
pub const KEYS: [&str; 7] = [ATTEMPTS, INITIAL, BACKOFF, LONGEST, JITTER, DURATION, ON];

/// The most attempts that can be asked for.
const MOST_ATTEMPTS: u64 = 1_000;
/// The longest delay or duration, in seconds: ten years, as of every time limit.
const MOST_SECONDS: f64 = 315_360_000.0;
/// The largest factor between two delays.
const MOST_BACKOFF: f64 = 100.0;

/// When a step is executed again after an attempt that failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Retry {
    /// How many attempts there are at most, the first among them.
    pub max_attempts: u32,
    /// The delay after the first attempt.
    #[serde(serialize_with = "seconds")]
    pub initial_delay: Duration,
    /// The factor by which each further delay is longer.
    pub backoff: f64,
    /// No delay is longer.
    #[serde(serialize_with = "seconds")]
    pub max_delay: Duration,
    /// The part of a delay by which it is shortened at random, 0 to 1, so that those who
    /// failed together do not come back together.
    pub jitter: f64,
    /// No attempt begins later than this after the first one began.
    #[serde(
        serialize_with = "maybe_seconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub max_duration: Option<Duration>,
    /// Which errors are worth another attempt.
    pub on: Vec<On>,
}

/// An error that is worth another attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub enum On {
    /// One that the step calls retryable.
    Retryable,
    /// Every one.
    Any,
    /// One of this code.
    Code(Box<str>),
}

impl From<On> for String {
    fn from(on: On) -> Self {
        match on {
            On::Retryable => "retryable".to_owned(),
            On::Any => "any".to_owned(),
            On::Code(code) => code.into(),
        }
    }
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

#[expect(clippy::ref_option, reason = "the shape that serde asks for")]
fn maybe_seconds<S: serde::Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_some(&duration.map(|duration| duration.as_secs_f64()))
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            initial_delay: Duration::from_secs(1),
            backoff: 2.0,
            max_delay: Duration::from_mins(5),
            jitter: 0.2,
            max_duration: None,
            on: vec![On::Retryable],
        }
    }
}

impl Retry {
    /// What an application, or an entry of its `steps`, says. `null` and `false` say that
    /// there is none, whatever the application says; `None`: nothing is said. What is
    /// wrong counts as not said: the application's problems name it.
    pub fn of(map: &Map<String, Value>) -> Option<Option<Self>> {
        match map.get(RETRY)? {
            Value::Null | Value::Bool(false) => Some(None),
            Value::Object(said) => Some(Some(Self::read(said))),
            _ => None,
        }
    }

    /// What holds for a step: its entry's word before the application's. A step that its
    /// SyncPack declares not `idempotent` is executed again only where its own entry says so.
    pub fn of_step(application: &Application, step: Step<'_>, idempotent: bool) -> Option<Self> {
        match Self::of(step.entry) {
            Some(own) => own,
            None if idempotent => Self::of(application.document()).flatten(),
            None => None,
        }
    }

    fn read(said: &Map<String, Value>) -> Self {
        let usual = Self::default();
        let number = |key: &str, low: f64, high: f64| {
            let value = said.get(key).and_then(Value::as_f64);
            value.filter(|value| (low..=high).contains(value))
        };
        let time = |key: &str| number(key, 0.0, MOST_SECONDS).map(Duration::from_secs_f64);
        let on = said.get(ON).and_then(Value::as_array).map(|list| {
            let words = list.iter().filter_map(Value::as_str);
            words.map(On::from_word).collect()
        });
        Self {
            max_attempts: said
                .get(ATTEMPTS)
                .and_then(Value::as_u64)
                .filter(|count| (1..=MOST_ATTEMPTS).contains(count))
                .map_or(usual.max_attempts, |count| count as u32),
            initial_delay: time(INITIAL).unwrap_or(usual.initial_delay),
            backoff: number(BACKOFF, 1.0, MOST_BACKOFF).unwrap_or(usual.backoff),
            max_delay: time(LONGEST).unwrap_or(usual.max_delay),
            jitter: number(JITTER, 0.0, 1.0).unwrap_or(usual.jitter),
            max_duration: time(DURATION),
            on: on.unwrap_or(usual.on),
        }
    }

    /// When the next attempt begins; `None`: there is none. `failed` attempts have failed,
    /// the first of them began at `first`, the last one ended at `now`. `random` is a
    /// number from 0 up to 1.
    pub fn next(
        &self,
        failed: u32,
        (first, now): (Timestamp, Timestamp),
        error: (&str, bool),
        random: f64,
    ) -> Option<Timestamp> {
        if failed >= self.max_attempts || !self.covers(error) {
            return None;
        }
        let next = now.plus_micros(self.delay(failed, random).as_micros() as i64);
        let in_time = self
            .max_duration
            .is_none_or(|most| next <= first.plus_micros(most.as_micros() as i64));
        in_time.then_some(next)
    }

    /// The delay after so many failed attempts.
    fn delay(&self, failed: u32, random: f64) -> Duration {
        let factor = self
            .backoff
            .powi(i32::try_from(failed.saturating_sub(1)).unwrap_or(i32::MAX));
        let most = self.max_delay.as_secs_f64();
        // A factor that has grown beyond every number is as good as the longest delay; of
        // an initial delay of zero it makes no number at all.
        let grown = self.initial_delay.as_secs_f64() * factor;
        let whole = if grown.is_nan() { 0.0 } else { grown.min(most) };
        Duration::from_secs_f64(whole * self.jitter.mul_add(-random.clamp(0.0, 1.0), 1.0))
    }

    /// Whether an error of this code, which the step calls retryable or not, is worth
    /// another attempt.
    fn covers(&self, (code, retryable): (&str, bool)) -> bool {
        self.on.iter().any(|on| match on {
            On::Retryable => retryable,
            On::Any => true,
            On::Code(one) => **one == *code,
        })
    }
}

impl On {
    fn from_word(word: &str) -> Self {
        match word {
            "retryable" => Self::Retryable,
            "any" => Self::Any,
            code => Self::Code(code.into()),
        }
    }
}

/// Reports what is wrong with a retry policy that stands in `map`, at `path`.
pub(crate) fn check(map: &Map<String, Value>, path: &str, problems: &mut Vec<Problem>) {
    let path = format!("{path}/{RETRY}");
    let mut wrong = |at: String, message: String| {
        problems.push(Problem::error(code::RETRY, at, message));
    };
    let said = match map.get(RETRY) {
        None | Some(Value::Null | Value::Bool(false)) => return,
        Some(Value::Object(said)) => said,
        Some(other) => {
            return wrong(
                path,
                format!(
                    "`{RETRY}` is an object such as {{\"{ATTEMPTS}\": 3}}, or null for none; this is {}",
                    kind_of(other)
                ),
            );
        }
    };
    for (key, value) in said {
        if let Err(message) = check_value(key, value) {
            wrong(format!("{path}/{}", pointer(key)), message);
        }
    }
}

/// What is wrong with a value of a retry policy.
fn check_value(key: &str, value: &Value) -> Result<(), String> {
    let given = || match value {
        Value::Number(number) => number.to_string(),
        other => kind_of(other).to_owned(),
    };
    let within = |low: f64, high: f64| {
        let number = value.as_f64();
        number.is_some_and(|number| (low..=high).contains(&number))
    };
    let (fits, what) = match key {
        ATTEMPTS => {
            let count = value.as_u64();
            (
                count.is_some_and(|count| (1..=MOST_ATTEMPTS).contains(&count)),
                format!("counts the first attempt too: a whole number from 1 to {MOST_ATTEMPTS}"),
            )
        }
        INITIAL | LONGEST | DURATION => (
            within(0.0, MOST_SECONDS),
            format!("is a number of seconds, at most {MOST_SECONDS}"),
        ),
        BACKOFF => (
            within(1.0, MOST_BACKOFF),
            format!("is the factor from one delay to the next, from 1 to {MOST_BACKOFF}"),
        ),
        JITTER => (
            within(0.0, 1.0),
            "is the part of a delay that is left to chance, from 0 to 1".to_owned(),
        ),
        ON => {
            let is_word = |word: &Value| word.as_str().is_some_and(|word| !word.is_empty());
            let list = value.as_array();
            (
                list.is_some_and(|list| !list.is_empty() && list.iter().all(is_word)),
                "is a list of error codes, or `retryable` (the usual) for what the step calls so, or `any`"
                    .to_owned(),
            )
        }
        key => {
            let hint = suggest::hint(key, KEYS);
            return Err(format!("`{key}` is no key of `{RETRY}`{hint}"));
        }
    };
    if fits {
        Ok(())
    } else {
        Err(format!("`{key}` {what}; this is {}", given()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn of(document: &Value) -> Retry {
        Retry::of(document.as_object().unwrap()).unwrap().unwrap()
    }

    fn problems(document: &Value) -> Vec<String> {
        let mut problems = Vec::new();
        check(document.as_object().unwrap(), "", &mut problems);
        problems.into_iter().map(|one| one.path).collect()
    }

    #[test]
    fn what_is_not_said_is_usual() {
        assert_eq!(of(&json!({"task_retry": {}})), Retry::default());
        assert_eq!(Retry::of(&Map::new()), None);
        for none in [json!({"task_retry": null}), json!({"task_retry": false})] {
            assert_eq!(Retry::of(none.as_object().unwrap()), Some(None));
            assert!(problems(&none).is_empty());
        }
        let said = of(
            &json!({"task_retry": {"max_attempts": 7, "initial_delay": 0.5, "on": ["http-status", "any"]}}),
        );
        assert_eq!(said.max_attempts, 7);
        assert_eq!(said.initial_delay, Duration::from_millis(500));
        assert_eq!(said.on, [On::Code("http-status".into()), On::Any]);
        let shown = serde_json::to_value(&said).unwrap();
        assert_eq!(shown["on"], json!(["http-status", "any"]));
        assert_eq!(shown["max_delay"], json!(300.0));
    }

    #[test]
    fn delays_grow_up_to_the_longest() {
        let retry = of(
            &json!({"task_retry": {"max_attempts": 9, "initial_delay": 2, "backoff": 3, "max_delay": 40, "jitter": 0}}),
        );
        let delays: Vec<u64> = (1..6)
            .map(|failed| retry.delay(failed, 0.5).as_secs())
            .collect();
        assert_eq!(delays, [2, 6, 18, 40, 40]);
        let half = Retry {
            jitter: 0.5,
            ..retry
        };
        assert_eq!(half.delay(1, 0.0), Duration::from_secs(2));
        assert_eq!(half.delay(1, 1.0), Duration::from_secs(1));
    }

    #[test]
    fn only_what_is_covered_and_in_time_is_tried_again() {
        let retry = of(
            &json!({"task_retry": {"max_attempts": 3, "initial_delay": 10, "jitter": 0, "max_duration": 25, "on": ["busy"]}}),
        );
        let at = Timestamp::from_seconds;
        let next = |failed, now, code| retry.next(failed, (at(100), at(now)), (code, false), 0.0);
        assert_eq!(next(1, 101, "busy"), Some(at(111)));
        assert_eq!(next(1, 101, "gone"), None);
        assert_eq!(next(2, 104, "busy"), Some(at(124)));
        assert_eq!(next(2, 106, "busy"), None, "it would begin after 25 s");
        assert_eq!(next(3, 104, "busy"), None);
        let usual = Retry::default();
        assert!(usual.next(1, (at(0), at(0)), ("x", true), 0.0).is_some());
        assert!(usual.next(1, (at(0), at(0)), ("x", false), 0.0).is_none());
    }

    #[test]
    fn each_fault_is_told_at_its_place() {
        let wrong = json!({"task_retry": {
            "max_attempts": 0, "initial_delay": -1, "backoff": 0.5, "max_delay": "1",
            "jitter": 2, "max_duration": 1e12, "on": [], "max_atempts": 3,
        }});
        let mut expected: Vec<String> = KEYS
            .iter()
            .map(|key| format!("/task_retry/{key}"))
            .collect();
        expected.push("/task_retry/max_atempts".to_owned());
        expected.sort();
        let mut found = problems(&wrong);
        found.sort();
        assert_eq!(found, expected);
        assert_eq!(problems(&json!({"task_retry": 3})), ["/task_retry"]);
        assert_eq!(problems(&json!({"task_retry": true})), ["/task_retry"]);
    }

    proptest! {
        #[test]
        fn a_delay_is_never_longer_than_the_longest(
            initial in 0.0..1e6_f64, backoff in 1.0..100.0_f64, most in 0.0..1e6_f64,
            jitter in 0.0..1.0_f64, failed in 0_u32..5_000, random in 0.0..1.0_f64,
        ) {
            let retry = Retry {
                initial_delay: Duration::from_secs_f64(initial),
                backoff,
                max_delay: Duration::from_secs_f64(most),
                jitter,
                ..Retry::default()
            };
            prop_assert!(retry.delay(failed, random) <= retry.max_delay + Duration::from_nanos(1));
        }
    }
}
