//! `pfctl task …`

use clap::Subcommand;
use model::id::AnyRef;
use serde_json::{Value, json};

use super::run::known;
use crate::{
    failure::{Exit, Failure},
    output::text,
    session::Session,
};

/// What to do with single steps of runs. `pfctl run show`, `logs` and `data` take the id of
/// a step too.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Stop steps that wait in the queue or execute
    ///
    /// Each ends as cancelled. Steps that depend on it are skipped, as after a failure;
    /// others of its run go on. The ids stand in the answer of `pfctl run show --json`.
    ///
    /// Example: pfctl task revoke istask-01890a5d-ac96-774b-bcce-b30200000001
    Revoke {
        /// istask-…
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

/// Does it.
pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    let Command::Revoke { ids } = command;
    let client = session.client()?;
    // Nothing is stopped for a command line with a wrong id in it.
    for id in &ids {
        if matches!(known(id)?.parse(), Ok(AnyRef::Run(_))) {
            let message = format!("`{id}` is the id of a run, not of a step");
            return Err(Failure::usage(message).next(format!("pfctl run cancel {id}")));
        }
    }
    let mut revoked: Vec<Value> = Vec::new();
    for id in &ids {
        let reply = client.delete(&["tasks", id]).await;
        let reply = reply.map_err(|failure| match failure.exit {
            Exit::NotFound => failure.next("pfctl run list"),
            _ => failure,
        })?;
        revoked.push(reply.json()?);
    }
    session.output.result(&json!({"items": revoked}), |_| {
        let line = |step: &Value| {
            let id = text(&step["task_id"]);
            format!("{id} {}: {}", text(&step["state"]), text(&step["name"]))
        };
        revoked.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    Ok(Exit::Success)
}
