//! Pausing and resuming runs.

use serde_json::{Value, json};

use crate::{
    client::Client,
    failure::{Exit, Failure},
    output::{self, table, text, time},
    session::Session,
    shell,
};

/// Which runs are paused or resumed.
#[derive(Debug, clap::Args)]
#[group(id = "which", required = true, multiple = true)]
pub(crate) struct Held {
    /// Runs of this application
    #[arg(long, short, value_name = "NAME", group = "which")]
    application: Option<String>,
    /// Runs on this queue
    #[arg(long, group = "which")]
    queue: Option<String>,
    /// Runs of every application and queue
    #[arg(long, group = "which", conflicts_with_all = ["application", "queue"])]
    all: bool,
}

impl Held {
    fn body(&self) -> Value {
        let mut body = json!({"all": self.all});
        for (key, name) in [("application", &self.application), ("queue", &self.queue)] {
            if let Some(name) = name {
                body[key] = name.as_str().into();
            }
        }
        body
    }

    /// The options that name the same once more.
    fn options(&self) -> String {
        let mut options = Vec::new();
        if self.all {
            options.push("--all".to_owned());
        }
        for (option, name) in [
            ("--application", &self.application),
            ("--queue", &self.queue),
        ] {
            if let Some(name) = name {
                options.push(format!("{option} {}", shell::word(name)));
            }
        }
        options.join(" ")
    }
}

pub(super) async fn pause(
    session: &Session,
    client: &Client,
    which: &Held,
    reason: &str,
) -> Result<Exit, Failure> {
    let mut body = which.body();
    body["reason"] = reason.into();
    let reply = client.post(&["runs", "pause"], &body).await?;
    let pause = reply.json()?;
    session
        .output
        .result(&pause, |pause| pauses_table(std::slice::from_ref(pause)));
    let next = format!("pfctl run resume {}", which.options());
    session.output.remark(&format!("to let it go on: {next}"));
    Ok(Exit::Success)
}

pub(super) async fn resume(
    session: &Session,
    client: &Client,
    which: &Held,
) -> Result<Exit, Failure> {
    let resumed = client.post(&["runs", "resume"], &which.body()).await;
    resumed.map_err(|failure| match failure.exit {
        Exit::NotFound => failure.next("pfctl run pauses"),
        _ => failure,
    })?;
    session
        .output
        .result(&json!({"resumed": true}), |_| "resumed".to_owned());
    Ok(Exit::Success)
}

pub(super) async fn pauses(session: &Session, client: &Client) -> Result<Exit, Failure> {
    let list = client.get(&["runs", "pauses"]).await?.json()?;
    session
        .output
        .result(&list, |list| pauses_table(output::items(&list["items"])));
    Ok(Exit::Success)
}

fn pauses_table(pauses: &[Value]) -> String {
    if pauses.is_empty() {
        return "nothing is paused".to_owned();
    }
    let every = |name: &Value| {
        if name.is_null() {
            "all".to_owned()
        } else {
            text(name)
        }
    };
    let rows: Vec<_> = pauses
        .iter()
        .map(|one| {
            vec![
                every(&one["application"]),
                every(&one["queue"]),
                time(&one["since"]),
                text(&one["by"]),
                text(&one["reason"]),
            ]
        })
        .collect();
    table(&["application", "queue", "since", "by", "reason"], &rows)
}
