//! `pfctl run dead-letters …`: steps that nobody executes any more.

use clap::Subcommand;
use serde_json::{Value, json};

use crate::{
    client::Client,
    failure::{Exit, Failure},
    output::{items, table, text, time},
    session::Session,
};

const PATH: &str = "dead-letters";

/// What to do with steps whose workers were lost.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List steps that failed because their workers were lost
    ///
    /// And what queues have set aside, which they deliver anew by themselves. All that fit are
    /// retried with `pfctl run bulk start retry --dead-letters`.
    ///
    /// Example: pfctl run dead-letters list --application sync
    List {
        /// Those of runs of this application
        #[arg(long, short, value_name = "NAME")]
        application: Option<String>,
        /// Those of runs on this queue
        #[arg(long, value_name = "NAME")]
        queue: Option<String>,
        /// Those with this code: worker-lost, dead-letter
        #[arg(long)]
        code: Option<String>,
        /// How many of the newest
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Retry the run of a dead letter
    ///
    /// What ended well is kept. Prints the id of the new run.
    ///
    /// Example: pfctl run dead-letters replay 7
    Replay {
        /// Its number
        number: u64,
    },
    /// Take dead letters off the list
    ///
    /// Their runs stay as they are.
    ///
    /// Example: pfctl run dead-letters delete 7
    Delete {
        /// Their numbers
        #[arg(required = true)]
        numbers: Vec<u64>,
    },
}

/// Does it.
pub(super) async fn run(
    session: &Session,
    client: &Client,
    command: Command,
) -> Result<Exit, Failure> {
    match command {
        Command::List {
            application,
            queue,
            code,
            limit,
        } => {
            let query: Vec<_> = [
                ("application", application),
                ("queue", queue),
                ("code", code),
            ]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
            let all = client.list(&[PATH], &query, limit).await?;
            let aside = client.get(&[PATH, "queues"]).await?.json()?;
            let found = json!({"items": all, "queues": aside["items"]});
            session.output.result(&found, shown);
            Ok(Exit::Success)
        }
        Command::Replay { number } => {
            let parts = [PATH, &number.to_string(), "replay"];
            let replayed = client.post(&parts, &json!({})).await?.json()?;
            session
                .output
                .result(&replayed, |replayed| text(&replayed["task_id"]));
            Ok(Exit::Success)
        }
        Command::Delete { numbers } => {
            let mut deleted = crate::document::Deleted::default();
            for number in &numbers {
                let number = number.to_string();
                match client.delete(&[PATH, &number]).await {
                    Ok(_) => {
                        let told = format!("took the dead letter {number} off the list");
                        deleted.one(session, &number, &told);
                    }
                    Err(failure) => deleted.not(session, failure)?,
                }
            }
            deleted.end(session, numbers.len())
        }
    }
}

fn shown(found: &Value) -> String {
    let letters: Vec<_> = items(&found["items"])
        .iter()
        .map(|one| {
            vec![
                text(&one["id"]),
                time(&one["at"]),
                text(&one["application"]),
                text(&one["step"]),
                text(&one["run"]),
                text(&one["attempts"]),
                text(&one["code"]),
            ]
        })
        .collect();
    let letters = table(
        &[
            "number",
            "at",
            "application",
            "step",
            "run",
            "attempts",
            "code",
        ],
        &letters,
    );
    let aside: Vec<_> = items(&found["queues"])
        .iter()
        .map(|one| {
            vec![
                text(&one["queue"]),
                text(&one["count"]),
                text(&one["reason"]),
            ]
        })
        .collect();
    if aside.is_empty() {
        return letters;
    }
    let aside = table(&["queue", "set aside", "why"], &aside);
    format!("{letters}\n{aside}")
}
