//! The types that a setting may have, each with its way from text and from TOML.

use std::{
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use toml::de::DeValue;

use crate::units::{self, Bytes};

/// What a setting looks like, for the reference and the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Any text.
    Text,
    /// A path, from the working directory where it is not absolute.
    Path,
    /// Address and port.
    Address,
    /// A URL.
    Url,
    /// A whole number from the given one.
    Number(u32),
    /// Yes or no.
    Truth,
    /// A number from 0 to 1.
    Share,
    /// A number and a unit of time.
    Duration,
    /// A number and a unit of size.
    Size,
    /// A list of texts; in the environment, separated by commas.
    List,
    /// One of these words.
    Choice(&'static [&'static str]),
}

impl Kind {
    /// For people.
    pub fn describe(self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Path => "path".to_owned(),
            Self::Address => "address:port".to_owned(),
            Self::Url => "URL".to_owned(),
            Self::Number(least) => format!("number from {least}"),
            Self::Truth => "true or false".to_owned(),
            Self::Share => "number from 0 to 1".to_owned(),
            Self::Duration => "duration".to_owned(),
            Self::Size => "size".to_owned(),
            Self::List => "list of texts".to_owned(),
            Self::Choice(words) => words.join(" or "),
        }
    }

    /// As JSON Schema.
    pub fn schema(self) -> serde_json::Value {
        match self {
            Self::Text | Self::Path | Self::Address => json!({"type": "string"}),
            Self::Url => json!({"type": "string", "format": "uri"}),
            Self::Number(least) => {
                json!({"type": "integer", "minimum": least, "maximum": u32::MAX})
            }
            Self::Truth => json!({"type": "boolean"}),
            Self::Share => json!({"type": "number", "minimum": 0, "maximum": 1}),
            Self::Duration => {
                json!({"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d) ?)+$"})
            }
            Self::Size => {
                json!({"type": "string", "pattern": "^[0-9]+ ?([kKmMgGtT][iI]?)?[bB]$"})
            }
            Self::List => json!({"type": "array", "items": {"type": "string"}}),
            Self::Choice(words) => json!({"type": "string", "enum": words}),
        }
    }
}

/// A type of setting.
pub trait Value: Sized {
    /// What it looks like.
    const KIND: Kind;
    /// Whether it may be absent.
    const OPTIONAL: bool = false;
    /// Whether it holds something that is masked when shown.
    const SECRET: bool = false;

    /// From a variable, the command line or a default. An error says what to write,
    /// and never repeats a secret.
    fn parse(text: &str) -> Result<Self, String>;

    /// From the settings file.
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        match value {
            DeValue::String(text) => Self::parse(text),
            other => Err(format!(
                "it must be a text in quotes ({}), not {}",
                Self::KIND.describe(),
                named(other)
            )),
        }
    }

    /// As it would stand in the settings file; a secret masked.
    fn show(&self) -> String;
}

/// The type of a TOML value with its article.
fn named(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number without quotes",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// As a TOML text.
pub(crate) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

impl Value for String {
    const KIND: Kind = Kind::Text;
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
    fn show(&self) -> String {
        quoted(self)
    }
}

impl Value for PathBuf {
    const KIND: Kind = Kind::Path;
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("the path is empty".to_owned());
        }
        Ok(Path::new(text).to_owned())
    }
    fn show(&self) -> String {
        quoted(&self.to_string_lossy())
    }
}

impl Value for SocketAddr {
    const KIND: Kind = Kind::Address;
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| {
            format!(
                "`{text}` is no address with a port, such as 127.0.0.1:8080 or, on every \
                 address, [::]:8080"
            )
        })
    }
    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

fn number(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().replace('_', "")),
        other => Err(format!(
            "it must be a whole number without quotes, not {}",
            named(other)
        )),
    }
}

impl Value for u32 {
    const KIND: Kind = Kind::Number(0);
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = |_| format!("`{text}` is no whole number from 0 to {}", Self::MAX);
        text.parse().map_err(wrong)
    }
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        Self::parse(&number(value)?)
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for bool {
    const KIND: Kind = Kind::Truth;
    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| format!("`{text}` is neither true nor false"))
    }
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        let wrong = || format!("it must be true or false, not {}", named(value));
        value.as_bool().ok_or_else(wrong)
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

/// A part of a whole, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(pub f64);

impl Value for Share {
    const KIND: Kind = Kind::Share;
    fn parse(text: &str) -> Result<Self, String> {
        let share = text
            .parse()
            .ok()
            .filter(|share| (0.0..=1.0).contains(share));
        share
            .map(Self)
            .ok_or_else(|| format!("`{text}` is no number from 0 to 1, such as 0.1"))
    }
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        match value {
            DeValue::Float(number) => Self::parse(number.as_str()),
            value => Self::parse(&number(value)?),
        }
    }
    fn show(&self) -> String {
        self.0.to_string()
    }
}

impl Value for NonZeroU32 {
    const KIND: Kind = Kind::Number(1);
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = |_| format!("`{text}` is no whole number from 1 to {}", u32::MAX);
        text.parse().map_err(wrong)
    }
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        Self::parse(&number(value)?)
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for Duration {
    const KIND: Kind = Kind::Duration;
    fn parse(text: &str) -> Result<Self, String> {
        units::parse_duration(text)
    }
    fn show(&self) -> String {
        quoted(&units::show_duration(*self))
    }
}

impl Value for Bytes {
    const KIND: Kind = Kind::Size;
    fn parse(text: &str) -> Result<Self, String> {
        units::parse_bytes(text)
    }
    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Value for Vec<String> {
    const KIND: Kind = Kind::List;
    fn parse(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim);
        Ok(parts
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect())
    }
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        let wrong = |value| format!("it must be a list of texts, not {}", named(value));
        let entries = value.as_array().ok_or_else(|| wrong(value))?;
        entries
            .iter()
            .map(|entry| match entry.get_ref() {
                DeValue::String(text) => Ok(text.to_string()),
                other => Err(format!("its entries must be texts, not {}", named(other))),
            })
            .collect()
    }
    fn show(&self) -> String {
        let entries: Vec<String> = self.iter().map(|entry| quoted(entry)).collect();
        format!("[{}]", entries.join(", "))
    }
}

impl<T: Value> Value for Option<T> {
    const KIND: Kind = T::KIND;
    const OPTIONAL: bool = true;
    const SECRET: bool = T::SECRET;
    /// An empty text is an absent value, so that a variable can unset what the file sets.
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(None);
        }
        T::parse(text).map(Some)
    }
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        match value {
            DeValue::String(text) if text.is_empty() => Ok(None),
            value => T::from_toml(value).map(Some),
        }
    }
    fn show(&self) -> String {
        self.as_ref().map_or("(not set)".to_owned(), T::show)
    }
}

/// A URL that may carry a password.
#[derive(Clone, Debug)]
pub struct SecretUrl(SecretString);

impl SecretUrl {
    /// The URL with its password.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The URL with everything masked that may be a secret: the password, and the
    /// values of the query. All of it but the scheme where one cannot be told from the other.
    pub fn masked(&self) -> String {
        let (ask, at) = (self.expose().find('?'), self.expose().rfind('@'));
        if ask.is_some() && at > ask {
            return format!("{}://***", self.scheme());
        }
        let (base, query) = match self.expose().split_once('?') {
            Some((base, query)) => (base, Some(query)),
            None => (self.expose(), None),
        };
        let (scheme, rest) = base.split_once("://").unwrap_or(("", base));
        let (authority, path) = rest.split_at(rest.rfind('@').map_or(0, |at| at + 1));
        let user = authority.trim_end_matches('@');
        let credentials = match user.split_once(':') {
            Some((user, _)) => format!("{user}:***@"),
            None => authority.to_owned(),
        };
        let query = query.map(|query| {
            let masked: Vec<String> = query
                .split('&')
                .map(|pair| format!("{}=***", pair.split('=').next().unwrap_or_default()))
                .collect();
            format!("?{}", masked.join("&"))
        });
        format!(
            "{scheme}://{credentials}{path}{}",
            query.unwrap_or_default()
        )
    }

    /// What stands before `://`.
    pub fn scheme(&self) -> &str {
        self.expose().split("://").next().unwrap_or_default()
    }
}

impl Value for SecretUrl {
    const KIND: Kind = Kind::Url;
    const SECRET: bool = true;
    fn parse(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            Some((scheme, rest)) if !scheme.is_empty() && !rest.is_empty() => {
                Ok(Self(SecretString::from(text)))
            }
            _ => Err("it is no URL of the form scheme://user:password@host/path".to_owned()),
        }
    }
    fn show(&self) -> String {
        quoted(&self.masked())
    }
}

/// A setting that is one of a few words.
macro_rules! choice {
    (
        $(#[doc = $doc:literal])*
        $name:ident { $($(#[doc = $case_doc:literal])* $case:ident = $word:literal),* $(,)? }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[doc = $case_doc])* $case),* }

        impl $crate::Value for $name {
            const KIND: $crate::Kind = $crate::Kind::Choice(&[$($word),*]);
            fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$case),)*
                    other => Err(format!(
                        "`{other}` is none of {}",
                        [$(concat!("`", $word, "`")),*].join(", ")
                    )),
                }
            }
            fn show(&self) -> String {
                match self { $(Self::$case => concat!("\"", $word, "\"").to_owned()),* }
            }
        }
    };
}
pub(crate) use choice;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_secrets() {
        for (url, shown) in [
            ("postgres://db/flow", "postgres://db/flow"),
            ("postgres://me@db/flow", "postgres://me@db/flow"),
            ("postgres://me:p:w@rd@db/flow", "postgres://me:***@db/flow"),
            ("postgres://:pw@a,b:1/flow", "postgres://:***@a,b:1/flow"),
            (
                "postgres://db/flow?password=pw&sslmode=require",
                "postgres://db/flow?password=***&sslmode=***",
            ),
            (
                "redis://default:pw@r:6379/0",
                "redis://default:***@r:6379/0",
            ),
            ("redis://default:a?pw@r:6379/0", "redis://***"),
            ("redis://default:x@a?b=pw@r:6379/0", "redis://***"),
            ("redis://r:6379/0?user=a@pw", "redis://***"),
        ] {
            let url = SecretUrl::parse(url).unwrap();
            assert_eq!(url.masked(), shown);
            assert!(!format!("{url:?}").contains("pw"));
        }
        let error = SecretUrl::parse("hunter2").unwrap_err();
        assert!(!error.contains("hunter2"));
    }
}
