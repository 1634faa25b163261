//! From a document to what the service understands of it; every problem listed at its place.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde_json::{Map, Value};

use super::{CatchUp, Compiled, MAX_NAME, Overlap, Schedule, Timing, code, cron, timing::Rule};
use crate::{
    application::kind_of,
    clock::Timestamp,
    run_request::RunRequest,
    suggest,
    validate::{Problem, Severity, pointer},
};

/// The most missed occurrences that a schedule may ask to catch up.
pub const MAX_LIMIT: usize = 1000;
/// How many it catches up when it does not say.
const LIMIT: usize = 100;
/// The longest frequency, in seconds: ten years.
const LONGEST: f64 = 10.0 * 366.0 * 86_400.0;

/// What the service counts itself.
pub(super) const COUNTED: [&str; 2] = ["total_runs", "last_run"];
const KEYS: [&str; 13] = [
    "application_id",
    "entry_id",
    "params",
    "schedule",
    "cron",
    "time_zone",
    "frequency",
    "enabled",
    "overlap",
    "catch_up",
    "catch_up_limit",
    "start",
    "end",
];

struct Check<'d> {
    document: &'d Map<String, Value>,
    problems: Vec<Problem>,
}

impl Schedule {
    /// What the document means, if it has no errors, and everything that is wrong with it.
    pub fn compile(&self) -> (Option<Compiled>, Vec<Problem>) {
        let mut check = Check {
            document: &self.document,
            problems: Vec::new(),
        };
        let application = check.application();
        let name = check.name();
        let params = check.params();
        let timing = check.timing();
        let enabled = check.flag("enabled", true);
        let overlap = check.word("overlap", &Overlap::WORDS, Overlap::default());
        let catch_up = check.word("catch_up", &CatchUp::WORDS, CatchUp::default());
        let catch_up_limit = check.limit();
        check.strays();
        let problems = check.problems;
        if problems.iter().any(|one| one.severity == Severity::Error) {
            return (None, problems);
        }
        let compiled = timing
            .zip(application)
            .map(|(timing, application)| Compiled {
                name: name.unwrap_or_else(|| made_name(&application, &timing, &params)),
                application,
                params,
                timing,
                enabled,
                overlap,
                catch_up,
                catch_up_limit,
            });
        (compiled, problems)
    }
}

/// The name of a schedule that has none, the same for the same schedule: one of the same
/// application and times with other parameters is another.
fn made_name(application: &str, timing: &Timing, params: &str) -> String {
    let mark = match params {
        "" | "{}" => String::new(),
        params => format!(" ({:08x})", fnv(params.as_bytes())),
    };
    let name = format!("{application}: {}", timing.describe());
    let room = MAX_NAME - mark.len();
    name.chars().take(room).chain(mark.chars()).collect()
}

/// The 32 bits of Fowler, Noll and Vo (FNV-1a): the same wherever it is asked.
fn fnv(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

impl<'d> Check<'d> {
    fn error(&mut self, code: &'static str, path: &str, message: impl Into<String>) {
        self.problems.push(Problem::error(code, path, message));
    }

    fn wrong_type(&mut self, path: &str, expected: &str, found: &Value) {
        let message = format!("this must be {expected}, it is {}", kind_of(found));
        self.error(code::WRONG_TYPE, path, message);
    }

    /// What stands there; a null counts as nothing.
    fn given(&self, key: &str) -> Option<&'d Value> {
        self.document.get(key).filter(|value| !value.is_null())
    }

    fn text(&mut self, key: &str) -> Option<&'d str> {
        match self.given(key)? {
            Value::String(text) => Some(text),
            other => {
                self.wrong_type(&format!("/{key}"), "a text", other);
                None
            }
        }
    }

    fn application(&mut self) -> Option<String> {
        let before = self.problems.len();
        let found = self
            .text("application_id")
            .filter(|name| !name.trim().is_empty());
        if found.is_some_and(|name| name.contains(char::is_control)) {
            self.error(
                code::NO_APPLICATION,
                "/application_id",
                "this holds control characters: no application has such a name",
            );
        } else if found.is_none() && self.problems.len() == before {
            self.error(
                code::NO_APPLICATION,
                "/application_id",
                "add `application_id`, the name of the application to run",
            );
        }
        found.map(str::to_owned)
    }

    fn name(&mut self) -> Option<String> {
        let name = self
            .text("entry_id")
            .filter(|name| !name.trim().is_empty())?;
        if name.chars().count() > MAX_NAME {
            self.error(
                code::NAME,
                "/entry_id",
                format!("a name has at most {MAX_NAME} characters"),
            );
        } else if name.chars().any(char::is_control) || name.trim() != name {
            self.error(
                code::NAME,
                "/entry_id",
                "a name has no control characters, and no blanks at its ends",
            );
        }
        Some(name.to_owned())
    }

    fn params(&mut self) -> String {
        let Some(params) = self.given("params") else {
            return "{}".to_owned();
        };
        if !params.is_object() {
            self.wrong_type("/params", "an object", params);
            return "{}".to_owned();
        }
        let text = params.to_string();
        if let Err(error) = RunRequest::from_params(&text) {
            self.error(code::PARAMS, "/params", error.to_string());
        }
        text
    }

    fn flag(&mut self, key: &str, default: bool) -> bool {
        match self.given(key) {
            None => default,
            Some(Value::Bool(flag)) => *flag,
            Some(other) => {
                self.wrong_type(&format!("/{key}"), "`true` or `false`", other);
                default
            }
        }
    }

    fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)], default: T) -> T {
        let Some(text) = self.text(key) else {
            return default;
        };
        if let Some((_, policy)) = words.iter().find(|(word, _)| *word == text) {
            return *policy;
        }
        let all: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        let hint = suggest::hint(text, words.iter().map(|(word, _)| *word));
        let message = format!("`{text}` is none of {}{hint}", all.join(", "));
        self.error(code::POLICY, &format!("/{key}"), message);
        default
    }

    fn limit(&mut self) -> usize {
        let Some(value) = self.given("catch_up_limit") else {
            return LIMIT;
        };
        let number = value
            .as_u64()
            .and_then(|number| usize::try_from(number).ok());
        if let Some(number) = number.filter(|number| (1..=MAX_LIMIT).contains(number)) {
            return number;
        }
        let message = format!("this must be a whole number from 1 to {MAX_LIMIT}");
        self.error(code::POLICY, "/catch_up_limit", message);
        LIMIT
    }

    fn strays(&mut self) {
        for key in self.document.keys() {
            if KEYS.contains(&&**key) {
                continue;
            }
            if let Some(near) = suggest::nearest(key, KEYS) {
                self.problems.push(Problem::warning(
                    code::STRAY_KEY,
                    format!("/{}", pointer(key)),
                    format!(
                        "`{key}` means nothing here and is kept as it is; did you mean `{near}`?"
                    ),
                ));
            }
        }
    }

    fn timing(&mut self) -> Option<Timing> {
        let zone = self.zone();
        let forms = ["schedule", "cron", "frequency"];
        let given: Vec<_> = forms
            .into_iter()
            .filter(|form| self.given(form).is_some())
            .collect();
        let rule = match given[..] {
            ["schedule"] => self.predecessors(&zone),
            ["cron"] => self.expression(&zone),
            ["frequency"] => {
                let value = self.given("frequency")?;
                self.every("/frequency", value)
            }
            [] => {
                self.error(
                    code::NO_TIMING,
                    "",
                    "nothing says when it is due: add `cron` (such as \"0 9 * * MON-FRI\"), `frequency` (in seconds), or `schedule`",
                );
                None
            }
            _ => {
                let message = format!(
                    "`{}` each say when it is due: keep one of them",
                    given.join("` and `")
                );
                self.error(code::NO_TIMING, &format!("/{}", given[1]), message);
                None
            }
        };
        let (start, end) = (self.moment("start", &zone), self.moment("end", &zone));
        if let (Some(start), Some(end)) = (start, end)
            && end < start
        {
            self.error(code::BOUNDS, "/end", "the end is before the start");
        }
        let rule = rule?;
        let timing = Timing { rule, start, end };
        // Whenever it was created: an expression that is due at all is so within 28 years.
        if timing.end.is_none() && timing.next(Timestamp(0), Timestamp(0)).is_none() {
            self.error(
                code::NEVER,
                &format!("/{}", given[0]),
                "it is never due: there is no such day",
            );
        }
        Some(timing)
    }

    fn zone(&mut self) -> TimeZone {
        let Some(name) = self
            .text("time_zone")
            .filter(|name| !name.trim().is_empty())
        else {
            return TimeZone::UTC;
        };
        let database = TimeZoneDatabase::bundled();
        if let Ok(zone) = database.get(name.trim()) {
            return zone;
        }
        let names: Vec<String> = database.available().map(|name| name.to_string()).collect();
        let near = suggest::hint(name, names.iter().map(String::as_str));
        let message = format!(
            "`{name}` is no time zone of the IANA database{}",
            if near.is_empty() {
                "; write one as `Europe/Berlin` or `UTC`"
            } else {
                &near
            }
        );
        self.error(code::TIME_ZONE, "/time_zone", message);
        TimeZone::UTC
    }

    fn expression(&mut self, zone: &TimeZone) -> Option<Rule> {
        let expression = self.text("cron")?;
        match cron::split(expression) {
            Ok(texts) => self.fields(
                texts.map(|text| ("/cron".to_owned(), text.to_owned())),
                false,
                zone,
            ),
            Err(message) => {
                self.error(code::CRON, "/cron", message);
                None
            }
        }
    }

    /// Each field with its place.
    fn fields(
        &mut self,
        fields: [(String, String); 5],
        both: bool,
        zone: &TimeZone,
    ) -> Option<Rule> {
        let before = self.problems.len();
        let mut normal = ["*"; 5].map(str::to_owned);
        for ((place, field), (path, text)) in cron::FIELDS.iter().enumerate().zip(fields) {
            match cron::field(field, &text) {
                Ok(text) => normal[place] = text,
                Err(message) => self.error(code::CRON, &path, message),
            }
        }
        if self.problems.len() > before {
            return None;
        }
        match cron::compile(&normal, both) {
            Ok(cron) => Some(Rule::Cron {
                cron: Box::new(cron),
                zone: zone.clone(),
            }),
            Err(message) => {
                self.error(code::CRON, "", message);
                None
            }
        }
    }

    fn predecessors(&mut self, zone: &TimeZone) -> Option<Rule> {
        let given = self.given("schedule")?;
        let Some(form) = given.as_object() else {
            self.wrong_type("/schedule", "an object", given);
            return None;
        };
        let info = match form.get("schedule_info") {
            Some(Value::Object(info)) => info,
            Some(other) => {
                self.wrong_type("/schedule/schedule_info", "an object", other);
                return None;
            }
            None => {
                self.error(
                    code::NO_TIMING,
                    "/schedule/schedule_info",
                    "add `schedule_info`, an object that says when it is due",
                );
                return None;
            }
        };
        // A frequency of the predecessor may name its type inside.
        let kind = form
            .get("schedule_type")
            .or_else(|| info.get("schedule_type"));
        match kind.map(Value::as_str) {
            Some(Some("crontab")) => self.predecessors_cron(info, zone),
            Some(Some("frequency")) => {
                let path = "/schedule/schedule_info/run_every";
                let given = info.get("run_every");
                if given.is_none() {
                    self.error(code::NO_TIMING, path, "add `run_every`, in seconds");
                }
                self.every(path, given?)
            }
            _ => {
                let message = "this must be `crontab` or `frequency`";
                self.error(code::NO_TIMING, "/schedule/schedule_type", message);
                None
            }
        }
    }

    fn predecessors_cron(&mut self, info: &Map<String, Value>, zone: &TimeZone) -> Option<Rule> {
        let keys = cron::FIELDS.map(|field| field.key);
        for key in info
            .keys()
            .filter(|key| !keys.contains(&&***key) && *key != "schedule_type")
        {
            if let Some(near) = suggest::nearest(key, keys) {
                self.problems.push(Problem::warning(
                    code::STRAY_KEY,
                    format!("/schedule/schedule_info/{}", pointer(key)),
                    format!("`{key}` means nothing here; did you mean `{near}`?"),
                ));
            }
        }
        let before = self
            .problems
            .iter()
            .filter(|one| one.severity == Severity::Error)
            .count();
        let fields = keys.map(|key| {
            let path = format!("/schedule/schedule_info/{key}");
            let text = match info.get(key) {
                None | Some(Value::Null) => "*".to_owned(),
                Some(Value::String(text)) => text.clone(),
                Some(Value::Number(number)) => number.to_string(),
                Some(other) => {
                    self.wrong_type(&path, "a text or a number", other);
                    "*".to_owned()
                }
            };
            (path, text)
        });
        let rule = self.fields(fields, true, zone);
        let errors = self
            .problems
            .iter()
            .filter(|one| one.severity == Severity::Error)
            .count();
        rule.filter(|_| errors == before)
    }

    fn every(&mut self, path: &str, value: &Value) -> Option<Rule> {
        let Some(seconds) = value.as_f64() else {
            self.wrong_type(path, "a number of seconds", value);
            return None;
        };
        if !(1.0..=LONGEST).contains(&seconds) {
            let message = format!("{value} seconds are out of range: from 1 to {LONGEST}");
            self.error(code::FREQUENCY, path, message);
            return None;
        }
        Some(Rule::Every((seconds * 1e6).round() as i64))
    }

    fn moment(&mut self, key: &str, zone: &TimeZone) -> Option<Timestamp> {
        let text = self.text(key)?;
        let at = moment(text, zone);
        if at.is_none() {
            let message = format!(
                "`{text}` is no time: write it as 2027-01-15T08:00:00Z, or without an offset for the schedule's time zone"
            );
            self.error(code::BOUNDS, &format!("/{key}"), message);
        }
        at
    }
}

/// A moment as RFC 3339 has it; without an offset in that time zone.
fn moment(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.trim();
    let absolute = text.parse::<jiff::Timestamp>().ok();
    let at = absolute.or_else(|| {
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        Some(zone.to_zoned(civil).ok()?.timestamp())
    })?;
    Some(Timestamp(at.as_microsecond()))
}
