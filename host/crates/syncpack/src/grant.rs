//! What a SyncPack asks an administrator to grant.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A request for a right, given by its id when the SyncPack is activated. Unknown keys
/// survive.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    /// The name under which an administrator gives it.
    pub id: String,
    /// `http` or `cache`.
    pub kind: String,
    /// For `http`: where requests may go; see [`HostPattern`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// For `http`: the ports; absent means the one that the host or its URL names, else 443.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<u16>>,
    /// For `http`: the methods; absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<String>>,
    /// Why, for the person who decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Where requests of an `http` grant may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// This host alone, in lower case: `dev1.service-now.com`.
    Exact(String),
    /// Every host below this domain, in lower case: `*.service-now.com`.
    Below(String),
    /// What the configuration variable of this name holds, a host or a URL:
    /// `${config.sn_url}`.
    Variable(String),
}

impl HostPattern {
    /// Reads a pattern; the error is a reason.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(name) = text
            .strip_prefix("${config.")
            .and_then(|rest| rest.strip_suffix('}'))
        {
            return match name {
                "" => Err("the reference names no configuration variable".to_owned()),
                name if name.contains(['{', '}', '$']) => {
                    Err("a grant names one configuration variable".to_owned())
                }
                name => Ok(Self::Variable(name.to_owned())),
            };
        }
        if text.contains("${") {
            return Err("a host is a name, *.domain, or exactly one ${config.NAME}".to_owned());
        }
        if text.contains("://") {
            return Err(
                "a host is a name without a scheme; only a configuration variable may hold a URL"
                    .to_owned(),
            );
        }
        let (below, name) = match text.strip_prefix("*.") {
            Some(domain) => (true, domain),
            None => (false, text),
        };
        if below && !name.contains('.') {
            return Err(format!("*.{name} would cover a whole top-level domain"));
        }
        if name.contains('*') {
            return Err("a star stands only at the beginning: *.domain".to_owned());
        }
        if !is_host(name) {
            return Err(format!("\"{name}\" is no host name or address"));
        }
        let name = name.to_ascii_lowercase();
        Ok(if below {
            Self::Below(name)
        } else {
            Self::Exact(name)
        })
    }
}

fn is_host(name: &str) -> bool {
    let bare = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if bare.unwrap_or(name).parse::<std::net::Ipv6Addr>().is_ok() {
        return true;
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}
