//! Creating and changing schedules.

use std::path::PathBuf;

use reqwest::{Method, header};
use serde_json::{Map, Value, json};

use super::{shape::Shape, stored};
use crate::{
    client::Client,
    failure::{Exit, Failure},
    file,
    output::{text, time},
    session::Session,
};

/// Tells what needs attention about what was saved or would be.
pub(super) fn warn(session: &Session, answer: &Value) {
    for one in answer["warnings"].as_array().into_iter().flatten() {
        session.output.remark(&format!(
            "warning[{}] {}: {}",
            text(&one["code"]),
            text(&one["at"]),
            text(&one["message"])
        ));
    }
}

/// What became of a save, in words.
fn said(one: &Value) -> String {
    let what = match (&one["created"], &one["changed"]) {
        (Value::Bool(true), _) => "created",
        (_, Value::Bool(false)) => "unchanged",
        _ => "saved",
    };
    let next = match one["next"].as_array().and_then(|next| next.first()) {
        Some(due) => format!("next {}", time(due)),
        None if one["enabled"] == false => "paused".to_owned(),
        None => "never due".to_owned(),
    };
    format!(
        "{what} {}: {}; {next}",
        text(&one["name"]),
        text(&one["description"])
    )
}

/// Saves a document under a name.
async fn put(
    client: &Client,
    name: &str,
    condition: (header::HeaderName, &str),
    document: &Map<String, Value>,
) -> Result<Value, Failure> {
    let request = client
        .request(Method::PUT, &["schedules", name])
        .header(condition.0, condition.1)
        .json(document);
    client.send(request).await?.json()
}

/// Creates one; refused where there is one of that name.
pub(super) async fn create(
    session: &Session,
    name: &str,
    shape: &Shape,
    paused: bool,
) -> Result<Exit, Failure> {
    if shape.application.is_none() {
        return Err(
            Failure::usage("a schedule runs an application: give --application NAME")
                .next("pfctl application list"),
        );
    }
    let mut document = Map::new();
    document.insert("entry_id".to_owned(), name.into());
    shape.put_into(&mut document)?;
    if paused {
        document.insert("enabled".to_owned(), false.into());
    }
    let client = session.client()?;
    let saved = put(&client, name, (header::IF_NONE_MATCH, "*"), &document)
        .await
        .map_err(|failure| match failure.code.as_str() {
            "PF-0412" => failure.next(format!("pfctl schedule edit \"{name}\" …")),
            _ => failure,
        })?;
    session.output.result(&saved, said);
    warn(session, &saved);
    session
        .output
        .remark(&format!("next: pfctl schedule history \"{name}\""));
    Ok(Exit::Success)
}

/// Changes what is given.
pub(super) async fn edit(session: &Session, name: &str, shape: &Shape) -> Result<Exit, Failure> {
    if shape.is_empty()? {
        return Err(Failure::usage("nothing to change is given").next("pfctl schedule edit --help"));
    }
    let client = session.client()?;
    let found = stored(&client, name, 1).await?;
    let mut document = found["document"].as_object().cloned().unwrap_or_default();
    shape.put_into(&mut document)?;
    let revision = format!("\"{}\"", text(&found["revision"]));
    let saved = put(&client, name, (header::IF_MATCH, &revision), &document).await?;
    session.output.result(&saved, said);
    warn(session, &saved);
    Ok(Exit::Success)
}

/// Sends files; one schedule that is refused does not keep the others back.
pub(super) async fn upload(session: &Session, files: &[PathBuf]) -> Result<Exit, Failure> {
    let client = session.client()?;
    let (mut saved, mut refused) = (Vec::new(), None::<Failure>);
    for path in files {
        let (_, value) = file::json(path)?;
        let documents = match value {
            Value::Array(list) => list,
            one => vec![one],
        };
        for (place, document) in documents.iter().enumerate() {
            match client.post(&["schedule"], document).await {
                Ok(reply) => saved.push(reply.json()?),
                Err(failure)
                    if matches!(failure.exit, Exit::Unreachable | Exit::Authentication) =>
                {
                    return Err(failure);
                }
                Err(mut failure) => {
                    let which = match document["entry_id"].as_str() {
                        Some(name) => format!("`{name}`"),
                        None => format!("entry {}", place + 1),
                    };
                    failure.message = format!("{}: {which}: {}", path.display(), failure.message);
                    if let Some(earlier) = refused.replace(failure) {
                        earlier.print(session.output.json);
                    }
                }
            }
        }
    }
    session.output.result(&json!({"items": saved}), |_| {
        saved.iter().map(said).collect::<Vec<_>>().join("\n")
    });
    for one in &saved {
        warn(session, one);
    }
    refused.map_or(Ok(Exit::Success), Err)
}

/// Lets one rest or go on.
pub(super) async fn set(session: &Session, name: &str, action: &str) -> Result<Exit, Failure> {
    let client = session.client()?;
    let request = client.request(Method::POST, &["schedules", name, action]);
    let saved = match client.send(request).await {
        Ok(reply) => reply.json()?,
        Err(failure) => return Err(client.suggest(failure, "schedules", name).await),
    };
    session.output.result(&saved, |one| {
        if one["enabled"] == false {
            return format!("{name} is paused");
        }
        let next = one["next"].as_array().and_then(|next| next.first());
        format!(
            "{name} runs; next {}",
            next.map_or_else(|| "never".to_owned(), time)
        )
    });
    Ok(Exit::Success)
}
