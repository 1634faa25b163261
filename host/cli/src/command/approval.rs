//! `pfctl approval …`

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::run::known;
use crate::{
    client::Client,
    failure::{Exit, Failure},
    output::{table, text, time},
    session::Session,
};

/// What to do with steps that wait for a person's decision.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the steps that wait for a decision, those of the oldest runs first
    ///
    /// Example: pfctl approval list --application restart_device
    List {
        /// Only those of runs of this application
        #[arg(long, short, value_name = "NAME")]
        application: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Let a run go on
    ///
    /// Example: pfctl approval approve istask-01890a5d-ac96-774b-bcce-b30200000001
    ///   --note "agreed by phone"
    Approve(Decide),
    /// Refuse: the step fails, and what its application has for a failure follows
    ///
    /// Example: pfctl approval reject istask-01890a5d-ac96-774b-bcce-b30200000001
    ///   --note "not during business hours"
    Reject(Decide),
}

/// A decision.
#[derive(Debug, clap::Args)]
pub(crate) struct Decide {
    /// The step, istask-…, as `pfctl approval list` shows it
    id: String,
    /// Why; it stands in the step's data and log
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// What the following steps are given with the decision, a JSON object
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
}

/// Does it.
pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    let client = session.client()?;
    match command {
        Command::List { application, limit } => list(session, &client, application, limit).await,
        Command::Approve(decide) => decide_step(session, &client, &decide, "approve").await,
        Command::Reject(decide) => decide_step(session, &client, &decide, "reject").await,
    }
}

async fn list(
    session: &Session,
    client: &Client,
    application: Option<String>,
    limit: usize,
) -> Result<Exit, Failure> {
    let query: Vec<_> = application
        .map(|one| ("application", one))
        .into_iter()
        .collect();
    let items = client.list(&["approvals"], &query, limit).await?;
    session.output.result(&json!({"items": items}), |_| {
        if items.is_empty() {
            return "no step waits for a decision".to_owned();
        }
        let rows: Vec<_> = items
            .iter()
            .map(|one| {
                let approvers: Vec<_> = one["approvers"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(text)
                    .collect();
                vec![
                    text(&one["task_id"]),
                    text(&one["application"]),
                    text(&one["question"]),
                    if approvers.is_empty() {
                        "anybody".to_owned()
                    } else {
                        approvers.join(", ")
                    },
                    time(&one["since"]),
                    time(&one["until"]),
                ]
            })
            .collect();
        table(
            &["step", "application", "question", "who", "since", "until"],
            &rows,
        )
    });
    Ok(Exit::Success)
}

/// A text as a JSON object.
pub(super) fn parsed(option: &str, given: Option<&str>) -> Result<Value, Failure> {
    match given {
        None => Ok(json!({})),
        Some(given) => serde_json::from_str::<Map<String, Value>>(given)
            .map(Value::Object)
            .map_err(|error| {
                Failure::usage(format!(
                    "{option} is no JSON object, such as '{{\"state\": \"done\"}}': {error}"
                ))
            }),
    }
}

async fn decide_step(
    session: &Session,
    client: &Client,
    decide: &Decide,
    word: &str,
) -> Result<Exit, Failure> {
    let id = known(&decide.id)?;
    let data = parsed("--data", decide.data.as_deref())?;
    let body = json!({"decision": word, "note": decide.note, "data": data});
    let reply = client.post(&["tasks", id, "decision"], &body).await;
    let reply = reply.map_err(|failure| match failure.exit {
        Exit::NotFound => failure.next("pfctl approval list"),
        _ => failure,
    })?;
    let step = reply.json()?;
    session.output.result(&step, |step| {
        let done = if word == "approve" {
            "approved"
        } else {
            "rejected"
        };
        format!("{done}: {}", text(&step["name"]))
    });
    Ok(Exit::Success)
}
