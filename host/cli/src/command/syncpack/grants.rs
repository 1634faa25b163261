//! Grants: what a SyncPack asks for, what it has, and the flags that give it.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::{
    output::{items, text},
    shell::word,
};

/// A request for a grant: its id, and whether it leads to private addresses as far as that
/// can be known.
pub(crate) struct Asked {
    id: String,
    private: bool,
    /// The host is wherever the configuration object says.
    open: bool,
}

impl Asked {
    /// A request of a manifest.
    pub(crate) fn of(grant: &Value) -> Self {
        let host = text(&grant["host"]);
        Self {
            id: text(&grant["id"]),
            private: is_private(&host),
            open: host.starts_with("${"),
        }
    }

    /// The requests of a manifest, each as it was given before where it was.
    pub(crate) fn all(manifest: &Value, given: &Value) -> Vec<Self> {
        let mut all: Vec<Self> = items(&manifest["grants"]).iter().map(Self::of).collect();
        for one in &mut all {
            let before = items(given).iter().find(|before| before["id"] == *one.id);
            one.private |= before.is_some_and(|before| before["private_network"] == true);
        }
        all
    }
}

fn is_private(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    match address.parse() {
        Ok(IpAddr::V4(address)) => {
            address.is_private() || address.is_loopback() || address.is_link_local()
        }
        Ok(IpAddr::V6(address)) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

/// The flags that give these grants.
pub(crate) fn flags(asked: &[Asked]) -> String {
    asked.iter().fold(String::new(), |mut flags, one| {
        flags.push_str(if one.private {
            " --private "
        } else {
            " --grant "
        });
        flags.push_str(&word(&one.id));
        flags
    })
}

/// What the flags cannot know: where a host of the configuration object is.
pub(crate) fn remark(asked: &[Asked]) -> Option<String> {
    let open: Vec<&str> = asked
        .iter()
        .filter(|one| one.open && !one.private)
        .map(|one| &*one.id)
        .collect();
    (!open.is_empty()).then(|| {
        format!(
            "write --private instead of --grant where the host is on a private address: {}",
            open.join(", ")
        )
    })
}

/// Whether a configuration variable names the host of a grant.
fn by_variable(grant: &Value) -> bool {
    grant["host"]
        .as_str()
        .is_some_and(|host| host.starts_with("${config."))
}

/// The configuration objects that a grant holds for, with the hosts.
pub(super) fn held(grant: &Value) -> String {
    let objects: Vec<_> = grant["configurations"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| format!("{} ({})", text(&one["name"]), text(&one["host"])))
        .collect();
    if objects.is_empty() {
        "no configuration object".to_owned()
    } else {
        objects.join(", ")
    }
}

/// The rows of a table of the grants that a version asks for, under [`HEADING`].
pub(crate) fn rows(manifest: &Value, state: impl Fn(&Value) -> Option<String>) -> Vec<Vec<String>> {
    let all = |value: &Value, all: &str| match value {
        Value::Null => all.to_owned(),
        some => text(some),
    };
    let row = |grant: &Value| {
        let http = grant["kind"] == "http";
        let of_http = |key: &str, all_of: &str| {
            if http {
                all(&grant[key], all_of)
            } else {
                String::new()
            }
        };
        let mut row = vec![
            text(&grant["id"]),
            text(&grant["kind"]),
            text(&grant["host"]),
            of_http("ports", "of the scheme"),
            of_http("methods", "all"),
        ];
        row.extend(state(grant));
        row.push(text(&grant["reason"]));
        row
    };
    items(&manifest["grants"]).iter().map(row).collect()
}

/// What a stored version may do about one that it asks for: of one that is not active, what
/// was decided when it was last.
pub(super) fn state(version: &Value, grant: &Value) -> String {
    let found = items(&version["grants"])
        .iter()
        .find(|one| one["id"] == grant["id"]);
    let mut given = match found {
        None => "denied".to_owned(),
        Some(one) if by_variable(grant) => format!("given for {}", held(one)),
        Some(_) => "given".to_owned(),
    };
    if found.is_some_and(|one| one["private_network"] == true) {
        given.push_str(", private addresses too");
    }
    match (
        version["activated"] == true,
        version["activated_at"].is_string(),
    ) {
        (true, _) => given,
        (false, true) => format!("not active; was {given}"),
        (false, false) => "not active".to_owned(),
    }
}

/// The version of that number; of the newest when none is named.
pub(super) fn version_of<'a>(pack: &'a Value, version: Option<&str>) -> &'a Value {
    let versions = items(&pack["versions"]);
    let found = match version {
        Some(version) => versions.iter().find(|one| one["version"] == version),
        None => versions.last(),
    };
    found.unwrap_or(&Value::Null)
}

/// What is given: each id once, with the configuration objects that are named with it; those for
/// private addresses need not be named twice.
pub(super) fn decisions(ids: &[String], private: &[String]) -> Value {
    let mut given: Vec<Value> = Vec::new();
    let all = ids.iter().map(|one| (one, false));
    for (one, private) in all.chain(private.iter().map(|one| (one, true))) {
        let (id, objects) = match one.split_once('=') {
            Some((id, objects)) => (id, Some(objects)),
            None => (one.as_str(), None),
        };
        let at = given
            .iter()
            .position(|one| one["id"] == id)
            .unwrap_or_else(|| {
                given.push(json!({"id": id, "private_network": false}));
                given.len() - 1
            });
        let grant = &mut given[at];
        if private {
            grant["private_network"] = true.into();
        }
        if let Some(objects) = objects {
            let mut named = grant["configurations"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let objects = objects
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty());
            named.extend(objects.map(Value::from));
            grant["configurations"] = named.into();
        }
    }
    given.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Value {
        json!({"grants": [
            {"id": "sn", "kind": "http", "host": "${config.sn_url}", "reason": "r"},
            {"id": "lab", "kind": "http", "host": "127.0.0.1", "ports": [80, 81], "methods": ["GET"]},
            {"id": "cache", "kind": "cache"},
        ]})
    }

    #[test]
    fn a_hint_gives_what_is_asked_for() {
        let all = Asked::all(&manifest(), &Value::Null);
        assert_eq!(flags(&all), " --grant sn --private lab --grant cache");
        assert!(remark(&all).unwrap().ends_with(": sn"));
        let before = json!([{"id": "sn", "private_network": true}]);
        let all = Asked::all(&manifest(), &before);
        assert_eq!(flags(&all), " --private sn --private lab --grant cache");
        assert_eq!(remark(&all), None);
        assert_eq!(flags(&[]), "");
    }

    #[test]
    fn a_table_says_which_ports_and_methods() {
        let rows = rows(&manifest(), |_| None);
        assert_eq!(rows[0][2..5], ["${config.sn_url}", "of the scheme", "all"]);
        assert_eq!(rows[1][3..5], ["80, 81", "GET"]);
        assert_eq!(rows[2][2..5], ["", "", ""]);
    }

    #[test]
    fn only_an_active_version_has_grants() {
        let grant = json!({"id": "sn"});
        let mut version = json!({"activated": true, "activated_at": "2027-01-15T08:00:00Z",
            "grants": [{"id": "sn", "private_network": true}]});
        assert_eq!(state(&version, &grant), "given, private addresses too");
        version["activated"] = false.into();
        assert_eq!(
            state(&version, &grant),
            "not active; was given, private addresses too"
        );
        assert_eq!(state(&json!({"activated": false}), &grant), "not active");
        assert_eq!(state(&json!({"activated": true}), &grant), "denied");
        let grant = json!({"id": "sn", "host": "${config.url}"});
        assert_eq!(
            state(&version, &grant),
            "not active; was given for no configuration object, private addresses too"
        );
        version["grants"][0]["configurations"] = json!([{"id": 1, "name": "prod", "host": "h:443"}, {"id": 2, "name": "test", "host": "t:80"}]);
        assert!(state(&version, &grant).contains("given for prod (h:443), test (t:80)"));
    }

    #[test]
    fn a_grant_for_private_addresses_is_a_grant() {
        let ids = |list: &[&str]| list.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            decisions(&ids(&["cache", "sn", "cache"]), &ids(&["sn", "lab"])),
            json!([
                {"id": "cache", "private_network": false},
                {"id": "sn", "private_network": true},
                {"id": "lab", "private_network": true},
            ])
        );
        assert_eq!(decisions(&[], &[]), json!([]));
    }

    #[test]
    fn a_grant_is_given_for_configuration_objects() {
        let ids = |list: &[&str]| list.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            decisions(&ids(&["sn=prod, test", "sl1"]), &ids(&["sn=lab"])),
            json!([
                {"id": "sn", "private_network": true, "configurations": ["prod", "test", "lab"]},
                {"id": "sl1", "private_network": false},
            ])
        );
    }

    #[test]
    fn all_grants_are_those_of_the_version() {
        let pack = json!({"versions": [
            {"version": "1", "manifest": {"grants": [{"id": "a"}]}},
            {"version": "2", "manifest": {"grants": [{"id": "a"}, {"id": "b"}]}},
        ]});
        assert_eq!(version_of(&pack, None)["version"], "2");
        assert_eq!(version_of(&pack, Some("1"))["version"], "1");
        assert!(version_of(&pack, Some("3")).is_null());
    }
}
