//! What an application has run in a span of time.

use clap::Args;
use serde_json::Value;

use crate::{
    document::APPLICATIONS,
    failure::{Exit, Failure},
    output::{duration, items, table, text, time},
    session::Session,
};

/// What is shown.
#[derive(Debug, Args)]
pub(crate) struct Timeline {
    /// The application's name
    name: String,
    /// Runs accepted at this time or later, as 2027-01-15T08:00:00Z; two hours before --until when absent
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Runs accepted before this time; now when absent
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only runs in these states, separated by commas
    #[arg(long, short, value_name = "STATE")]
    state: Option<String>,
    /// Only runs on this queue
    #[arg(long)]
    queue: Option<String>,
    /// Only runs aligned with this configuration object
    #[arg(long, value_name = "NAME")]
    config: Option<String>,
    /// List the runs one by one, at most so many
    #[arg(long, value_name = "NUMBER", num_args = 0..=1, require_equals = true, default_missing_value = "50",
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: Option<u32>,
}

pub(super) async fn show(session: &Session, asked: Timeline) -> Result<Exit, Failure> {
    let client = session.client()?;
    let query: Vec<_> = [
        ("from", asked.from),
        ("until", asked.until),
        ("state", asked.state),
        ("queue", asked.queue),
        ("configuration", asked.config),
        ("limit", Some(asked.runs.unwrap_or(1).to_string())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect();
    let path = [APPLICATIONS.path, &asked.name, "timeline"];
    let found = match client.get_with(&path, &query).await {
        Ok(reply) => reply.json()?,
        Err(failure) => {
            return Err(client
                .suggest(failure, APPLICATIONS.path, &asked.name)
                .await);
        }
    };
    let one_by_one = asked.runs.is_some();
    session.output.result(&found, |found| {
        if one_by_one {
            runs(found)
        } else {
            parts(found)
        }
    });
    if one_by_one && found["more"] == true {
        let all = text(&found["total"]);
        session.output.remark(&format!(
            "the newest of {all}; --runs=1000 lists more, --from and --until less"
        ));
    }
    Ok(Exit::Success)
}

const STATES: [&str; 6] = [
    "queued",
    "running",
    "success",
    "warning",
    "failed",
    "cancelled",
];

fn parts(found: &Value) -> String {
    let seconds = |value: &Value| {
        value
            .as_f64()
            .map_or_else(String::new, |seconds| format!("{seconds:.3} s"))
    };
    let rows: Vec<_> = items(&found["parts"])
        .iter()
        .map(|part| {
            let mut row = vec![time(&part["from"])];
            row.extend(STATES.map(|state| text(&part["states"][state])));
            row.extend([seconds(&part["mean"]), seconds(&part["longest"])]);
            row
        })
        .collect();
    let mut heads = vec!["from"];
    heads.extend(STATES);
    heads.extend(["mean", "longest"]);
    format!(
        "{} runs from {} to {}, by {} s\n{}",
        text(&found["total"]),
        time(&found["from"]),
        time(&found["until"]),
        text(&found["part_seconds"]),
        table(&heads, &rows)
    )
}

fn runs(found: &Value) -> String {
    let rows: Vec<_> = items(&found["runs"])
        .iter()
        .map(|run| {
            vec![
                text(&run["task_id"]),
                text(&run["state"]),
                time(&run["created_at"]),
                duration(&run["started_at"], &run["finished_at"]),
                text(&run["queue"]),
                text(&run["configuration"]),
                text(&run["trigger"]),
            ]
        })
        .collect();
    table(
        &[
            "run",
            "state",
            "accepted",
            "took",
            "queue",
            "configuration",
            "started by",
        ],
        &rows,
    )
}
