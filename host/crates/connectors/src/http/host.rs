//! Hosts in one spelling, and the patterns that grants use for them.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use url::Url;

use super::Error;

/// A host in its one normal spelling: lower case, IDNA applied, no trailing dot; an address in any
/// notation that browsers accept (`0x7f.1`, `2130706433`, `[::ffff:127.0.0.1]`) is an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name to be resolved.
    Name(Arc<str>),
    /// An address; an IPv4 address mapped into IPv6 is the IPv4 address.
    Address(IpAddr),
}

impl Host {
    /// Normalises a host; an IPv6 address may stand in brackets.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let unbracketed = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        if let Ok(address) = unbracketed.parse::<std::net::Ipv6Addr>() {
            return Ok(Self::Address(IpAddr::V6(address).to_canonical()));
        }
        match url::Host::parse(text) {
            Ok(url::Host::Ipv4(address)) => Ok(Self::Address(IpAddr::V4(address))),
            Ok(url::Host::Ipv6(address)) => Ok(Self::Address(IpAddr::V6(address).to_canonical())),
            Ok(url::Host::Domain(name)) => {
                let name = name.strip_suffix('.').unwrap_or(&name);
                if name.split('.').any(str::is_empty) || name.len() > 253 {
                    return Err(invalid(text, "a label is empty or the name is too long"));
                }
                // `url` admits characters here that belong to patterns and to nothing in DNS.
                if !name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
                {
                    return Err(invalid(
                        text,
                        "it contains a character that no host name has",
                    ));
                }
                Ok(Self::Name(name.into()))
            }
            Err(reason) => Err(invalid(text, &reason.to_string())),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

fn invalid(text: &str, reason: &str) -> Error {
    Error::Request {
        reason: format!("`{text}` is not a host: {reason}"),
    }
}

/// The hosts that a grant covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// This host and no other.
    Exact(Host),
    /// Every name below the suffix, not the suffix itself; the suffix is kept with its leading dot.
    Below(Arc<str>),
}

impl Pattern {
    /// Reads `name`, `*.suffix` or an address.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let Some(suffix) = text.strip_prefix("*.") else {
            return Host::parse(text).map(Self::Exact);
        };
        match Host::parse(suffix)? {
            Host::Name(name) => Ok(Self::Below(format!(".{name}").into())),
            Host::Address(_) => Err(invalid(text, "an address has no names below it")),
        }
    }

    /// Whether the pattern covers the host.
    pub fn covers(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Exact(own), _) => own == host,
            (Self::Below(suffix), Host::Name(name)) => {
                name.len() > suffix.len() && name.ends_with(&**suffix)
            }
            (Self::Below(_), Host::Address(_)) => false,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => host.fmt(f),
            Self::Below(suffix) => write!(f, "*{suffix}"),
        }
    }
}

/// A pattern with the port that was written beside it: what a manifest or a configuration value
/// means when it names a host or a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The hosts.
    pub pattern: Pattern,
    /// The port, if one was written or follows from the scheme of a URL.
    pub port: Option<u16>,
}

impl Target {
    /// Reads `host`, `host:port`, `*.suffix`, an address, or an http or https URL (its path is ignored).
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if text.contains("://") {
            let url = Url::parse(text).map_err(|reason| invalid(text, &reason.to_string()))?;
            if !matches!(url.scheme(), "http" | "https") {
                return Err(invalid(text, "only http and https URLs name a host here"));
            }
            let host = url
                .host_str()
                .ok_or_else(|| invalid(text, "the URL has no host"))?;
            return Ok(Self {
                pattern: Pattern::parse(host)?,
                port: url.port_or_known_default(),
            });
        }
        let text = text.split('/').next().unwrap_or_default();
        // One colon separates a port; more of them belong to an IPv6 address without brackets.
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let port = match port {
            Some(port) => Some(
                port.parse()
                    .map_err(|_| invalid(text, "the port is not a number"))?,
            ),
            None => None,
        };
        Ok(Self {
            pattern: Pattern::parse(host)?,
            port,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_one_spelling() {
        let table = [
            ("Dev1.Example.COM", "dev1.example.com"),
            ("dev1.example.com.", "dev1.example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.example.", "xn--bcher-kva.example"),
            ("0x7f.1", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("0177.0.0.1", "127.0.0.1"),
            ("127.1", "127.0.0.1"),
            ("127.0.0.1.", "127.0.0.1"),
            ("[::ffff:127.0.0.1]", "127.0.0.1"),
            ("::ffff:7f00:1", "127.0.0.1"),
            ("[::1]", "[::1]"),
            ("%6c%6fcalhost", "localhost"),
            ("my_host", "my_host"),
        ];
        for (text, expected) in table {
            assert_eq!(Host::parse(text).unwrap().to_string(), expected, "{text}");
        }
        for text in [
            "",
            ".",
            "a..b",
            "example.com..",
            "a b",
            "a/b",
            "user@host",
            "*.a",
            "1.2.3.4.5",
            "[::1",
            "a,b",
        ] {
            assert!(Host::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn patterns_cover_what_they_say() {
        let below = Pattern::parse("*.Example.com").unwrap();
        for (host, covered) in [
            ("a.example.com", true),
            ("a.b.EXAMPLE.com.", true),
            ("example.com", false),
            ("aexample.com", false),
            ("a.example.com.evil.net", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(below.covers(&Host::parse(host).unwrap()), covered, "{host}");
        }
        let loopback = Pattern::parse("127.0.0.1").unwrap();
        assert!(loopback.covers(&Host::parse("0x7f000001").unwrap()));
        assert!(!loopback.covers(&Host::parse("localhost").unwrap()));
        assert!(Pattern::parse("*.127.0.0.1").is_err());
        assert!(Pattern::parse("*").is_err());
    }

    #[test]
    fn targets_are_hosts_or_urls() {
        for (text, host, port) in [
            (
                "https://dev1.example.com:8443/x",
                "dev1.example.com",
                Some(8443),
            ),
            (
                "https://Dev1.example.com/api?q",
                "dev1.example.com",
                Some(443),
            ),
            ("http://[::1]:8080", "[::1]", Some(8080)),
            ("http://user:secret@10.0.0.5/", "10.0.0.5", Some(80)),
            ("dev1.example.com", "dev1.example.com", None),
            ("dev1.example.com:8443", "dev1.example.com", Some(8443)),
            ("dev1.example.com/path", "dev1.example.com", None),
            ("[fd00::1]:81", "[fd00::1]", Some(81)),
            ("fd00::1", "[fd00::1]", None),
            ("*.service-now.com", "*.service-now.com", None),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!(
                (target.pattern.to_string().as_str(), target.port),
                (host, port),
                "{text}"
            );
        }
        for text in ["ftp://a.b/", "https://", "a:b", "a:70000", ""] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }
}
