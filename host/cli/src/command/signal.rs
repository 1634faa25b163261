//! `pfctl signal …`

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::approval::parsed;
use crate::{
    failure::{Exit, Failure},
    file,
    output::{text, time},
    session::Session,
};

/// Messages for steps that wait for one (`wait_for_webhook`).
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send a message to the step that waits under a key
    ///
    /// Of several steps that of the oldest run is given it. One that comes before its step
    /// waits is kept for it.
    ///
    /// Example: pfctl signal send CHG0030001 --body '{"state": "implemented"}'
    Send {
        /// The key
        key: String,
        /// What the step is given, a JSON object
        #[arg(long, value_name = "JSON", conflicts_with = "file")]
        body: Option<String>,
        /// The same from a file; - for stdin
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Your id of the message: the same one again, within a day, is the same message
        #[arg(long)]
        id: Option<String>,
        /// For how many seconds it is kept where no step waits for it yet; 0: not at all
        #[arg(long, default_value_t = 3600, value_name = "SECONDS")]
        keep: u64,
    },
}

/// Does it.
pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    let Command::Send {
        key,
        body,
        file,
        id,
        keep,
    } = command;
    let body = match file {
        Some(path) => file::json(&path)?.1,
        None => parsed("--body", body.as_deref())?,
    };
    let message = json!({"key": key, "id": id, "body": body, "keep": keep});
    let sent = session.client()?.post(&["signals"], &message).await?;
    let sent = sent.json()?;
    session
        .output
        .result(&sent, |sent| match text(&sent["outcome"]).as_str() {
            "delivered" => format!("delivered to {}", text(&sent["task_id"])),
            "kept" => format!(
                "no step waits for it yet: kept until {}",
                time(&sent["kept_until"])
            ),
            "duplicate" => "a message of this id came before: nothing was sent".to_owned(),
            _ => "no step waits for it, and it was not kept".to_owned(),
        });
    Ok(if sent["outcome"] == "nobody" {
        Exit::NotFound
    } else {
        Exit::Success
    })
}
