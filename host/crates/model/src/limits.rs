//! How many attempts of steps may execute at a time, and how many may start in a span of
//! time, for those that name the same key: an entry of `steps` says it. Keys are shared by
//! all applications of a tenant, and may name what they are about with references.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::{
    application::kind_of,
    clock::Timestamp,
    operator::Operator,
    suggest,
    validate::{Problem, code, pointer},
};

/// So many attempts with the same key execute at a time.
pub const CONCURRENCY: &str = "task_concurrency";
/// So many attempts with the same key start in a span of time.
pub const RATE: &str = "task_rate";

/// What attempts are counted by.
pub const KEY: &str = "key";
const LIMIT: &str = "limit";
const PER: &str = "per";
const BURST: &str = "burst";
/// The keys of the two.
const CONCURRENCY_KEYS: [&str; 2] = [KEY, LIMIT];
const RATE_KEYS: [&str; 4] = [KEY, LIMIT, PER, BURST];

/// The longest key, in characters, its references filled in.
pub const LONGEST_KEY: usize = 200;
/// The largest limit.
const MOST: u64 = 1_000_000;
/// The shortest and the longest span of a rate, in seconds: a millisecond, a year.
const SPANS: (f64, f64) = (0.001, 31_536_000.0);

/// Which of the two a limit is. The numbers are what the store keeps: never renumber. In
/// their order keys are locked: whoever waits for a rate has its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Attempts that execute at a time.
    Concurrency = 1,
    /// Starts in a span of time.
    Rate = 2,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Concurrency, Self::Rate];

    /// The number that the store keeps.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The kind of a stored number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.code() == code)
    }

    /// The word that API and command line show.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Concurrency => "concurrency",
            Self::Rate => "rate",
        }
    }

    /// The kind of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }
}

/// How many, of whoever has a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many attempts execute at a time.
    Concurrency(u32),
    /// So many attempts start in a span of time.
    Rate(Rate),
}

impl Limit {
    /// Which it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Concurrency(_) => Kind::Concurrency,
            Self::Rate(_) => Kind::Rate,
        }
    }

    /// How many.
    pub const fn most(&self) -> u32 {
        match self {
            Self::Concurrency(limit) => *limit,
            Self::Rate(rate) => rate.limit,
        }
    }

    /// The span, in microseconds, and the burst as the store keeps them; 0 of a concurrency.
    pub fn span(&self) -> (i64, u32) {
        match self {
            Self::Concurrency(_) => (0, 0),
            Self::Rate(rate) => {
                let per = i64::try_from(rate.per.as_micros()).unwrap_or(i64::MAX);
                (per, rate.burst)
            }
        }
    }

    /// The limit that the store keeps so.
    pub fn stored(kind: Kind, most: u32, (per, burst): (i64, u32)) -> Self {
        match kind {
            Kind::Concurrency => Self::Concurrency(most),
            Kind::Rate => Self::Rate(Rate {
                limit: most,
                per: Duration::from_micros(u64::try_from(per).unwrap_or_default()),
                burst,
            }),
        }
    }
}

/// A limit of an attempt, with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The key.
    pub key: String,
    /// How many.
    pub limit: Limit,
}

/// How many may start in a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// So many.
    pub limit: u32,
    /// In any span of this length.
    pub per: Duration,
    /// How many of them may start at once after a pause; 1 to `limit`.
    pub burst: u32,
}

/// When the next may start, for one key: the whole state of a rate.
///
/// The generic cell rate algorithm, as virtual scheduling, of ITU-T I.371 (annex A) and the
/// ATM Forum's Traffic Management Specification 4.0 (section 4.4.2): each start moves a
/// theoretical arrival time on by an interval, and one may start when that time is no more
/// than a tolerance ahead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival(
    /// The theoretical arrival time, in microseconds since the Unix epoch; 0 of a new key.
    pub i64,
);

impl Rate {
    /// The time from one start to the next where none may be made up for, in microseconds.
    ///
    /// What a burst takes is missing later, so that no span holds more than `limit`: of n
    /// starts, the last is at least (n - `burst`) intervals after the first.
    pub fn interval(&self) -> i64 {
        let others = u128::from(self.limit.saturating_sub(self.burst)) + 1;
        let interval = self.per.as_micros().div_ceil(others);
        i64::try_from(interval).unwrap_or(i64::MAX / 4).max(1)
    }

    /// How far ahead the arrival time may be of a start, in microseconds.
    fn tolerance(&self) -> i64 {
        self.interval()
            .saturating_mul(i64::from(self.burst.saturating_sub(1)))
    }

    /// From when on the next may start.
    pub fn next(&self, arrival: Arrival) -> Timestamp {
        Timestamp(arrival.0.saturating_sub(self.tolerance()))
    }

    /// What is left of a key after a start at `now`; `None`: it may not start yet.
    pub fn start(&self, arrival: Arrival, now: Timestamp) -> Option<Arrival> {
        (now >= self.next(arrival)).then(|| self.after(arrival, now))
    }

    /// The same of a start that nobody asks about.
    pub fn after(&self, arrival: Arrival, now: Timestamp) -> Arrival {
        Arrival(arrival.0.max(now.0).saturating_add(self.interval()))
    }
}

/// What an entry says of its concurrency: its key as written and its limit. What is wrong
/// counts as not said: the application's problems name it.
pub(crate) fn concurrency(entry: &Map<String, Value>) -> Option<(&Value, u32)> {
    let said = entry.get(CONCURRENCY)?.as_object()?;
    Some((key(said)?, count(said, LIMIT, MOST)?))
}

/// What an entry says of its rate.
pub(crate) fn rate(entry: &Map<String, Value>) -> Option<(&Value, Rate)> {
    let said = entry.get(RATE)?.as_object()?;
    let limit = count(said, LIMIT, MOST)?;
    let per = said.get(PER)?.as_f64()?;
    let burst = match said.get(BURST) {
        None | Some(Value::Null) => 1,
        Some(_) => count(said, BURST, limit.into())?,
    };
    let per = is_span(per).then(|| Duration::from_secs_f64(per))?;
    Some((key(said)?, Rate { limit, per, burst }))
}

fn key(said: &Map<String, Value>) -> Option<&Value> {
    said.get(KEY).filter(|key| is_key(key))
}

fn is_key(key: &Value) -> bool {
    key.as_str().is_some_and(|text| {
        let written = text.chars().count();
        // What references become is looked at when they are filled in.
        !text.trim().is_empty() && (written <= LONGEST_KEY || text.contains("${"))
    })
}

fn is_span(seconds: f64) -> bool {
    (SPANS.0..=SPANS.1).contains(&seconds)
}

fn count(said: &Map<String, Value>, name: &str, most: u64) -> Option<u32> {
    let count = said.get(name)?.as_u64()?;
    (1..=most).contains(&count).then_some(count as u32)
}

/// Reports what is wrong with the limits of an entry of `steps` that stands at `path`.
pub(crate) fn check(entry: &Map<String, Value>, path: &str, problems: &mut Vec<Problem>) {
    for (name, keys) in [(CONCURRENCY, &CONCURRENCY_KEYS[..]), (RATE, &RATE_KEYS)] {
        let at = format!("{path}/{name}");
        let said = match entry.get(name) {
            None | Some(Value::Null) => continue,
            Some(Value::Object(said)) => said,
            Some(other) => {
                let given = kind_of(other);
                let message = format!(
                    "`{name}` is an object with the keys {}, or null for none; this is {given}",
                    list(keys)
                );
                problems.push(Problem::error(code::LIMIT, at, message));
                continue;
            }
        };
        if Operator::of(entry).is_some() {
            let message = format!(
                "an operator executes nothing outside: `{name}` stands at the step that it protects"
            );
            problems.push(Problem::error(code::LIMIT, at, message));
            continue;
        }
        let missing = keys.iter().filter(|key| **key != BURST);
        for key in missing.filter(|key| said.get(**key).is_none_or(Value::is_null)) {
            let message = format!("`{name}` has no `{key}`");
            problems.push(Problem::error(code::LIMIT, &*at, message));
        }
        for (key, value) in said.iter().filter(|(_, value)| !value.is_null()) {
            if let Err(message) = check_value(name, keys, said, (key, value)) {
                let at = format!("{at}/{}", pointer(key));
                problems.push(Problem::error(code::LIMIT, at, message));
            }
        }
    }
}

fn list(keys: &[&str]) -> String {
    let quoted: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
    quoted.join(", ")
}

fn check_value(
    name: &str,
    keys: &[&str],
    said: &Map<String, Value>,
    (key, value): (&str, &Value),
) -> Result<(), String> {
    if !keys.contains(&key) {
        let hint = suggest::hint(key, keys.iter().copied());
        return Err(format!("`{key}` is no key of `{name}`{hint}"));
    }
    let (fits, what) = match key {
        KEY => (
            is_key(value),
            format!(
                "is a text of 1 to {LONGEST_KEY} characters, which may hold references: \"device ${{appvar.device}}\""
            ),
        ),
        LIMIT => (
            count(said, LIMIT, MOST).is_some(),
            format!("is a whole number from 1 to {MOST}"),
        ),
        PER => (
            value.as_f64().is_some_and(is_span),
            format!("is a number of seconds from {} to {}", SPANS.0, SPANS.1),
        ),
        _ => {
            let limit = count(said, LIMIT, MOST).map_or(MOST, u64::from);
            (
                count(said, BURST, limit).is_some(),
                format!(
                    "is how many may start at once, a whole number from 1 to `{LIMIT}` ({limit})"
                ),
            )
        }
    };
    if fits {
        return Ok(());
    }
    let given = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) if key == KEY => format!("a text of {}", text.chars().count()),
        other => kind_of(other).to_owned(),
    };
    Err(format!("`{key}` {what}; this is {given}"))
}

mod standing;

pub use standing::{Answer, Place, Standing};

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
