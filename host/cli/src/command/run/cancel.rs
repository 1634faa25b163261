//! Cancelling runs.

use serde_json::{Value, json};

use super::known;
use crate::{
    client::Client,
    failure::{Exit, Failure},
    output::{count, text},
    session::Session,
};

pub(super) async fn cancel(
    session: &Session,
    client: &Client,
    ids: &[String],
) -> Result<Exit, Failure> {
    let mut cancelled: Vec<Value> = Vec::new();
    for id in ids {
        let id = known(id)?;
        cancelled.push(client.delete(&["tasks", id]).await?.json()?);
    }
    session.output.result(&json!({"items": cancelled}), |_| {
        let line = |run: &Value| format!("{} {}", text(&run["task_id"]), text(&run["state"]));
        cancelled.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    Ok(Exit::Success)
}

/// Cancels what has not ended; a service that does not finish within one request is asked
/// again.
pub(super) async fn cancel_all(
    session: &Session,
    client: &Client,
    application: Option<String>,
    queue: Option<String>,
    yes: bool,
) -> Result<Exit, Failure> {
    if !yes {
        let mut which = "every run that has not ended".to_owned();
        for (what, name) in [("of application", &application), ("on queue", &queue)] {
            if let Some(name) = name {
                which = format!("{which} {what} `{name}`");
            }
        }
        confirm(&format!("Cancel {which}?"))?;
    }
    let mut body = json!({"all": application.is_none() && queue.is_none()});
    for (key, name) in [("application", application), ("queue", queue)] {
        if let Some(name) = name {
            body[key] = name.into();
        }
    }
    let mut cancelled = 0;
    loop {
        let part = client.post(&["runs", "cancel"], &body).await;
        let part = part.and_then(|reply| reply.json()).map_err(|mut failure| {
            if cancelled > 0 {
                failure
                    .details
                    .push(format!("{} cancelled before", count(cancelled, "run")));
            }
            failure
        })?;
        cancelled += part["cancelled"].as_u64().unwrap_or_default();
        if part["more"] != true {
            break;
        }
        session
            .output
            .remark(&format!("{cancelled} cancelled so far"));
        body["until"] = part["until"].clone();
    }
    let result = json!({"cancelled": cancelled});
    session.output.result(&result, |_| {
        format!("{} cancelled", count(cancelled, "run"))
    });
    Ok(Exit::Success)
}

/// Asks before something that cannot be taken back.
pub(super) fn confirm(question: &str) -> Result<(), Failure> {
    use std::io::{BufRead as _, IsTerminal as _, Write as _};
    let refused =
        |message: &str| Failure::usage(message).next("say --yes to do it without being asked");
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(refused("nobody can be asked: there is no terminal"));
    }
    let mut talk = std::io::stderr();
    // An answer that cannot be asked for or read is none.
    let _ = write!(talk, "{question} Type yes: ").and_then(|()| talk.flush());
    let mut answer = String::new();
    let _ = input.lock().read_line(&mut answer);
    if answer.trim().eq_ignore_ascii_case("yes") {
        return Ok(());
    }
    Err(refused("nothing was done"))
}
