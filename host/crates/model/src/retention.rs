//! How long the runs of an application are kept.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::validate::{Problem, code};

/// The key in an application.
pub const KEY: &str = "result_expires";
/// The shortest time, in seconds: whoever waits for a run must find it.
const SHORTEST: f64 = 60.0;
/// The longest, in seconds: ten years, as of every time limit. The store keeps what expires on
/// the same day together, so that there are as many parts as days.
const LONGEST: f64 = 315_360_000.0;

/// What an application says; what is wrong counts as not said, for the problems name it.
pub fn of(document: &Map<String, Value>) -> Option<Duration> {
    let seconds = document.get(KEY)?.as_f64()?;
    (SHORTEST..=LONGEST)
        .contains(&seconds)
        .then(|| Duration::from_secs_f64(seconds))
}

/// Reports what is wrong with what an application says.
pub(crate) fn check(document: &Map<String, Value>, problems: &mut Vec<Problem>) {
    let Some(value) = document.get(KEY).filter(|value| !value.is_null()) else {
        return;
    };
    if of(document).is_none() {
        problems.push(Problem::error(
            code::RETENTION,
            format!("/{KEY}"),
            format!(
                "`{KEY}` is a number of seconds from {SHORTEST} to {LONGEST}, for how long the application's runs are kept; this is {value}"
            ),
        ));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn seconds_from_a_minute_to_ten_years() {
        for (value, kept) in [
            (json!(60), Some(60)),
            (json!(86_400.0), Some(86_400)),
            (json!(315_360_000), Some(315_360_000)),
            (json!(59), None),
            (json!(315_360_001), None),
            (json!("7d"), None),
            (json!(-1), None),
        ] {
            let document = json!({KEY: value});
            let document = document.as_object().unwrap();
            assert_eq!(of(document).map(|one| one.as_secs()), kept, "{value}");
            let mut problems = Vec::new();
            check(document, &mut problems);
            assert_eq!(problems.is_empty(), kept.is_some(), "{value}");
        }
        let mut problems = Vec::new();
        check(json!({KEY: null}).as_object().unwrap(), &mut problems);
        assert_eq!(problems, []);
    }
}
