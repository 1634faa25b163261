//! `pfctl limit …`

use clap::Subcommand;
use serde_json::{Value, json};

use crate::{
    failure::{Exit, Failure},
    output::{facts, table, text, time},
    session::Session,
};

/// What to look at.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the limits that steps hold or wait for
    ///
    /// Example: pfctl limit list
    List,
    /// Show who holds a key and who waits for it
    ///
    /// Example: pfctl limit show "device 10.2.3.4"
    Show {
        /// The key, as `task_concurrency` or `task_rate` of a step becomes
        key: String,
    },
}

/// Does it.
pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    let client = session.client()?;
    match command {
        Command::List => {
            let none: &[(&str, String)] = &[];
            let items = client.list(&["limits"], none, usize::MAX).await?;
            session.output.result(&json!({"items": items}), |_| {
                let rows: Vec<_> = items
                    .iter()
                    .map(|one| {
                        vec![
                            text(&one["key"]),
                            allowed(one),
                            text(&one["held"]),
                            text(&one["waiting"]),
                        ]
                    })
                    .collect();
                table(&["key", "limit", "held", "waiting"], &rows)
            });
        }
        Command::Show { key } => {
            let limits = match client.get(&["limits", &key]).await {
                Ok(reply) => reply.json()?,
                Err(failure) => return Err(missing(failure)),
            };
            session.output.result(&limits, shown);
        }
    }
    Ok(Exit::Success)
}

/// What a limit allows, in a word.
fn allowed(limit: &Value) -> String {
    let most = text(&limit["limit"]);
    match limit["per"].as_f64() {
        None => format!("{most} at a time"),
        Some(per) => match limit["burst"].as_u64() {
            None | Some(1) => format!("{most} in {per} s"),
            Some(burst) => format!("{most} in {per} s, {burst} at once"),
        },
    }
}

fn shown(limits: &Value) -> String {
    let mut parts = Vec::new();
    for kind in ["concurrency", "rate"] {
        let limit = &limits[kind];
        if limit.is_null() {
            continue;
        }
        let mut pairs = vec![
            ("key", text(&limit["key"])),
            (kind, allowed(limit)),
            ("held", text(&limit["held"])),
            ("waiting", text(&limit["waiting"])),
        ];
        if !limit["next_at"].is_null() {
            pairs.push(("next start", time(&limit["next_at"])));
        }
        parts.push(facts(&pairs));
        for (title, who) in [("holders", "holders"), ("waiting, the next first", "line")] {
            let steps = limit[who].as_array().map_or(&[][..], Vec::as_slice);
            if steps.is_empty() {
                continue;
            }
            let rows: Vec<_> = steps
                .iter()
                .map(|step| {
                    vec![
                        text(&step["run_id"]),
                        text(&step["application"]),
                        text(&step["state"]),
                        time(&step["since"]),
                    ]
                })
                .collect();
            let header = ["run", "application", "state", "since"];
            parts.push(format!("{title}:\n{}", table(&header, &rows)));
        }
    }
    parts.join("\n")
}

fn missing(failure: Failure) -> Failure {
    match failure.exit {
        Exit::NotFound => failure.next("pfctl limit list"),
        _ => failure,
    }
}
