//! What a schedule is made of on the command line.

use clap::Args;
use serde_json::{Map, Value};

use crate::{failure::Failure, params::Params};

/// What a schedule is made of.
#[derive(Debug, Default, Args)]
pub(crate) struct Shape {
    /// The application to run
    #[arg(long, short, value_name = "NAME")]
    pub(super) application: Option<String>,
    /// When: minute, hour, day of the month, month, day of the week; or @daily and the like
    #[arg(long, value_name = "EXPRESSION", conflicts_with = "every")]
    cron: Option<String>,
    /// How often: seconds, or a number with s, m, h or d
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    every: Option<f64>,
    /// The time zone of --cron, such as Europe/Berlin; UTC when absent
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// The configuration object of its runs
    #[arg(long, short, value_name = "NAME")]
    configuration: Option<String>,
    /// The queue of its runs
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    /// When a run has not ended: allow, skip, queue or cancel
    #[arg(long, value_name = "POLICY")]
    overlap: Option<String>,
    /// What was due while nobody could start it: none, last or all
    #[arg(long, value_name = "POLICY")]
    catch_up: Option<String>,
    /// How many missed occurrences --catch-up all runs at most
    #[arg(long, value_name = "NUMBER")]
    catch_up_limit: Option<u32>,
    /// The first moment, such as 2027-01-15T08:00:00Z
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// The last moment
    #[arg(long, value_name = "TIME")]
    end: Option<String>,
    #[command(flatten)]
    params: Params,
}

impl Shape {
    /// Whether nothing is given.
    pub(super) fn is_empty(&self) -> Result<bool, Failure> {
        let mut document = Map::new();
        self.put_into(&mut document)?;
        Ok(document.is_empty())
    }

    /// Puts what is given into a document; the rest stays.
    pub(super) fn put_into(&self, document: &mut Map<String, Value>) -> Result<(), Failure> {
        let mut set = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                document.insert(key.to_owned(), value);
            }
        };
        let text = |value: &Option<String>| value.clone().map(Value::from);
        set("application_id", text(&self.application));
        set("cron", text(&self.cron));
        // A whole number stays one.
        set(
            "frequency",
            self.every.map(|seconds| {
                if seconds.fract() == 0.0 {
                    Value::from(seconds as u64)
                } else {
                    Value::from(seconds)
                }
            }),
        );
        set("time_zone", text(&self.time_zone));
        set("overlap", text(&self.overlap));
        set("catch_up", text(&self.catch_up));
        set("catch_up_limit", self.catch_up_limit.map(Value::from));
        set("start", text(&self.start));
        set("end", text(&self.end));
        // One way of saying when takes the place of the others.
        let others: &[&str] = match (&self.cron, &self.every) {
            (Some(_), _) => &["frequency", "schedule"],
            (_, Some(_)) => &["cron", "schedule"],
            _ => &[],
        };
        for other in others {
            document.shift_remove(*other);
        }
        let mut params = self.params.read()?;
        params.extend(
            self.configuration
                .clone()
                .map(|one| ("configuration".to_owned(), one.into())),
        );
        params.extend(
            self.queue
                .clone()
                .map(|one| ("queue".to_owned(), one.into())),
        );
        if !params.is_empty() {
            let all = document
                .entry("params")
                .or_insert_with(|| Value::Object(Map::new()));
            match all {
                Value::Object(all) => all.extend(params),
                other => *other = Value::Object(params),
            }
        }
        Ok(())
    }
}

/// Seconds from `300`, `90s`, `5m`, `12h` or `1d`.
fn seconds(text: &str) -> Result<f64, String> {
    let units = [('s', 1.0), ('m', 60.0), ('h', 3600.0), ('d', 86_400.0)];
    let (number, factor) = units
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(*unit)?, *factor)))
        .unwrap_or((text, 1.0));
    match number.trim().parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number * factor),
        _ => Err("write seconds, or a number with s, m, h or d: 300, 5m".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lengths_of_time() {
        for (text, expected) in [
            ("300", 300.0),
            ("90s", 90.0),
            ("5m", 300.0),
            ("1.5h", 5400.0),
            ("1d", 86_400.0),
        ] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for wrong in ["", "m", "-5", "0", "five", "inf", "NaN"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_given_takes_the_place_of_what_was() {
        let shape = Shape {
            every: Some(300.0),
            queue: Some("q".to_owned()),
            ..Shape::default()
        };
        let mut document =
            json!({"entry_id": "a", "cron": "* * * * *", "params": {"x": 1}, "mine": 2});
        let document = document.as_object_mut().unwrap();
        shape.put_into(document).unwrap();
        assert_eq!(
            Value::Object(document.clone()),
            json!({"entry_id": "a", "params": {"x": 1, "queue": "q"}, "mine": 2, "frequency": 300})
        );
        assert!(Shape::default().is_empty().unwrap() && !shape.is_empty().unwrap());
    }
}
