//! The request to run an application.

use std::{borrow::Cow, sync::Arc};

use serde::Deserialize;
use serde_json::Value;

use crate::{
    application::kind_of,
    log::{self, Level},
    parameters::{self, RunParameters},
};

/// Names in `params` that steer the run and are no parameters of steps.
pub const RESERVED: [&str; 4] = ["loglevel", "logLevel", "configuration", "queue"];

/// A request to run an application.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunRequest {
    /// The application; absent where the request's address names it.
    pub name: Option<String>,
    /// The level of log lines to keep.
    pub level: Level,
    /// The configuration object to use instead of the aligned one.
    pub configuration: Option<String>,
    /// The queue to run on instead of the application's.
    pub queue: Option<String>,
    /// The run's own parameters, without the reserved names.
    pub parameters: RunParameters,
}

/// A request that cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No JSON object, or `params` is none.
    #[error("a run request is {{\"name\": …, \"params\": {{…}}}}: {0}")]
    Json(#[from] serde_json::Error),
    /// `params` is no object.
    #[error("`params`: {0}")]
    Parameters(#[from] parameters::ParseError),
    /// The log level does not exist.
    #[error("`params.loglevel`: {0}")]
    Level(#[from] log::ParseError),
    /// A key holds the wrong JSON type.
    #[error("`{key}` must be a text, it is {found}")]
    NoText {
        /// The key.
        key: &'static str,
        /// What it holds.
        found: &'static str,
    },
}

impl RunRequest {
    /// The request in a JSON text. An empty text, and absent or `null` `params`,
    /// ask for a plain run.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let body = RunParameters::parse(text).map_err(|error| error.0)?;
        let mut request = match body.get("params") {
            Some(params) if params != "null" => Self::from_params(params)?,
            _ => Self::default(),
        };
        let name = body.get("name").map(serde_json::from_str).transpose()?;
        request.name = optional_text("name", name)?;
        Ok(request)
    }

    /// The request of a JSON object that is `params` alone, as a schedule keeps it.
    pub fn from_params(params: &str) -> Result<Self, Error> {
        let text: Arc<str> = params.into();
        let all = RunParameters::parse(Arc::clone(&text))?;
        let reserved = |name: &str| -> Result<Option<Value>, Error> {
            Ok(all.get(name).map(serde_json::from_str).transpose()?)
        };
        let level = match reserved("loglevel")? {
            Some(level) => Some(level),
            None => reserved("logLevel")?,
        };
        Ok(Self {
            name: None,
            level: Level::from_request(&level.unwrap_or(Value::Null))?,
            configuration: optional_text("params.configuration", reserved("configuration")?)?,
            queue: optional_text("params.queue", reserved("queue")?)?,
            parameters: if RESERVED.iter().any(|name| all.get(name).is_some()) {
                RunParameters::parse_without(text, |name| RESERVED.contains(&name))?
            } else {
                all
            },
        })
    }
}

fn optional_text(key: &'static str, value: Option<Value>) -> Result<Option<String>, Error> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(Error::NoText {
            key,
            found: kind_of(&other),
        }),
    }
}

/// The text of a JSON string, borrowed where it holds no escape.
#[derive(Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_names_steer_the_run_and_are_stripped() {
        let request = RunRequest::parse(
            r#"{"name":"Größe","params":{"loglevel":10,"configuration":"acme","queue":"q","host":"h","n":1.0}}"#,
        )
        .unwrap();
        assert_eq!(request.name.as_deref(), Some("Größe"));
        assert_eq!(request.level, Level::Debug);
        assert_eq!(request.configuration.as_deref(), Some("acme"));
        assert_eq!(request.queue.as_deref(), Some("q"));
        assert_eq!(request.parameters.to_json(), r#"{"host":"h","n":1.0}"#);
    }

    #[test]
    fn the_least_requests() {
        for text in [
            "",
            "{}",
            r#"{"params":null}"#,
            r#"{"params":{}}"#,
            r#"{"params":{"logLevel":1,"queue":"","configuration":null}}"#,
        ] {
            assert_eq!(
                RunRequest::parse(text).unwrap(),
                RunRequest::default(),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            ("[]", "run request"),
            ("{", "run request"),
            (r#"{"name":1}"#, "`name` must be a text, it is a number"),
            (r#"{"params":[1]}"#, "`params`"),
            (r#"{"params":{"loglevel":11}}"#, "`11` is no log level"),
            (
                r#"{"params":{"configuration":{}}}"#,
                "`params.configuration` must be a text",
            ),
            (r#"{"params":{"queue":3}}"#, "`params.queue` must be a text"),
        ] {
            let message = RunRequest::parse(text).unwrap_err().to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
