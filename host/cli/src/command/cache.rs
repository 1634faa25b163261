//! `pfctl cache …`

use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use crate::{
    document::Deleted,
    failure::{Exit, Failure},
    output::{count, table, text, time},
    session::Session,
};

/// What to do with cache records.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List cache records
    ///
    /// Example: pfctl cache list --prefix servicenow/
    List {
        /// Only records whose key starts with this
        #[arg(long, default_value = "")]
        prefix: String,
    },
    /// Show a cache record's value
    ///
    /// Example: pfctl cache show servicenow/last_sync
    Show {
        /// Its key
        key: String,
    },
    /// Delete cache records by key
    ///
    /// Example: pfctl cache delete servicenow/last_sync
    Delete {
        /// Their keys
        #[arg(required = true)]
        keys: Vec<String>,
    },
    /// Delete all cache records whose key starts with a prefix
    ///
    /// Example: pfctl cache clear --prefix servicenow/
    Clear {
        /// The prefix
        #[arg(long, required_unless_present = "all")]
        prefix: Option<String>,
        /// All records
        #[arg(long, conflicts_with = "prefix")]
        all: bool,
    },
}

/// Does it.
pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    let client = session.client()?;
    match command {
        Command::List { prefix } => {
            let items = client
                .list(&["cache"], &[("prefix", prefix)], usize::MAX)
                .await?;
            session.output.result(&json!({"items": items}), |_| {
                let rows: Vec<_> = items
                    .iter()
                    .map(|one| {
                        vec![
                            text(&one["key"]),
                            text(&one["size"]),
                            time(&one["saved_at"]),
                            time(&one["expires_at"]),
                        ]
                    })
                    .collect();
                table(&["key", "bytes", "saved", "expires"], &rows)
            });
        }
        Command::Show { key } => {
            let record = match client.get(&["cache", &key]).await {
                Ok(reply) => reply.json()?,
                Err(failure) => return Err(missing(failure)),
            };
            session.output.result(&record, |record| {
                serde_json::to_string_pretty(&record["value"]).unwrap_or_default()
            });
        }
        Command::Delete { keys } => {
            let mut deleted = Deleted::default();
            for key in &keys {
                match client.delete(&["cache", key]).await {
                    Ok(_) => deleted.one(session, key, &format!("deleted {key}")),
                    Err(failure) => deleted.not(session, missing(failure))?,
                }
            }
            return deleted.end(session, keys.len());
        }
        Command::Clear { prefix, .. } => {
            let request = client
                .request(Method::DELETE, &["cache"])
                .query(&[("prefix", prefix.unwrap_or_default())]);
            let cleared = client.send(request).await?.json()?;
            session.output.result(&cleared, |cleared| {
                let number = cleared["deleted"].as_u64().unwrap_or_default();
                format!("deleted {}", count(number, "record"))
            });
        }
    }
    Ok(Exit::Success)
}

fn missing(failure: Failure) -> Failure {
    match failure.exit {
        Exit::NotFound => failure.next("pfctl cache list"),
        _ => failure,
    }
}
