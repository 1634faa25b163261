//! URLs, as much of them as a client needs.

use std::fmt;

/// An `http` or `https` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    secure: bool,
    authority: String,
    path_with_query: String,
}

impl Url {
    /// Reads a URL; without a scheme it is `https`. What a path may not hold as it
    /// is, such as a space or a letter outside ASCII, is percent-encoded. The error
    /// is a reason without the URL.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        let (secure, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            Some((scheme, _)) if !scheme.contains(['/', '?', '#']) => {
                return Err("the scheme is neither http nor https");
            }
            _ => (true, text),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err("it holds a user name; use basic_auth instead");
        }
        let (host, port) = split_port(authority);
        if host.is_empty() {
            return Err("it has no host");
        }
        if !host.is_ascii() {
            return Err("the host is not ASCII; write it in its xn-- form");
        }
        if host.contains(|letter: char| {
            letter.is_ascii_whitespace()
                || letter.is_ascii_control()
                || "\\%<>\"^`{|}".contains(letter)
        }) {
            return Err("the host has a character that no host name has");
        }
        if port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return Err("the port is not a number from 0 to 65535");
        }
        let path = path.split('#').next().unwrap_or_default();
        let mut path_with_query = String::with_capacity(path.len() + 1);
        if !path.starts_with('/') {
            path_with_query.push('/');
        }
        escape_into(&mut path_with_query, path, |byte| {
            byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte)
        });
        Ok(Self {
            secure,
            authority: authority.to_ascii_lowercase(),
            path_with_query,
        })
    }

    /// Where a redirect from here leads.
    pub(crate) fn join(&self, location: &str) -> Result<Self, &'static str> {
        let location = location.trim();
        let scheme = if self.secure { "https" } else { "http" };
        let path_end = self
            .path_with_query
            .find('?')
            .unwrap_or(self.path_with_query.len());
        let path = &self.path_with_query[..path_end];
        if let Some(rest) = location.strip_prefix("//") {
            Self::parse(&format!("{scheme}://{rest}"))
        } else if location.starts_with('/') {
            Self::parse(&format!("{scheme}://{}{location}", self.authority))
        } else if location.starts_with('?') {
            Self::parse(&format!("{scheme}://{}{path}{location}", self.authority))
        } else if location
            .split(['/', '?', '#'])
            .next()
            .is_some_and(|head| head.contains(':'))
        {
            Self::parse(location)
        } else {
            let folder = path.rfind('/').map_or("/", |slash| &path[..=slash]);
            Self::parse(&format!("{scheme}://{}{folder}{location}", self.authority))
        }
    }

    /// Appends `name=value` to the query, both percent-encoded.
    pub(crate) fn add_query(&mut self, name: &str, value: &str) {
        self.path_with_query
            .push(if self.path_with_query.contains('?') {
                '&'
            } else {
                '?'
            });
        escape_into(&mut self.path_with_query, name, unreserved);
        self.path_with_query.push('=');
        escape_into(&mut self.path_with_query, value, unreserved);
    }

    /// Whether scheme, host and port are the same.
    pub(crate) fn same_origin(&self, other: &Self) -> bool {
        let port = |url: &Self| {
            split_port(&url.authority)
                .1
                .and_then(|port| port.parse().ok())
                .unwrap_or(if url.secure { 443 } else { 80 })
        };
        self.secure == other.secure
            && split_port(&self.authority).0 == split_port(&other.authority).0
            && port(self) == port(other)
    }

    /// Whether the scheme is `https`.
    pub fn secure(&self) -> bool {
        self.secure
    }

    /// The host and, where it was given, the port.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The path, which begins with a slash, and the query.
    pub fn path_with_query(&self) -> &str {
        &self.path_with_query
    }

    /// The URL without its query, which may hold what a log should not.
    pub(crate) fn shown(&self) -> String {
        let text = self.to_string();
        text.split('?').next().unwrap_or_default().to_owned()
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}{}",
            if self.secure { "https" } else { "http" },
            self.authority,
            self.path_with_query
        )
    }
}

/// Percent-encodes text for use as one segment of a path or one value of a query.
///
/// ```
/// assert_eq!(powerflow_sdk::http::encode("a/b ü"), "a%2Fb%20%C3%BC");
/// ```
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    escape_into(&mut encoded, text, unreserved);
    encoded
}

fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn escape_into(target: &mut String, text: &str, keep: impl Fn(u8) -> bool) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if keep(byte) {
            target.push(char::from(byte));
        } else {
            target.push('%');
            target.push(char::from(DIGITS[usize::from(byte >> 4)]));
            target.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

/// Host and port; the colons inside `[::1]` are the host's.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (given, expected) in [
            (
                "https://dev1.service-now.com",
                "https://dev1.service-now.com/",
            ),
            ("dev1.service-now.com", "https://dev1.service-now.com/"),
            ("localhost:8080/x", "https://localhost:8080/x"),
            (
                "HTTP://Example.com:8080/A?b=c#d",
                "http://example.com:8080/A?b=c",
            ),
            ("http://[::1]:80/", "http://[::1]:80/"),
            (
                "https://h/Straße 1?q=a b",
                "https://h/Stra%C3%9Fe%201?q=a%20b",
            ),
            ("https://h?q=http://x", "https://h/?q=http://x"),
            ("https://h/already%20encoded", "https://h/already%20encoded"),
        ] {
            assert_eq!(Url::parse(given).unwrap().to_string(), expected, "{given}");
        }
    }

    #[test]
    fn refuses_what_is_none() {
        for given in [
            "",
            "https://",
            "ftp://h/",
            "https://user:pw@h/",
            "https://h:99999/",
            "https://ü/",
            "https://a b/",
            "http://h\r\nx: y/",
        ] {
            assert!(Url::parse(given).is_err(), "{given:?}");
        }
    }

    #[test]
    fn joins_a_location() {
        let url = Url::parse("https://h:8/a/b?c=d").unwrap();
        for (location, expected) in [
            ("/x", "https://h:8/x"),
            ("x?y=z", "https://h:8/a/x?y=z"),
            ("?q", "https://h:8/a/b?q"),
            ("//other/x", "https://other/x"),
            ("http://other/x", "http://other/x"),
        ] {
            assert_eq!(
                url.join(location).unwrap().to_string(),
                expected,
                "{location}"
            );
        }
        assert!(url.join("file:///etc/passwd").is_err());
        assert!(url.join("javascript:alert(1)").is_err());
    }

    #[test]
    fn compares_origins() {
        let same = |a: &str, b: &str| Url::parse(a).unwrap().same_origin(&Url::parse(b).unwrap());
        assert!(same("https://H/x", "https://h:443/y"));
        assert!(!same("https://h/", "http://h/"));
        assert!(!same("https://h/", "https://h:8443/"));
        assert!(!same("https://h/", "https://h.evil/"));
    }
}
