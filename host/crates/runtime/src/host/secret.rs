//! Secrets by handle: the guest holds a name, the host puts the secret in its place.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// What a handle starts with; its id follows: letters, digits, `-` and `_`.
pub const HANDLE_PREFIX: &str = "pf-secret:";

/// The scheme of an authorization header that the host turns into Basic authentication.
const BASIC: &str = "pf-basic ";

/// The secrets of one execution by the id of their handle.
#[derive(Clone, Default)]
pub struct SecretHandles(Option<Arc<HashMap<String, String>>>);

impl SecretHandles {
    /// Secrets by id.
    pub fn new(secrets: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(Some(Arc::new(secrets.into_iter().collect())))
    }

    fn get(&self, id: &str) -> Option<&str> {
        self.0.as_ref()?.get(id).map(String::as_str)
    }

    /// A text with every handle replaced. The error is the id of one that this execution does not
    /// hold.
    fn insert(&self, text: &str) -> Result<String, Wrong> {
        let mut result = String::with_capacity(text.len() + 64);
        let mut rest = text;
        while let Some(at) = rest.find(HANDLE_PREFIX) {
            result.push_str(&rest[..at]);
            rest = &rest[at + HANDLE_PREFIX.len()..];
            let end = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
                .unwrap_or(rest.len());
            let id = &rest[..end];
            result.push_str(
                self.get(id)
                    .ok_or_else(|| Wrong::Unknown(id.chars().take(64).collect()))?,
            );
            rest = &rest[end..];
        }
        result.push_str(rest);
        Ok(result)
    }

    /// Replaces handles in the values of headers.
    pub(crate) fn apply(&self, headers: &mut HeaderMap) -> Result<(), Wrong> {
        for (name, value) in headers.iter_mut() {
            let Ok(text) = value.to_str() else { continue };
            let basic = basic(name, text);
            let new = match basic {
                Some(credentials) => self.basic(credentials)?,
                None if text.contains(HANDLE_PREFIX) => self.insert(text)?,
                None => continue,
            };
            let mut new = HeaderValue::from_str(&new).map_err(|_| Wrong::Value(name.clone()))?;
            new.set_sensitive(true);
            *value = new;
        }
        Ok(())
    }

    fn basic(&self, credentials: &str) -> Result<String, Wrong> {
        let (user, secret) = credentials.split_once(' ').ok_or(Wrong::Basic)?;
        let user = if user.starts_with(HANDLE_PREFIX) {
            self.insert(user)?
        } else {
            percent_encoding::percent_decode_str(user)
                .decode_utf8()
                .map_err(|_| Wrong::Basic)?
                .into_owned()
        };
        if user.contains(':') {
            return Err(Wrong::User);
        }
        let secret = self.insert(secret.trim())?;
        Ok(format!(
            "Basic {}",
            STANDARD.encode(format!("{user}:{secret}"))
        ))
    }
}

fn basic<'a>(name: &HeaderName, text: &'a str) -> Option<&'a str> {
    (*name == header::AUTHORIZATION)
        .then(|| text.strip_prefix(BASIC))
        .flatten()
}

impl std::fmt::Debug for SecretHandles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "SecretHandles({})",
            self.0.as_ref().map_or(0, |secrets| secrets.len())
        )
    }
}

/// Why handles cannot be replaced. No text holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Wrong {
    #[error(
        "`pf-secret:{0}` is no secret of this step: a handle is valid only in the attempt that received it"
    )]
    Unknown(String),
    #[error("the authorization header is not `pf-basic <percent-encoded user> <secret handle>`")]
    Basic,
    #[error("the user name of Basic authentication cannot contain a colon")]
    User,
    #[error(
        "the secret for the header `{0}` holds a character that a header cannot carry, such as a line break"
    )]
    Value(HeaderName),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(name: &'static str, value: &str) -> Result<String, Wrong> {
        let secrets = SecretHandles::new(
            [("a", "s3cret"), ("u-1", "müller"), ("bad", "a\nb")]
                .map(|(id, value)| (id.to_owned(), value.to_owned())),
        );
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        secrets.apply(&mut headers)?;
        assert_eq!(
            headers[name].is_sensitive(),
            headers[name].as_bytes() != value.as_bytes()
        );
        Ok(String::from_utf8_lossy(headers[name].as_bytes()).into_owned())
    }

    #[test]
    fn a_handle_is_replaced_wherever_it_stands_in_a_value() {
        assert_eq!(
            apply("authorization", "Bearer pf-secret:a").as_deref(),
            Ok("Bearer s3cret")
        );
        assert_eq!(
            apply("x-key", "pf-secret:a;pf-secret:a, x").as_deref(),
            Ok("s3cret;s3cret, x")
        );
        assert_eq!(apply("x-key", "plain").as_deref(), Ok("plain"));
        assert_eq!(
            apply("x-key", "pf-basic u pf-secret:a").as_deref(),
            Ok("pf-basic u s3cret")
        );
    }

    #[test]
    fn basic_authentication_is_put_together() {
        let encoded = |text: &str| format!("Basic {}", STANDARD.encode(text));
        assert_eq!(
            apply("authorization", "pf-basic admin pf-secret:a").unwrap(),
            encoded("admin:s3cret")
        );
        assert_eq!(
            apply("authorization", "pf-basic a%20b pf-secret:a").unwrap(),
            encoded("a b:s3cret")
        );
        assert_eq!(
            apply("authorization", "pf-basic pf-secret:u-1 pf-secret:a").unwrap(),
            encoded("müller:s3cret")
        );
        assert_eq!(
            apply("authorization", "pf-basic a%3Ab pf-secret:a"),
            Err(Wrong::User)
        );
        assert_eq!(apply("authorization", "pf-basic admin"), Err(Wrong::Basic));
    }

    #[test]
    fn what_cannot_be_replaced_is_refused() {
        assert_eq!(
            apply("x-key", "pf-secret:b"),
            Err(Wrong::Unknown("b".into()))
        );
        assert_eq!(
            apply("x-key", "pf-secret:"),
            Err(Wrong::Unknown(String::new()))
        );
        assert!(matches!(
            apply("x-key", "pf-secret:bad"),
            Err(Wrong::Value(_))
        ));
        assert_eq!(
            format!("{:?}", SecretHandles::new([("a".into(), "b".into())])),
            "SecretHandles(1)"
        );
    }
}
