//! `pfctl run bulk …`: many runs together.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};

use super::states;
use crate::{
    client::Client,
    failure::{Exit, Failure},
    output::{count, facts, items, table, text, time},
    session::Session,
};

/// How often progress is asked for.
const LOOK: Duration = Duration::from_millis(500);

/// What to do with many runs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Cancel, retry or replay all runs that fit
    ///
    /// Those that fit now, from the newest to the oldest. The service goes on with it by itself,
    /// over restarts. --preview only counts them.
    ///
    /// Example: pfctl run bulk start retry --application sync --from 2027-01-15T08:00:00Z --preview
    Start(Start),
    /// List what was started, the newest first
    ///
    /// Example: pfctl run bulk list
    List {
        /// How many
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Show how far it has come, and which runs were left out
    ///
    /// Example: pfctl run bulk show 7
    Show {
        /// Its number
        number: u64,
        /// Wait for its end
        #[arg(long)]
        wait: bool,
    },
    /// Stop it; what was done stays done
    ///
    /// Example: pfctl run bulk stop 7
    Stop {
        /// Its number
        number: u64,
    },
}

/// What is done to each run.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Action {
    /// Runs that have not ended
    Cancel,
    /// Runs that have ended: what did not succeed is executed again
    Retry,
    /// Runs that have ended: again from the start, with the newest revision
    Replay,
}

/// What to do, and to which runs: those that fit everything that is given.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
#[derive(Debug, Args)]
pub(crate) struct Start {
    /// What to do
    #[arg(value_enum)]
    action: Action,
    /// Runs of this application
    #[arg(long, short, value_name = "NAME")]
    application: Option<String>,
    /// Runs on this queue
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    /// Runs aligned with this configuration object
    #[arg(long, value_name = "NAME")]
    config: Option<String>,
    /// Runs in this state; may be repeated. Those that failed where none is given, or all that
    /// have not ended, to cancel
    #[arg(long, value_parser = states())]
    state: Vec<String>,
    /// Runs accepted at this time or later, as 2027-01-15T08:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Runs accepted before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only runs with dead letters
    #[arg(long)]
    dead_letters: bool,
    /// Retry with the newest revision of the application
    #[arg(long)]
    newest: bool,
    /// Runs of every kind
    #[arg(long)]
    all: bool,
    /// Only count them
    #[arg(long, conflicts_with = "wait")]
    preview: bool,
    /// Wait for its end
    #[arg(long)]
    wait: bool,
}

/// Does it.
pub(super) async fn run(
    session: &Session,
    client: &Client,
    command: Command,
) -> Result<Exit, Failure> {
    match command {
        Command::Start(asked) => start(session, client, asked).await,
        Command::List { limit } => list(session, client, limit).await,
        Command::Show { number, wait } => show(session, client, &number.to_string(), wait).await,
        Command::Stop { number } => {
            let request = client.request(Method::DELETE, &["runs", "bulk", &number.to_string()]);
            let stopped = client.send(request).await?.json()?;
            session.output.result(&stopped, shown);
            Ok(Exit::Success)
        }
    }
}

async fn start(session: &Session, client: &Client, asked: Start) -> Result<Exit, Failure> {
    let action = match asked.action {
        Action::Cancel => "cancel",
        Action::Retry => "retry",
        Action::Replay => "replay",
    };
    let mut body = json!({
        "action": action, "states": asked.state, "dead_letters": asked.dead_letters,
        "newest": asked.newest, "all": asked.all, "preview": asked.preview,
    });
    for (key, value) in [
        ("application", asked.application),
        ("queue", asked.queue),
        ("configuration", asked.config),
        ("from", asked.from),
        ("until", asked.until),
    ] {
        if let Some(value) = value {
            body[key] = value.into();
        }
    }
    let answer = client.post(&["runs", "bulk"], &body).await?.json()?;
    if asked.preview {
        session.output.result(&answer, |answer| {
            count(answer["count"].as_u64().unwrap_or_default(), "run")
        });
        return Ok(Exit::Success);
    }
    let number = text(&answer["id"]);
    if asked.wait {
        return show(session, client, &number, true).await;
    }
    session.output.result(&answer, |_| number.clone());
    session
        .output
        .remark(&format!("next: pfctl run bulk show {number} --wait"));
    Ok(Exit::Success)
}

async fn show(
    session: &Session,
    client: &Client,
    number: &str,
    wait: bool,
) -> Result<Exit, Failure> {
    loop {
        let found = client.get(&["runs", "bulk", number]).await?.json()?;
        if wait && found["state"] == "running" {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        session.output.result(&found, shown);
        return Ok(Exit::Success);
    }
}

fn shown(found: &Value) -> String {
    let pairs = [
        ("number", text(&found["id"])),
        ("action", text(&found["action"])),
        ("application", text(&found["application"])),
        ("queue", text(&found["queue"])),
        ("configuration", text(&found["configuration"])),
        ("states", text(&found["states"])),
        ("from", time(&found["from"])),
        ("until", time(&found["until"])),
        ("state", text(&found["state"])),
        (
            "progress",
            format!(
                "{} of {} done, {} left out",
                text(&found["done"]),
                text(&found["total"]),
                text(&found["skipped"])
            ),
        ),
        (
            "started",
            format!("{} by {}", time(&found["created_at"]), text(&found["by"])),
        ),
    ];
    let rows: Vec<_> = items(&found["problems"])
        .iter()
        .map(|one| vec![text(&one["run"]), text(&one["message"])])
        .collect();
    if rows.is_empty() {
        return facts(&pairs);
    }
    format!("{}\n{}", facts(&pairs), table(&["left out", "why"], &rows))
}

async fn list(session: &Session, client: &Client, limit: usize) -> Result<Exit, Failure> {
    let all = client.list(&["runs", "bulk"], &[], limit).await?;
    session.output.result(&json!({"items": all}), |_| {
        let rows: Vec<_> = all
            .iter()
            .map(|one| {
                vec![
                    text(&one["id"]),
                    text(&one["action"]),
                    text(&one["state"]),
                    format!("{}/{}", text(&one["done"]), text(&one["total"])),
                    text(&one["skipped"]),
                    time(&one["created_at"]),
                    text(&one["by"]),
                ]
            })
            .collect();
        table(
            &[
                "number", "action", "state", "done", "left out", "started", "by",
            ],
            &rows,
        )
    });
    Ok(Exit::Success)
}
