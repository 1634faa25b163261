//! Following a run: its steps as they change state, its log as it is written.

use std::{
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
    stream::Stream,
};

const SHORTEST: Duration = Duration::from_millis(150);
const LONGEST: Duration = Duration::from_secs(2);
/// How long a run may stand still without a word.
const PATIENCE: Duration = Duration::from_secs(3);

/// How a run is followed.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    /// Print states and log lines as they come.
    pub(crate) live: bool,
    /// Give up after so long; the run goes on.
    pub(crate) at_most: Option<Duration>,
    /// Print at the end what the run's only step made.
    pub(crate) result: bool,
}

/// Waits for the run's end, prints it, with the warnings that its start was answered with,
/// and answers with its exit code.
pub(crate) async fn to_the_end(
    session: &Session,
    client: &Client,
    id: &str,
    manner: Manner,
    warnings: Vec<Value>,
) -> Result<Exit, Failure> {
    let started = Instant::now();
    let mut view = View::new(session, manner.live);
    let mut pause = SHORTEST;
    let mut run = loop {
        // The log first: then the run as it is read says how each step of it ended.
        let mut lines = view.news(client, id).await?;
        let run = client.get(&["tasks", id]).await?.json()?;
        let late = manner.at_most.is_some_and(|most| started.elapsed() >= most);
        let ended = run["ended"] == true;
        if ended {
            lines.extend(view.news(client, id).await?);
        }
        let news = view.show(&lines, &run);
        if started.elapsed() >= PATIENCE {
            view.say_why(&run);
        }
        if ended || late {
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
    run["warnings"] = warnings.into();
    ended(session, client, run, manner.result).await
}

/// Prints a run that has been waited for and answers with its exit code. `result`: of a run of a
/// single step, with what that step made.
pub(crate) async fn ended(
    session: &Session,
    client: &Client,
    mut run: Value,
    result: bool,
) -> Result<Exit, Failure> {
    let id = text(&run["task_id"]);
    if result && run["ended"] == true {
        let data = client.get(&["tasks", &id, "data"]).await?.json()?;
        let outputs = data["outputs"].as_object();
        let made = outputs.and_then(|outputs| outputs.values().next().cloned());
        run["result"] = made.unwrap_or_default();
    }
    session.output.result(&run, |run| {
        let mut shown = summary(run);
        if !run["result"].is_null() {
            let data = serde_json::to_string_pretty(&run["result"]).unwrap_or_default();
            let _ = write!(shown, "\n{data}");
        }
        shown
    });
    Ok(match run["state"].as_str() {
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
    })
}

/// What is shown while a run goes on.
struct View<'a> {
    session: &'a Session,
    live: bool,
    stream: Stream,
    after: Option<String>,
    /// It was said why the run does not go on.
    said_why: bool,
    bar: ProgressBar,
}

impl<'a> View<'a> {
    fn new(session: &'a Session, live: bool) -> Self {
        Self {
            session,
            live,
            stream: Stream::default(),
            after: None,
            said_why: false,
            bar: progress::things(session.output.json, 1, "steps"),
        }
    }

    /// The lines of the log that have not been read yet, if they are shown.
    async fn news(&mut self, client: &Client, id: &str) -> Result<Vec<Value>, Failure> {
        let mut lines = Vec::new();
        // It comes in parts; those that are there now are read at once.
        while self.live {
            let mut part = log_part(client, id, self.after.as_deref(), None)
                .await?
                .json()?;
            let next = part["next"].as_str().map(str::to_owned);
            let stands = next == self.after;
            self.after = next;
            if let Value::Array(items) = part["items"].take() {
                lines.extend(items);
            }
            if stands || part["more"] != true {
                break;
            }
        }
        Ok(lines)
    }

    /// Shows what is new; says whether there was anything, or will soon be.
    fn show(&mut self, lines: &[Value], run: &Value) -> bool {
        self.bar
            .set_length(run["steps_total"].as_u64().unwrap_or(1));
        self.bar
            .set_position(run["steps_ended"].as_u64().unwrap_or(0));
        if !self.live {
            return false;
        }
        let now = Instant::now();
        self.stream.take(lines, run, now);
        let told = self.stream.tell(run, now);
        for line in &told {
            self.say(line);
        }
        !told.is_empty() || self.stream.holds()
    }

    /// Says once why the run does not go on, if it does not.
    fn say_why(&mut self, run: &Value) {
        let why = run["waiting"]["message"].as_str();
        if let Some(why) =
            why.filter(|_| !self.said_why && (self.live || !self.session.output.json))
        {
            self.said_why = true;
            self.bar.suspend(|| eprintln!("waiting: {why}"));
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

/// A step's state, and whether it takes or took longer than it should.
fn state(step: &Value) -> String {
    if let Some(waits) = step["waits_for"]["message"].as_str() {
        return match step["waits_for"]["until"].as_str() {
            Some(_) => format!("{waits}, until {}", time(&step["waits_for"]["until"])),
            None => waits.to_owned(),
        };
    }
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
        ("waiting", text(&run["waiting"]["message"])),
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
    for step in steps {
        if let Some(listed) = step["children"]["runs"].as_array() {
            shown.push('\n');
            shown.push_str(&children(&step["children"], listed));
        } else if let Some(total) = step["child_runs"]["total"].as_u64() {
            // Writing to a string does not fail.
            let _ = write!(
                shown,
                "\n{} started {}, {} of them ended: pfctl run show {}",
                text(&step["name"]),
                output::count(total, "run"),
                text(&step["child_runs"]["ended"]),
                text(&step["task_id"]),
            );
        }
    }
    shown
}

/// The runs that a step has started.
fn children(all: &Value, listed: &[Value]) -> String {
    let rows: Vec<_> = listed
        .iter()
        .map(|child| {
            vec![
                text(&child["task_id"]),
                text(&child["application"]),
                text(&child["state"]),
            ]
        })
        .collect();
    let mut shown = table(&["child run", "application", "state"], &rows);
    let total = all["total"].as_u64().unwrap_or_default();
    if total > listed.len() as u64 {
        let _ = write!(shown, "\nthe first of {total}");
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
        let waiting = json!({"task_id": "isapp-1", "state": "queued", "steps": [],
            "waiting": {"message": "no worker listens on queue `acme`"}});
        assert!(
            summary(&waiting).contains("waiting        no worker listens on queue `acme`"),
            "{}",
            summary(&waiting)
        );
        let mut run =
            json!({"task_id": "isapp-1", "state": "failed", "steps": [step], "waiting": null});
        run["steps"]
            .as_array_mut()
            .unwrap()
            .push(json!({"name": "slow", "state": "running", "late_at": "2027-01-15T08:00:02Z"}));
        let shown = summary(&run);
        assert!(!shown.contains("waiting"), "{shown}");
        assert!(shown.contains("slow    running, late"), "{shown}");
        assert!(
            shown.contains("create  failed         2.50 s  2         7       409"),
            "{shown}"
        );
    }
}
