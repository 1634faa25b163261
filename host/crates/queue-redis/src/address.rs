//! Where Redis is, checked when the settings are read. What is shown of it never holds
//! the password.

use std::{fmt, str::FromStr};

use fred::types::config::{Config, ServerConfig};
use url::Url;

/// Why an address was refused. Holds no part of the address but its scheme and the names
/// of its parameters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// It is no URL.
    #[error("it is no URL: {0}")]
    Form(String),
    /// Another scheme.
    #[error(
        "it begins with {0}://, but must begin with redis://, rediss:// (TLS), \
         redis-cluster://, rediss-cluster://, redis-sentinel:// or rediss-sentinel://"
    )]
    Scheme(String),
    /// No host.
    #[error("it names no host")]
    NoHost,
    /// The path is no database.
    #[error("after the host comes the number of a database, such as /0, or nothing")]
    Database,
    /// Clusters have one database.
    #[error("a cluster has no databases: leave the path out")]
    ClusterDatabase,
    /// A parameter that means nothing here.
    #[error("it has the parameter {0}, which is not known for this scheme")]
    Parameter(String),
    /// A further node without a port.
    #[error("each parameter `node` needs the form host:port")]
    Node,
    /// Sentinels watch several services.
    #[error("it needs the name of the service that the sentinels watch: ?sentinelServiceName=…")]
    NoService,
}

/// The address of one Redis server, of a cluster or of sentinels.
#[derive(Clone)]
pub struct Address {
    pub(crate) config: Config,
    pub(crate) tls: bool,
    shown: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    One,
    Cluster,
    Sentinel,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let url = Url::parse(text).map_err(|error| AddressError::Form(error.to_string()))?;
        let (kind, tls) = match url.scheme() {
            "redis" => (Kind::One, false),
            "rediss" => (Kind::One, true),
            "redis-cluster" => (Kind::Cluster, false),
            "rediss-cluster" => (Kind::Cluster, true),
            "redis-sentinel" => (Kind::Sentinel, false),
            "rediss-sentinel" => (Kind::Sentinel, true),
            other => return Err(AddressError::Scheme(other.to_owned())),
        };
        if url.host_str().is_none_or(str::is_empty) {
            return Err(AddressError::NoHost);
        }
        check_path(&url, kind)?;
        check_parameters(&url, kind)?;
        // TLS is set up by `tls`, with the certificates that the settings add.
        let plain = text.replacen("rediss", "redis", 1);
        let config = match kind {
            Kind::One => Config::from_url_centralized(&plain),
            Kind::Cluster => Config::from_url_clustered(&plain),
            Kind::Sentinel => Config::from_url_sentinel(&plain),
        }
        .map_err(|error| AddressError::Form(format!("{:?}", error.kind())))?;
        Ok(Self {
            shown: shown(&config, url.scheme()),
            config,
            tls,
        })
    }
}

fn check_path(url: &Url, kind: Kind) -> Result<(), AddressError> {
    let path = url.path().trim_matches('/');
    if path.is_empty() {
        return Ok(());
    }
    if kind == Kind::Cluster {
        return Err(AddressError::ClusterDatabase);
    }
    path.parse::<u8>()
        .map(drop)
        .map_err(|_| AddressError::Database)
}

fn check_parameters(url: &Url, kind: Kind) -> Result<(), AddressError> {
    let mut service = false;
    for (name, value) in url.query_pairs() {
        match (&*name, kind) {
            ("node", Kind::Cluster | Kind::Sentinel) => {
                let port = value.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
                if !matches!(port, Some(Ok(_))) {
                    return Err(AddressError::Node);
                }
            }
            ("sentinelServiceName", Kind::Sentinel) => service = !value.is_empty(),
            ("sentinelUsername" | "sentinelPassword", Kind::Sentinel) => {}
            _ => return Err(AddressError::Parameter(name.into_owned())),
        }
    }
    if kind == Kind::Sentinel && !service {
        return Err(AddressError::NoService);
    }
    Ok(())
}

/// The scheme and the servers, and nothing else.
fn shown(config: &Config, scheme: &str) -> String {
    let hosts: Vec<String> = match &config.server {
        ServerConfig::Centralized { server } => vec![server.to_string()],
        ServerConfig::Clustered { hosts, .. } | ServerConfig::Sentinel { hosts, .. } => {
            hosts.iter().map(ToString::to_string).collect()
        }
    };
    format!("{scheme}://{}", hosts.join(","))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_address_is_read_and_shown_without_its_password() {
        for (text, shown) in [
            ("redis://r", "redis://r:6379"),
            ("redis://user:pa%40ss@r:7000/3", "redis://r:7000"),
            ("rediss://:secret@r:7000", "rediss://r:7000"),
            (
                "redis-cluster://:secret@a:1?node=b:2&node=c:3",
                "redis-cluster://b:2,c:3,a:1",
            ),
            ("rediss-cluster://a:1", "rediss-cluster://a:1"),
            (
                "redis-sentinel://u:secret@s/1?sentinelServiceName=main&sentinelPassword=secret",
                "redis-sentinel://s:26379",
            ),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(address.tls, text.starts_with("rediss"));
            assert!(!format!("{address:?}").contains("secret"));
        }
        let address: Address = "redis://user:pa%40ss@r:7000/3".parse().unwrap();
        assert_eq!(address.config.password.as_deref(), Some("pa@ss"));
        assert_eq!(address.config.database, Some(3));
    }

    #[test]
    fn wrong_addresses_are_refused_with_what_is_wrong_and_no_secret() {
        for (text, wrong) in [
            ("localhost:6379", "begins with localhost://"),
            ("http://:secret@r", "begins with http://"),
            ("", "no URL"),
            ("redis://:secret@r:port", "no URL"),
            ("redis:///0", "no host"),
            ("redis://:secret@r/main", "number of a database"),
            ("redis://:secret@r/256", "number of a database"),
            ("redis-cluster://:secret@r/1", "no databases"),
            ("redis://:secret@r?node=a:1", "parameter node"),
            ("redis-cluster://:secret@r?node=a", "host:port"),
            ("redis-sentinel://:secret@r", "sentinelServiceName"),
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(wrong), "{text}: {error}");
            assert!(!error.contains("secret"), "{text}: {error}");
        }
    }
}
