//! `pfctl webhook …`

use clap::Subcommand;
use reqwest::{Method, header};
use serde_json::{Map, Value, json};

use crate::{
    client::Client,
    document::Names,
    failure::{Exit, Failure},
    output::{self, facts, items, table, text, time},
    session::Session,
};

mod shape;

use self::shape::{Create, Edit, Rotate, secret};

const PATH: &str = "webhooks";

/// What to do with webhooks.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List webhooks
    ///
    /// Example: pfctl webhook list --app sync
    List {
        /// Only those of this application
        #[arg(long, value_name = "NAME")]
        app: Option<String>,
        /// Only those whose name or application contains this
        #[arg(long)]
        search: Option<String>,
    },
    /// Show a webhook
    ///
    /// Its secret is never shown.
    ///
    /// Example: pfctl webhook show "github push"
    Show {
        /// Its name
        name: String,
    },
    /// Make a webhook: an address that other systems call to start an application
    ///
    /// Prints the address, and the secret if one was made up: it is shown this once.
    ///
    /// Example: pfctl webhook create "github push" --app sync --sender github --map event_id=body:/event/id
    Create(Create),
    /// Change a webhook
    ///
    /// What is left out stays; its address stays in any case.
    ///
    /// Example: pfctl webhook edit "github push" --disable
    Edit(Edit),
    /// Change the secret of a webhook
    ///
    /// The one before counts beside it for a while, so that the sender can change when it is
    /// ready.
    ///
    /// Example: pfctl webhook rotate "github push" --keep 3600
    Rotate(Rotate),
    /// Delete webhooks
    ///
    /// Their addresses are gone for good, and their logs as well.
    ///
    /// Example: pfctl webhook delete "github push"
    Delete(Names),
    /// List what a webhook has received
    ///
    /// Example: pfctl webhook deliveries "github push" --outcome refused
    Deliveries {
        /// Its name
        name: String,
        /// Only those of which this became: accepted, duplicate, refused, disabled, unproven
        #[arg(long)]
        outcome: Option<String>,
        /// How many of the newest
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Deliver again what a webhook has received
    ///
    /// A new run of what was received then, as the webhook is now.
    ///
    /// Example: pfctl webhook redeliver "github push" 4711
    Redeliver {
        /// Its name
        name: String,
        /// The delivery's number
        number: u64,
    },
}

/// Does it.
pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List { app, search } => list(session, app, search).await,
        Command::Show { name } => show(session, &name).await,
        Command::Create(create) => {
            let mut body = Map::new();
            create.shape.apply(&mut body)?;
            body.insert("name".to_owned(), create.name.into());
            let client = session.client()?;
            let request = client.request(Method::POST, &[PATH]).json(&body);
            let saved = client.send(request).await?.json()?;
            told(session, &client, &saved);
            Ok(Exit::Success)
        }
        Command::Edit(edit) => self::edit(session, edit).await,
        Command::Rotate(rotate) => self::rotate(session, rotate).await,
        Command::Delete(Names { names }) => delete(session, &names).await,
        Command::Deliveries {
            name,
            outcome,
            limit,
        } => deliveries(session, &name, outcome, limit).await,
        Command::Redeliver { name, number } => redeliver(session, &name, number).await,
    }
}

async fn list(
    session: &Session,
    app: Option<String>,
    search: Option<String>,
) -> Result<Exit, Failure> {
    let query: Vec<_> = [("application", app), ("search", search)]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    let all = session.client()?.list(&[PATH], &query, usize::MAX).await?;
    session.output.result(&json!({"items": all}), |_| {
        let rows: Vec<_> = all
            .iter()
            .map(|one| {
                vec![
                    text(&one["name"]),
                    text(&one["application"]),
                    text(&one["document"]["signature"]["scheme"]),
                    if one["enabled"] == true { "yes" } else { "no" }.to_owned(),
                    text(&one["proven"]),
                    text(&one["unproven"]),
                    text(&one["url"]),
                ]
            })
            .collect();
        table(
            &[
                "name",
                "application",
                "signature",
                "enabled",
                "proven",
                "unproven",
                "url",
            ],
            &rows,
        )
    });
    Ok(Exit::Success)
}

async fn read(client: &Client, name: &str) -> Result<Value, Failure> {
    match client.get(&[PATH, name]).await {
        Ok(reply) => reply.json(),
        Err(failure) => Err(client.suggest(failure, PATH, name).await),
    }
}

async fn show(session: &Session, name: &str) -> Result<Exit, Failure> {
    let client = session.client()?;
    let found = read(&client, name).await?;
    session
        .output
        .result(&found, |found| described(&client, found));
    Ok(Exit::Success)
}

fn described(client: &Client, found: &Value) -> String {
    let secrets: Vec<_> = items(&found["secrets"])
        .iter()
        .map(|secret| match text(&secret["until"]) {
            none if none.is_empty() => format!("since {}", time(&secret["since"])),
            _ => format!(
                "since {} until {}",
                time(&secret["since"]),
                time(&secret["until"])
            ),
        })
        .collect();
    let pairs = [
        ("name", text(&found["name"])),
        ("url", client.address(&text(&found["url"]))),
        ("application", text(&found["application"])),
        ("enabled", text(&found["enabled"])),
        ("secrets", secrets.join(", ")),
        ("revision", text(&found["revision"])),
        (
            "edited",
            format!(
                "{} by {}",
                time(&found["edited_at"]),
                text(&found["edited_by"])
            ),
        ),
        (
            "deliveries",
            format!(
                "{} proven, {} not",
                text(&found["proven"]),
                text(&found["unproven"])
            ),
        ),
    ];
    format!("{}\n{}", facts(&pairs), output::pretty(&found["document"]))
}

/// What became of a save: the address, and the secret that nobody is told again.
fn told(session: &Session, client: &Client, saved: &Value) {
    session.output.result(saved, |saved| {
        let pairs = [
            ("url", client.address(&text(&saved["url"]))),
            ("secret", text(&saved["secret"])),
        ];
        facts(&pairs)
    });
    for warning in items(&saved["warnings"]) {
        session.output.remark(&output::warning(warning));
    }
    if !saved["secret"].is_null() {
        session
            .output
            .remark("keep the secret now: it is not shown again");
    }
}

async fn edit(session: &Session, edit: Edit) -> Result<Exit, Failure> {
    let client = session.client()?;
    let found = read(&client, &edit.name).await?;
    let mut body = found["document"].as_object().cloned().unwrap_or_default();
    edit.shape.apply(&mut body)?;
    if edit.enable || edit.disable {
        body.insert("enabled".to_owned(), edit.enable.into());
    }
    body.remove("name");
    let tag = format!("\"{}\"", text(&found["revision"]));
    let request = client
        .request(Method::PUT, &[PATH, &edit.name])
        .header(header::IF_MATCH, tag)
        .json(&body);
    let saved = client.send(request).await?.json()?;
    told(session, &client, &saved);
    Ok(Exit::Success)
}

async fn rotate(session: &Session, rotate: Rotate) -> Result<Exit, Failure> {
    let mut body = Map::new();
    if let Some(path) = &rotate.secret_file {
        body.insert("secret".to_owned(), secret(path)?.into());
    }
    if let Some(keep) = rotate.keep {
        body.insert("keep_seconds".to_owned(), keep.into());
    }
    let client = session.client()?;
    let parts = [PATH, &rotate.name, "rotate"];
    let saved = match client.post(&parts, &Value::Object(body)).await {
        Ok(reply) => reply.json()?,
        Err(failure) => return Err(client.suggest(failure, PATH, &rotate.name).await),
    };
    told(session, &client, &saved);
    Ok(Exit::Success)
}

async fn delete(session: &Session, names: &[String]) -> Result<Exit, Failure> {
    let client = session.client()?;
    let mut deleted = crate::document::Deleted::default();
    for name in names {
        match client.delete(&[PATH, name]).await {
            Ok(_) => deleted.one(session, name, &format!("deleted the webhook {name}")),
            Err(failure) => {
                let failure = client.suggest(failure, PATH, name).await;
                deleted.not(session, failure)?;
            }
        }
    }
    deleted.end(session, names.len())
}

async fn deliveries(
    session: &Session,
    name: &str,
    outcome: Option<String>,
    limit: usize,
) -> Result<Exit, Failure> {
    let client = session.client()?;
    let query: Vec<_> = outcome
        .map(|outcome| ("outcome", outcome))
        .into_iter()
        .collect();
    let all = match client
        .list(&[PATH, name, "deliveries"], &query, limit)
        .await
    {
        Ok(all) => all,
        Err(failure) => return Err(client.suggest(failure, PATH, name).await),
    };
    session.output.result(&json!({"items": all}), |_| {
        let rows: Vec<_> = all
            .iter()
            .map(|one| {
                let what = match text(&one["run"]) {
                    none if none.is_empty() => text(&one["reason"]),
                    run => run,
                };
                vec![
                    text(&one["number"]),
                    time(&one["at"]),
                    text(&one["address"]),
                    text(&one["outcome"]),
                    text(&one["size"]),
                    if one["kept"] == true { "yes" } else { "" }.to_owned(),
                    what,
                ]
            })
            .collect();
        table(
            &[
                "number",
                "at",
                "from",
                "outcome",
                "bytes",
                "kept",
                "run, or why there is none",
            ],
            &rows,
        )
    });
    Ok(Exit::Success)
}

async fn redeliver(session: &Session, name: &str, number: u64) -> Result<Exit, Failure> {
    let client = session.client()?;
    let number = number.to_string();
    let parts = [PATH, name, "deliveries", &number, "redeliver"];
    let delivered = match client.post(&parts, &json!({})).await {
        Ok(reply) => reply.json()?,
        Err(failure) => return Err(client.suggest(failure, PATH, name).await),
    };
    session
        .output
        .result(&delivered, |delivered| text(&delivered["task_id"]));
    Ok(Exit::Success)
}
