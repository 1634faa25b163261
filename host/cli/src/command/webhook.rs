//! `pfctl webhook …`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use reqwest::{Method, header};
use serde_json::{Map, Value, json};

use crate::{
    client::Client,
    document::Names,
    failure::{Exit, Failure},
    file,
    output::{self, facts, items, table, text, time},
    params::pair,
    session::Session,
};

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

/// Senders whose signatures are known.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Sender {
    /// `x-hub-signature-256`, told apart by `x-github-delivery`
    Github,
    /// The token in `x-gitlab-token`, told apart by `x-gitlab-event-uuid`
    Gitlab,
    /// `x-slack-signature` with its time
    Slack,
    /// `stripe-signature`, told apart by the event's id
    Stripe,
    /// No signature: whoever knows the address is believed
    Nobody,
}

impl Sender {
    fn set(self, document: &mut Map<String, Value>) {
        let (signature, deduplicate) = match self {
            Self::Github => (
                json!({"scheme": "hmac-sha256", "header": "x-hub-signature-256", "prefix": "sha256="}),
                json!({"header": "x-github-delivery"}),
            ),
            Self::Gitlab => (
                json!({"scheme": "token", "header": "x-gitlab-token"}),
                json!({"header": "x-gitlab-event-uuid"}),
            ),
            Self::Slack => (
                json!({"scheme": "hmac-sha256", "header": "x-slack-signature", "prefix": "v0=",
                    "timestamp_header": "x-slack-request-timestamp", "signed": "v0:{timestamp}:{body}"}),
                Value::Null,
            ),
            Self::Stripe => (json!({"scheme": "stripe"}), json!({"body": "/id"})),
            Self::Nobody => (json!({"scheme": "none"}), Value::Null),
        };
        document.insert("signature".to_owned(), signature);
        document.insert("deduplicate".to_owned(), deduplicate);
    }
}

/// What a webhook is.
#[derive(Debug, Default, Args)]
pub(crate) struct Shape {
    /// A file with the webhook as a JSON document; - for stdin. What else is given wins
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The application that it starts
    #[arg(long, value_name = "NAME")]
    app: Option<String>,
    /// Who sends, where that is one whose signatures are known; else give the signature in a file
    #[arg(long, value_enum)]
    sender: Option<Sender>,
    /// A parameter made of the delivery: NAME=body:/json/pointer, NAME=header:x-name or
    /// NAME=query:name. May be repeated
    #[arg(long = "map", value_name = "NAME=SOURCE")]
    mapping: Vec<String>,
    /// The parameter that the whole body is
    #[arg(long, value_name = "NAME")]
    body: Option<String>,
    /// A parameter that each run is given. May be repeated
    #[arg(long = "param", short = 'p', value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// The configuration object of its runs
    #[arg(long, value_name = "NAME")]
    config: Option<String>,
    /// The queue of its runs
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    /// A file with the secret on its first line; - for stdin. One is made up where none is given
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

/// A webhook to make.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Its name
    name: String,
    #[command(flatten)]
    shape: Shape,
}

/// What to change of a webhook.
#[derive(Debug, Args)]
pub(crate) struct Edit {
    /// Its name
    name: String,
    #[command(flatten)]
    shape: Shape,
    /// Take deliveries
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// Take none
    #[arg(long)]
    disable: bool,
}

/// How to change a secret.
#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// Its name
    name: String,
    /// A file with the new secret on its first line; - for stdin. One is made up where none is
    /// given
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// For how many seconds the one before counts as well [default: a day]
    #[arg(long, value_name = "SECONDS")]
    keep: Option<u64>,
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

impl Shape {
    /// Writes what is given into a document.
    fn apply(self, body: &mut Map<String, Value>) -> Result<(), Failure> {
        if let Some(path) = &self.file {
            let (_, value) = file::json(path)?;
            let Value::Object(document) = value else {
                return Err(Failure::local(format!(
                    "`{}` holds no JSON object",
                    path.display()
                )));
            };
            body.extend(document);
        }
        if let Some(sender) = self.sender {
            sender.set(body);
        }
        let texts = [
            ("application", self.app),
            ("body_parameter", self.body),
            ("configuration", self.config),
            ("queue", self.queue),
        ];
        for (key, value) in texts {
            if let Some(value) = value {
                body.insert(key.to_owned(), value.into());
            }
        }
        for text in &self.params {
            let (name, value) = pair("--param", text)?;
            entry(body, "params")?.insert(name, value);
        }
        for text in &self.mapping {
            let (name, source) = mapped(text)?;
            entry(body, "mapping")?.insert(name, source);
        }
        if let Some(path) = &self.secret_file {
            body.insert("secret".to_owned(), secret(path)?.into());
        }
        Ok(())
    }
}

fn entry<'b>(
    body: &'b mut Map<String, Value>,
    key: &str,
) -> Result<&'b mut Map<String, Value>, Failure> {
    let place = body.entry(key).or_insert(Value::Null);
    if place.is_null() {
        *place = json!({});
    }
    place
        .as_object_mut()
        .ok_or_else(|| Failure::local(format!("`{key}` of the document is no object")))
}

fn mapped(text: &str) -> Result<(String, Value), Failure> {
    let found = text.split_once('=').and_then(|(name, source)| {
        let (place, value) = source.split_once(':')?;
        let known = matches!(place, "body" | "header" | "query") && !name.is_empty();
        known.then(|| (name.to_owned(), json!({place: value})))
    });
    found.ok_or_else(|| {
        Failure::usage(format!(
            "`{text}` maps nothing; write --map name=body:/json/pointer, name=header:x-name or name=query:name"
        ))
    })
}

/// The first line of a file.
fn secret(path: &Path) -> Result<String, Failure> {
    let text = file::text(path)?;
    let line = text.lines().next().unwrap_or_default().trim().to_owned();
    if line.is_empty() {
        return Err(Failure::local(format!(
            "`{}` holds no secret on its first line",
            path.display()
        )));
    }
    Ok(line)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_said_in_options() {
        let shape = Shape {
            app: Some("sync".to_owned()),
            sender: Some(Sender::Github),
            mapping: vec!["id=body:/a:b/0".to_owned(), "kind=header:x-kind".to_owned()],
            params: vec!["n=1".to_owned()],
            ..Shape::default()
        };
        let mut body = Map::new();
        body.insert("mapping".to_owned(), json!({"old": {"query": "o"}}));
        shape.apply(&mut body).unwrap();
        assert_eq!(
            Value::Object(body),
            json!({
                "mapping": {"old": {"query": "o"}, "id": {"body": "/a:b/0"}, "kind": {"header": "x-kind"}},
                "signature": {"scheme": "hmac-sha256", "header": "x-hub-signature-256", "prefix": "sha256="},
                "deduplicate": {"header": "x-github-delivery"},
                "application": "sync", "params": {"n": 1},
            })
        );
        for wrong in ["id", "id=body", "=body:/x", "id=cookie:x"] {
            assert!(mapped(wrong).is_err(), "{wrong}");
        }
    }
}
