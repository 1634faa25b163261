//! Secrets by handle.

use std::fmt;

use serde::{Deserialize, Deserializer};

/// How a handle begins; the host puts the secret in its place.
pub(crate) const HANDLE: &str = "pf-secret:";

/// A parameter of type `secret`.
///
/// A step never sees a secret: it holds a handle, which is worth something only in
/// a header of an outgoing request, where the host puts the secret in its place
/// ([`Request::basic_auth`](crate::http::Request::basic_auth),
/// [`Request::bearer_auth`](crate::http::Request::bearer_auth),
/// [`Request::secret_header`](crate::http::Request::secret_header)), and only on
/// the way to a host that an administrator granted.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Whether it is a handle. A value that the configuration does not keep
    /// encrypted arrives as it is and is sent as it is.
    pub fn is_handle(&self) -> bool {
        self.0.starts_with(HANDLE)
    }

    /// The text to put in a header value; the host replaces it where it is a handle.
    pub fn in_header(&self) -> &str {
        &self.0
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}
