//! Following a run: its steps as they change state, its log as it is written.

use std::{
    collections::HashMap,
    fmt::Write as _,
    time::{Duration, Instant},
};

use indicatif::ProgressBar;
use serde_json::Value;

use crate::{
    client::{Client, Reply},
    failure::{Exit, Failure},
    output::{self, duration, facts, table, text, time},
    progress,
    session::Session,
};

const SHORTEST: Duration = Duration::from_millis(150);
const LONGEST: Duration = Duration::from_secs(2);

/// How a run is followed.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    /// Print states and log lines as they come.
    pub(crate) live: bool,
    /// Give up after so long; the run goes on.
    pub(crate) at_most: Option<Duration>,
}

/// Waits for the run's end, prints it and answers with its exit code.
pub(crate) async fn to_the_end(
    session: &Session,
    client: &Client,
    id: &str,
    manner: Manner,
) -> Result<Exit, Failure> {
    let started = Instant::now();
    let mut view = View::new(session, manner.live);
    let mut pause = SHORTEST;
    let run = loop {
        let run = client.get(&["tasks", id]).await?.json()?;
        let news = view.show(client, id, &run).await?;
        let late = manner.at_most.is_some_and(|most| started.elapsed() >= most);
        if run["ended"] == true || late {
            break run;
        }
        pause = if news {
            SHORTEST
        } else {
            (pause * 3 / 2).min(LONGEST)
        };
        if let Some(most) = manner.at_most {
            pause = pause
                .min(most.saturating_sub(started.elapsed()))
                .max(Duration::from_millis(10));
        }
        tokio::time::sleep(pause).await;
    };
    view.end();
    Ok(ended(session, &run))
}

/// Prints a run that has been waited for and answers with its exit code.
pub(crate) fn ended(session: &Session, run: &Value) -> Exit {
    session.output.result(run, summary);
    let id = text(&run["task_id"]);
    match run["state"].as_str() {
        Some("success" | "warning") => Exit::Success,
        Some("failed" | "cancelled") => {
            session.output.remark(&format!("next: pfctl run logs {id}"));
            Exit::RunFailed
        }
        _ => {
            session
                .output
                .remark(&format!("it goes on; next: pfctl run logs {id} --follow"));
            Exit::TimedOut
        }
    }
}

/// What is shown while a run goes on.
struct View<'a> {
    session: &'a Session,
    live: bool,
    states: HashMap<String, String>,
    after: Option<String>,
    bar: ProgressBar,
}

impl<'a> View<'a> {
    fn new(session: &'a Session, live: bool) -> Self {
        Self {
            session,
            live,
            states: HashMap::new(),
            after: None,
            bar: progress::things(session.output.json, 1, "steps"),
        }
    }

    /// Shows what is new; says whether there was anything.
    async fn show(&mut self, client: &Client, id: &str, run: &Value) -> Result<bool, Failure> {
        self.bar
            .set_length(run["steps_total"].as_u64().unwrap_or(1));
        self.bar
            .set_position(run["steps_ended"].as_u64().unwrap_or(0));
        if !self.live {
            return Ok(false);
        }
        let mut news = false;
        for step in run["steps"].as_array().into_iter().flatten() {
            let (name, state) = (text(&step["name"]), text(&step["state"]));
            let known = self.states.insert(text(&step["task_id"]), state.clone());
            if known.as_deref().unwrap_or("pending") != state {
                news = true;
                self.say(&change(&name, &state, step));
            }
        }
        // The log comes in parts; those that are there now are read at once.
        loop {
            let part = log_part(client, id, self.after.as_deref(), None)
                .await?
                .json()?;
            let lines = part["items"].as_array().map_or(&[][..], Vec::as_slice);
            for line in lines {
                self.say(&log_line(line));
            }
            self.after = part["next"].as_str().map(str::to_owned);
            if lines.is_empty() {
                return Ok(news);
            }
            news = true;
        }
    }

    /// Live lines are the result for a person, and talk beside the JSON for a program.
    fn say(&self, text: &str) {
        self.bar.suspend(|| {
            if self.session.output.json {
                eprintln!("{text}");
            } else {
                output::line(text);
            }
        });
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn change(name: &str, state: &str, step: &Value) -> String {
    let mut line = format!("{:20}  {:7}  {name}: {state}", time(&newest(step)), "STEP");
    let took = duration(&step["started_at"], &step["finished_at"]);
    if !took.is_empty() {
        let _ = write!(line, " in {took}");
    }
    if step["attempts"].as_i64().unwrap_or(1) > 1 {
        let _ = write!(line, ", attempt {}", step["attempts"]);
    }
    if let Some(message) = step["error"]["message"].as_str() {
        let _ = write!(line, ": {message}");
    }
    line
}

fn newest(step: &Value) -> Value {
    ["finished_at", "started_at", "ready_at"]
        .into_iter()
        .map(|key| step[key].clone())
        .find(Value::is_string)
        .unwrap_or_default()
}

/// A step's state, and whether it takes or took longer than it should.
fn state(step: &Value) -> String {
    let late = if step["late_at"].is_string() {
        ", late"
    } else {
        ""
    };
    format!("{}{late}", text(&step["state"]))
}

/// A part of a log.
pub(crate) async fn log_part(
    client: &Client,
    id: &str,
    after: Option<&str>,
    level: Option<&str>,
) -> Result<Reply, Failure> {
    let mut query = vec![("limit", "1000".to_owned())];
    query.extend(after.map(|after| ("after", after.to_owned())));
    query.extend(level.map(|level| ("level", level.to_owned())));
    client.get_with(&["tasks", id, "logs"], &query).await
}

/// A line of a log as people read it.
pub(crate) fn log_line(line: &Value) -> String {
    format!(
        "{:20}  {:7}  {}: {}",
        time(&line["time"]),
        text(&line["level"]),
        text(&line["step"]),
        text(&line["message"])
    )
}

/// A run with its steps as people read it.
pub(crate) fn summary(run: &Value) -> String {
    let took = duration(&run["started_at"], &run["finished_at"]);
    let pairs = [
        ("run", text(&run["task_id"])),
        (
            "application",
            format!(
                "{} revision {}",
                text(&run["application"]),
                text(&run["application_revision"])
            ),
        ),
        ("configuration", text(&run["configuration"])),
        ("queue", text(&run["queue"])),
        ("state", text(&run["state"])),
        ("started by", text(&run["trigger"])),
        ("accepted", time(&run["created_at"])),
        ("took", took),
    ];
    let steps = run["steps"].as_array().map_or(&[][..], Vec::as_slice);
    let rows: Vec<_> = steps
        .iter()
        .map(|step| {
            let took = duration(&step["started_at"], &step["finished_at"]);
            let error = text(&step["error"]["message"]);
            vec![
                text(&step["name"]),
                state(step),
                took,
                text(&step["attempts"]),
                text(&step["worker"]),
                error,
            ]
        })
        .collect();
    let mut shown = facts(&pairs);
    if !rows.is_empty() {
        shown.push('\n');
        shown.push_str(&table(
            &["step", "state", "took", "attempts", "worker", "error"],
            &rows,
        ));
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_step_that_failed_says_why() {
        let step = json!({"name": "create", "state": "failed", "attempts": 2, "worker": 7,
            "started_at": "2027-01-15T08:00:00Z", "finished_at": "2027-01-15T08:00:02.5Z",
            "error": {"message": "409"}});
        assert_eq!(
            change("create", "failed", &step),
            "2027-01-15 08:00:02Z  STEP     create: failed in 2.50 s, attempt 2: 409"
        );
        let mut run = json!({"task_id": "isapp-1", "state": "failed", "steps": [step]});
        run["steps"]
            .as_array_mut()
            .unwrap()
            .push(json!({"name": "slow", "state": "running", "late_at": "2027-01-15T08:00:02Z"}));
        let shown = summary(&run);
        assert!(shown.contains("slow    running, late"), "{shown}");
        assert!(
            shown.contains("create  failed         2.50 s  2         7       409"),
            "{shown}"
        );
    }
}
