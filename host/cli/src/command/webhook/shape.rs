//! What a webhook is made of on the command line.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use crate::{failure::Failure, file, params::pair};

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
    pub(super) file: Option<PathBuf>,
    /// The application that it starts
    #[arg(long, value_name = "NAME")]
    pub(super) app: Option<String>,
    /// Who sends, where that is one whose signatures are known; else give the signature in a file
    #[arg(long, value_enum)]
    pub(super) sender: Option<Sender>,
    /// A parameter made of the delivery: NAME=body:/json/pointer, NAME=header:x-name or
    /// NAME=query:name. May be repeated
    #[arg(long = "map", value_name = "NAME=SOURCE")]
    pub(super) mapping: Vec<String>,
    /// The parameter that the whole body is
    #[arg(long, value_name = "NAME")]
    pub(super) body: Option<String>,
    /// A parameter that each run is given. May be repeated
    #[arg(long = "param", short = 'p', value_name = "NAME=VALUE")]
    pub(super) params: Vec<String>,
    /// The configuration object of its runs
    #[arg(long, value_name = "NAME")]
    pub(super) config: Option<String>,
    /// The queue of its runs
    #[arg(long, value_name = "NAME")]
    pub(super) queue: Option<String>,
    /// A file with the secret on its first line; - for stdin. One is made up where none is given
    #[arg(long, value_name = "FILE")]
    pub(super) secret_file: Option<PathBuf>,
}

/// A webhook to make.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Its name
    pub(super) name: String,
    #[command(flatten)]
    pub(super) shape: Shape,
}

/// What to change of a webhook.
#[derive(Debug, Args)]
pub(crate) struct Edit {
    /// Its name
    pub(super) name: String,
    #[command(flatten)]
    pub(super) shape: Shape,
    /// Take deliveries
    #[arg(long, conflicts_with = "disable")]
    pub(super) enable: bool,
    /// Take none
    #[arg(long)]
    pub(super) disable: bool,
}

/// How to change a secret.
#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// Its name
    pub(super) name: String,
    /// A file with the new secret on its first line; - for stdin. One is made up where none is
    /// given
    #[arg(long, value_name = "FILE")]
    pub(super) secret_file: Option<PathBuf>,
    /// For how many seconds the one before counts as well [default: a day]
    #[arg(long, value_name = "SECONDS")]
    pub(super) keep: Option<u64>,
}

impl Shape {
    /// Writes what is given into a document.
    pub(super) fn apply(self, body: &mut Map<String, Value>) -> Result<(), Failure> {
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
pub(super) fn secret(path: &Path) -> Result<String, Failure> {
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
