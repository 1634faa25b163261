//! What happens in a run as one stream: the states of its steps and the lines of its log, in the
//! order in which they happened.
//!
//! The log of a step that executes is stored a second late. So what is known is held back for as
//! long as another step may still bring forward something that happened before.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::Value;

use crate::output::{duration, harmless, instant, text};

/// After so long, what a step wrote at the same time has been stored and read.
const LATE: Duration = Duration::from_millis(1500);
/// A step that waits longer for a worker is said to.
const PATIENCE: Duration = Duration::from_secs(1);

/// What has happened in a run, as far as it has not been told.
#[derive(Default)]
pub(crate) struct Stream {
    waiting: Vec<Event>,
    /// Steps whose state was told without a line of the log.
    told: HashMap<String, String>,
    /// Steps whose end the log has told, with the attempt.
    stopped: HashSet<(String, i64)>,
}

struct Event {
    time: Timestamp,
    step: String,
    line: String,
    /// Not told before.
    from: Instant,
    /// Only that the step waits: not told when it has started meanwhile.
    waits: bool,
}

impl Stream {
    /// Takes lines of the log, and the run as it was read after them, at `now`.
    pub(crate) fn take(&mut self, lines: &[Value], run: &Value, now: Instant) {
        for line in lines {
            self.line(line, run, now);
        }
        for step in steps(run)
            .iter()
            .filter(|step| step["started_at"].is_null())
        {
            self.state(step, run, now);
        }
        // Stable: what came first stays first.
        self.waiting.sort_by_key(|event| event.time);
    }

    fn line(&mut self, line: &Value, run: &Value, now: Instant) {
        let (name, message) = (text(&line["step"]), text(&line["message"]));
        let flow = line["level"] == "FLOW";
        let attempt = line["attempt"].as_i64().unwrap_or(1);
        let said = if flow && message == format!("start {name}") {
            self.waiting
                .retain(|event| !(event.waits && event.step == name));
            step_line(&line["time"], &name, "running", "", attempt)
        } else if flow
            && message
                .strip_prefix("stop ")
                .is_some_and(|rest| rest.starts_with(&*name))
        {
            self.stopped.insert((name.clone(), attempt));
            let found = steps(run).iter().find(|step| step["name"] == *name);
            let found = found.filter(|step| step["attempts"].as_i64() == Some(attempt));
            let state = found.map_or("ended".to_owned(), |step| text(&step["state"]));
            let took = found.map(|step| duration(&step["started_at"], &step["finished_at"]));
            let took = took.unwrap_or_default();
            step_line(&line["time"], &name, &state, &took, attempt)
        } else {
            log_line(line)
        };
        self.add(&line["time"], name, said, now, now, false);
    }

    /// The state of a step that has not started, and may never start.
    fn state(&mut self, step: &Value, run: &Value, now: Instant) {
        let (name, state) = (text(&step["name"]), text(&step["state"]));
        let waits = state == "ready";
        if !waits && !matches!(&*state, "skipped" | "not_taken" | "cancelled") {
            return;
        }
        if self.told.insert(name.clone(), state.clone()).as_ref() == Some(&state) {
            return;
        }
        let key = if waits { "ready_at" } else { "finished_at" };
        let time = if step[key].is_string() {
            &step[key]
        } else {
            &run["finished_at"]
        };
        let (shown, from) = if waits {
            ("ready, waits for a worker", now + PATIENCE)
        } else {
            (&*state, now)
        };
        let line = step_line(time, &name, shown, "", 1);
        self.add(time, name, line, now, from, waits);
    }

    fn add(
        &mut self,
        time: &Value,
        step: String,
        line: String,
        now: Instant,
        from: Instant,
        waits: bool,
    ) {
        let time = time.as_str().and_then(|time| time.parse().ok());
        self.waiting.push(Event {
            time: time.unwrap_or(Timestamp::MAX),
            step,
            line,
            from: from.max(now),
            waits,
        });
    }

    /// What can be told at `now`, in order. `run`: as it was taken last; of one that has ended,
    /// everything.
    pub(crate) fn tell(&mut self, run: &Value, now: Instant) -> Vec<String> {
        let active: Vec<String> = steps(run)
            .iter()
            .filter(|step| step["started_at"].is_string())
            .filter(|step| {
                let attempt = step["attempts"].as_i64().unwrap_or(1);
                !self.stopped.contains(&(text(&step["name"]), attempt))
            })
            .map(|step| text(&step["name"]))
            .collect();
        let ended = run["ended"] == true;
        let held = |event: &Event| {
            let late = now.saturating_duration_since(event.from) >= LATE;
            now < event.from || (!late && active.iter().any(|step| *step != event.step))
        };
        let end = if ended {
            self.waiting.len()
        } else {
            self.waiting
                .iter()
                .position(held)
                .unwrap_or(self.waiting.len())
        };
        self.waiting.drain(..end).map(|event| event.line).collect()
    }

    /// Whether something is held back.
    pub(crate) fn holds(&self) -> bool {
        !self.waiting.is_empty()
    }
}

fn steps(run: &Value) -> &[Value] {
    run["steps"].as_array().map_or(&[][..], Vec::as_slice)
}

fn step_line(time: &Value, name: &str, state: &str, took: &str, attempt: i64) -> String {
    let name = harmless(name);
    let mut line = format!("{:24}  {:7}  {name}: {state}", instant(time), "STEP");
    if !took.is_empty() {
        let _ = write!(line, " in {took}");
    }
    if attempt > 1 {
        let _ = write!(line, ", attempt {attempt}");
    }
    line
}

/// A line of a log as people read it.
pub(crate) fn log_line(line: &Value) -> String {
    format!(
        "{:24}  {:7}  {}: {}",
        instant(&line["time"]),
        text(&line["level"]),
        harmless(&text(&line["step"])),
        harmless(&text(&line["message"]))
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(millis: u32) -> String {
        format!(
            "2027-01-15T08:00:{:02}.{:03}000Z",
            millis / 1000,
            millis % 1000
        )
    }

    fn line(millis: u32, level: &str, step: &str, message: &str) -> Value {
        json!({"time": at(millis), "level": level, "step": step, "attempt": 1, "message": message})
    }

    fn step(name: &str, state: &str, started: Option<u32>, finished: Option<u32>) -> Value {
        json!({"name": name, "state": state, "attempts": 1, "ready_at": at(0),
            "started_at": started.map(at), "finished_at": finished.map(at)})
    }

    /// What is told, from the millisecond on.
    fn told(lines: &[String]) -> Vec<String> {
        lines
            .iter()
            .map(|line| line[17..].split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    }

    #[test]
    fn states_and_lines_come_in_order_and_each_once() {
        let mut stream = Stream::default();
        let run = json!({"ended": true, "finished_at": at(2500), "steps": [
            step("a", "failed", Some(1), Some(2500)), step("b", "skipped", None, None)]});
        let lines = [
            line(1, "FLOW", "a", "start a"),
            line(7, "FLOW", "a", "of the step itself"),
            line(9, "INFO", "a", "stop a"),
            line(2500, "ERROR", "a", "409 (http-status)"),
            line(2500, "FLOW", "a", "stop a|2.499000"),
        ];
        let now = Instant::now();
        stream.take(&lines, &run, now);
        assert_eq!(
            told(&stream.tell(&run, now)),
            [
                "00.001Z STEP a: running",
                "00.007Z FLOW a: of the step itself",
                "00.009Z INFO a: stop a",
                "02.500Z ERROR a: 409 (http-status)",
                "02.500Z STEP a: failed in 2.50 s",
                "02.500Z STEP b: skipped",
            ]
        );
    }

    #[test]
    fn what_another_step_may_have_done_before_is_waited_for() {
        let mut stream = Stream::default();
        let run = json!({"ended": false, "steps": [
            step("fast", "success", Some(1), Some(900)), step("slow", "running", Some(2), None)]});
        let first = [
            line(1, "FLOW", "fast", "start fast"),
            line(2, "FLOW", "slow", "start slow"),
            line(900, "FLOW", "fast", "stop fast|0.9"),
        ];
        let now = Instant::now();
        stream.take(&first, &run, now);
        // Both were alone for as long as the other had not stored anything: held.
        assert!(stream.tell(&run, now).is_empty() && stream.holds());
        stream.take(
            &[line(500, "INFO", "slow", "half")],
            &run,
            now + Duration::from_secs(1),
        );
        let later = stream.tell(&run, now + LATE);
        assert_eq!(
            told(&later),
            [
                "00.001Z STEP fast: running",
                "00.002Z STEP slow: running",
                "00.500Z INFO slow: half",
                "00.900Z STEP fast: success in 0.899 s",
            ]
        );
        // Alone, it waits for nobody.
        stream.take(&[line(1200, "INFO", "slow", "more")], &run, now + LATE);
        assert_eq!(
            told(&stream.tell(&run, now + LATE)),
            ["01.200Z INFO slow: more"]
        );
    }

    #[test]
    fn a_step_that_waits_for_a_worker_is_told_when_it_does() {
        let now = Instant::now();
        let ready = json!({"ended": false, "steps": [step("a", "ready", None, None)]});
        let mut stream = Stream::default();
        stream.take(&[], &ready, now);
        assert!(stream.tell(&ready, now).is_empty());
        let told_later = stream.tell(&ready, now + PATIENCE);
        assert_eq!(
            told(&told_later),
            ["00.000Z STEP a: ready, waits for a worker"]
        );

        let mut stream = Stream::default();
        stream.take(&[], &ready, now);
        let running = json!({"ended": false, "steps": [step("a", "running", Some(3), None)]});
        stream.take(&[line(3, "FLOW", "a", "start a")], &running, now);
        assert_eq!(
            told(&stream.tell(&running, now)),
            ["00.003Z STEP a: running"]
        );
    }

    #[test]
    fn a_second_attempt_is_told_as_such() {
        let mut second = line(5, "FLOW", "a", "start a");
        second["attempt"] = 2.into();
        let run = json!({"ended": false, "steps": [step("a", "running", Some(5), None)]});
        let (mut stream, now) = (Stream::default(), Instant::now());
        stream.take(&[line(1, "FLOW", "a", "start a"), second], &run, now);
        assert_eq!(
            told(&stream.tell(&run, now)),
            [
                "00.001Z STEP a: running",
                "00.005Z STEP a: running, attempt 2"
            ]
        );
    }
}
