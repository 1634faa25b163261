//! `pfctl application set`

use clap::Args;
use reqwest::{Method, header};
use serde_json::{Map, Value};

use crate::{
    document::said,
    failure::{Exit, Failure},
    output,
    params::pair,
    session::Session,
};

/// What to change of an application besides its definition.
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// The application's name
    name: String,
    /// The configuration object to align it with; none un-aligns it
    #[arg(long, value_name = "NAME")]
    config: Option<String>,
    /// The queue to align it with; none un-aligns it
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    /// The value of a variable, JSON if it reads as such, else text; null takes it away. May be
    /// repeated
    #[arg(long = "variable", value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// Only if this revision is still the newest
    #[arg(long, value_name = "NUMBER")]
    if_current: Option<u64>,
}

/// Changes it.
pub(super) async fn set(session: &Session, set: Set) -> Result<Exit, Failure> {
    let mut variables = Map::new();
    for text in &set.variables {
        let (name, value) = pair("--variable", text)?;
        variables.insert(name, value);
    }
    let mut body = Map::new();
    for (key, value) in [("configuration", set.config), ("queue", set.queue)] {
        if let Some(value) = value {
            body.insert(key.to_owned(), value.into());
        }
    }
    if !variables.is_empty() {
        body.insert("variables".to_owned(), Value::Object(variables));
    }
    if body.is_empty() {
        return Err(Failure::usage(
            "say what to change: --config, --queue or --variable".to_owned(),
        ));
    }
    let client = session.client()?;
    let mut request = client
        .request(Method::PATCH, &["applications", &set.name, "settings"])
        .json(&body);
    if let Some(current) = set.if_current {
        request = request.header(header::IF_MATCH, format!("\"{current}\""));
    }
    let saved = match client.send(request).await {
        Ok(reply) => reply.json()?,
        Err(failure) => return Err(client.suggest(failure, "applications", &set.name).await),
    };
    session.output.result(&saved, said);
    for fault in output::items(&saved["faults"]) {
        session.output.remark(&output::fault(fault));
    }
    for warning in output::items(&saved["warnings"]) {
        session.output.remark(&output::warning(warning));
    }
    Ok(Exit::Success)
}
