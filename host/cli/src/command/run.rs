//! `pfctl run …`

use std::time::Duration;

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::application::Waiting;
use crate::{
    client::Client,
    failure::{Exit, Failure},
    follow::{log_line, log_part, summary},
    output::{self, duration, table, text, time},
    session::Session,
};

const POLL: Duration = Duration::from_millis(500);

/// What to do with runs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List runs, the newest first
    ///
    /// Example: pfctl run list --application sync --state failed,warning
    List {
        /// Only runs of this application
        #[arg(long, short, value_name = "NAME")]
        application: Option<String>,
        /// Only runs in these states, separated by commas
        #[arg(long, short)]
        state: Option<String>,
        /// Only runs on this queue
        #[arg(long)]
        queue: Option<String>,
        /// Only runs aligned with this configuration object
        #[arg(long, value_name = "NAME")]
        config: Option<String>,
        /// At most so many
        #[arg(long, short = 'n', default_value_t = 50)]
        limit: usize,
    },
    /// Show a run with its steps, or a step
    ///
    /// Example: pfctl run show isapp-01890a5d-ac96-774b-bcce-b30200000000
    Show {
        /// isapp-… or istask-…
        id: String,
    },
    /// Print the log of a run or of a step
    ///
    /// Example: pfctl run logs isapp-01890a5d-ac96-774b-bcce-b30200000000 --follow
    Logs {
        /// isapp-… or istask-…
        id: String,
        /// Go on until its end
        #[arg(long, short)]
        follow: bool,
        /// Only lines of this level or above: debug, info, warning, error
        #[arg(long, value_name = "LEVEL")]
        level: Option<String>,
    },
    /// Print what a run was given and what its steps handed on
    ///
    /// Example: pfctl run data isapp-01890a5d-ac96-774b-bcce-b30200000000
    Data {
        /// isapp-… or istask-…
        id: String,
    },
    /// Run it once more, with the same parameters, configuration object and queue
    ///
    /// Example: pfctl run replay isapp-01890a5d-ac96-774b-bcce-b30200000000 --follow
    Replay {
        /// isapp-…
        id: String,
        #[command(flatten)]
        manner: Waiting,
    },
    /// Cancel runs
    ///
    /// Example: pfctl run cancel isapp-01890a5d-ac96-774b-bcce-b30200000000
    Cancel {
        /// isapp-…
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

/// Does it.
pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    let client = session.client()?;
    let done = match command {
        Command::List {
            application,
            state,
            queue,
            config,
            limit,
        } => {
            let query = [
                ("application", application),
                ("state", state),
                ("queue", queue),
                ("configuration", config),
            ]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect::<Vec<_>>();
            list(session, &client, &query, limit).await
        }
        Command::Show { id } => show(session, &client, &id).await,
        Command::Logs { id, follow, level } => {
            logs(session, &client, &id, follow, level.as_deref()).await
        }
        Command::Data { id } => data(session, &client, &id).await,
        Command::Replay { id, manner } => {
            let request = client.request(Method::POST, &["tasks", &id, "replay"]);
            manner.start(session, &client, request).await
        }
        Command::Cancel { ids } => cancel(session, &client, &ids).await,
    };
    done.map_err(|failure| match failure.exit {
        Exit::NotFound => failure.next("pfctl run list"),
        _ => failure,
    })
}

async fn list(
    session: &Session,
    client: &Client,
    query: &[(&str, String)],
    limit: usize,
) -> Result<Exit, Failure> {
    let items = client.list(&["runs"], query, limit.max(1)).await?;
    session.output.result(&json!({"items": items}), |_| {
        let rows: Vec<_> = items
            .iter()
            .map(|run| {
                let steps = format!(
                    "{}/{}",
                    text(&run["steps_ended"]),
                    text(&run["steps_total"])
                );
                let took = duration(&run["started_at"], &run["finished_at"]);
                vec![
                    text(&run["task_id"]),
                    text(&run["application"]),
                    text(&run["state"]),
                    steps,
                    time(&run["created_at"]),
                    took,
                    text(&run["configuration"]),
                ]
            })
            .collect();
        table(
            &[
                "run",
                "application",
                "state",
                "steps",
                "accepted",
                "took",
                "configuration",
            ],
            &rows,
        )
    });
    Ok(Exit::Success)
}

async fn show(session: &Session, client: &Client, id: &str) -> Result<Exit, Failure> {
    let task = client.get(&["tasks", id]).await?.json()?;
    session.output.result(&task, |task| {
        if task["run"].is_null() {
            return summary(task);
        }
        // A step is shown as the only one of its run.
        let mut run = task["run"].clone();
        run["steps"] = json!([task]);
        summary(&run)
    });
    Ok(Exit::Success)
}

async fn logs(
    session: &Session,
    client: &Client,
    id: &str,
    follow: bool,
    level: Option<&str>,
) -> Result<Exit, Failure> {
    let mut after: Option<String> = None;
    loop {
        let part = log_part(client, id, after.as_deref(), level)
            .await?
            .json()?;
        let lines = part["items"].as_array().map_or(&[][..], Vec::as_slice);
        for line in lines {
            // One JSON document a line, so that a log can be followed by programs too.
            output::line(&if session.output.json {
                line.to_string()
            } else {
                log_line(line)
            });
        }
        after = part["next"].as_str().map(str::to_owned);
        match (part["more"] == true, follow, lines.is_empty()) {
            (false, _, _) | (true, false, true) => return Ok(Exit::Success),
            (true, true, true) => tokio::time::sleep(POLL).await,
            (true, _, false) => {}
        }
    }
}

async fn data(session: &Session, client: &Client, id: &str) -> Result<Exit, Failure> {
    let data = client.get(&["tasks", id, "data"]).await?.json()?;
    // JSON in both forms: that is what it is.
    session.output.result(&data, |data| {
        serde_json::to_string_pretty(data).unwrap_or_default()
    });
    Ok(Exit::Success)
}

async fn cancel(session: &Session, client: &Client, ids: &[String]) -> Result<Exit, Failure> {
    let mut cancelled: Vec<Value> = Vec::new();
    for id in ids {
        cancelled.push(client.delete(&["tasks", id]).await?.json()?);
    }
    session.output.result(&json!({"items": cancelled}), |_| {
        let line = |run: &Value| format!("{} {}", text(&run["task_id"]), text(&run["state"]));
        cancelled.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    Ok(Exit::Success)
}
