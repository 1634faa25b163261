//! Who may use what: the bans, licences and sources of `.deny.toml`, over the
//! dependency graph that `cargo metadata` gives. The same file is read by
//! `cargo deny check bans licenses sources`; this needs no installation of it, and
//! no network. It knows the part of cargo-deny's format that the file uses, and
//! refuses what it does not know, so that no rule is silently left out.

mod graph;
mod licences;

use std::{fs, path::Path};

use anyhow::{Context, bail};
use toml::Table;

use self::graph::Graph;

/// Where crates may come from, as `cargo metadata` writes it.
const SOURCE: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// What breaks the rules, a line each; empty when nothing does. `root`: the
/// workspace's directory.
pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let path = root.join(".deny.toml");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let rules = Rules::parse(&text).with_context(|| path.display().to_string())?;
    Ok(findings(&rules, &Graph::of(root)?))
}

fn findings(rules: &Rules, graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for ban in &rules.bans {
        for (user, name) in graph.edges() {
            if name == ban.name && !ban.wrappers.iter().any(|wrapper| wrapper == user) {
                found.push(format!("{user} uses {name}: {}", ban.reason));
            }
        }
    }
    for package in graph.packages() {
        let (name, version) = (&package.name, &package.version);
        match package.source.as_deref() {
            None | Some(SOURCE) => {}
            Some(source) => found.push(format!("{name} {version} comes from {source}")),
        }
        match &package.licence {
            None => found.push(format!("{name} {version} names no licence")),
            Some(licence) => match licences::allowed(licence, &rules.licences) {
                Ok(true) => {}
                Ok(false) => found.push(format!("{name} {version} is under {licence}")),
                Err(what) => found.push(format!("{name} {version}: `{licence}`: {what}")),
            },
        }
    }
    found.sort();
    found.dedup();
    found
}

/// A crate that only some may use.
struct Ban {
    name: String,
    wrappers: Vec<String>,
    reason: String,
}

/// The rules of `.deny.toml`.
struct Rules {
    bans: Vec<Ban>,
    licences: Vec<String>,
}

impl Rules {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let file: Table = text.parse()?;
        for (section, keys) in [
            ("graph", &["all-features", "exclude-dev"][..]),
            ("licenses", &["allow"]),
            (
                "sources",
                &["unknown-registry", "unknown-git", "allow-registry"],
            ),
            (
                "bans",
                &[
                    "multiple-versions",
                    "wildcards",
                    "allow-wildcard-paths",
                    "deny",
                ],
            ),
        ] {
            only(table(&file, section)?, keys).with_context(|| section.to_owned())?;
        }
        only(&file, &["graph", "licenses", "sources", "bans"])?;
        let registries = texts(table(&file, "sources")?, "allow-registry")?;
        if registries.len() != 1 || !SOURCE.ends_with(&registries[0]) {
            bail!("sources.allow-registry: this check knows crates.io only");
        }
        let deny = table(&file, "bans")?.get("deny");
        let deny = deny.and_then(toml::Value::as_array).context("bans.deny")?;
        let ban = |entry: &toml::Value| {
            let entry = entry.as_table().context("an entry must be a table")?;
            only(entry, &["crate", "wrappers", "reason"])?;
            let text = |key: &str| entry.get(key).and_then(toml::Value::as_str);
            anyhow::Ok(Ban {
                name: text("crate").context("`crate` is missing")?.to_owned(),
                reason: text("reason").context("`reason` is missing")?.to_owned(),
                wrappers: texts(entry, "wrappers")?,
            })
        };
        Ok(Self {
            bans: deny.iter().map(ban).collect::<anyhow::Result<_>>()?,
            licences: texts(table(&file, "licenses")?, "allow")?,
        })
    }
}

fn table<'file>(file: &'file Table, key: &str) -> anyhow::Result<&'file Table> {
    let value = file.get(key).and_then(toml::Value::as_table);
    value.with_context(|| format!("[{key}] is missing"))
}

/// A list of texts; empty when there is none.
fn texts(table: &Table, key: &str) -> anyhow::Result<Vec<String>> {
    let Some(value) = table.get(key) else {
        return Ok(Vec::new());
    };
    let entries = value.as_array().with_context(|| key.to_owned())?;
    entries
        .iter()
        .map(|entry| entry.as_str().map(str::to_owned))
        .collect::<Option<_>>()
        .with_context(|| format!("{key} must hold texts"))
}

fn only(table: &Table, known: &[&str]) -> anyhow::Result<()> {
    match table.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => bail!("this check does not know `{key}`"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const RULES: &str = r#"
        [graph]
        exclude-dev = true
        [licenses]
        allow = ["MIT", "Apache-2.0"]
        [sources]
        allow-registry = ["https://github.com/rust-lang/crates.io-index"]
        [bans]
        deny = [
            { crate = "sql", wrappers = ["store"], reason = "SQL lives below the store" },
            { crate = "openssl", reason = "TLS is rustls" },
        ]
    "#;

    /// `packages`: name, licence, source; `edges`: user, used, kind.
    fn graph(packages: &[(&str, &str, &str)], edges: &[(&str, &str, Option<&str>)]) -> Graph {
        let nodes = packages.iter().map(|(name, ..)| {
            let used = edges.iter().filter(|(user, ..)| user == name);
            let deps: Vec<_> = used
                .map(|(_, used, kind)| json!({"pkg": used, "dep_kinds": [{"kind": kind}]}))
                .collect();
            json!({"id": name, "deps": deps})
        });
        let described = packages.iter().map(|(name, licence, source)| {
            let source = (!source.is_empty()).then_some(source);
            json!({"id": name, "name": name, "version": "1.0.0", "license": licence, "source": source})
        });
        Graph::parse(&json!({
            "packages": described.collect::<Vec<_>>(),
            "workspace_members": [packages[0].0],
            "resolve": {"nodes": nodes.collect::<Vec<_>>()},
        }))
        .expect("the graph is well formed")
    }

    fn found(graph: &Graph) -> Vec<String> {
        findings(
            &Rules::parse(RULES).expect("the rules are well formed"),
            graph,
        )
    }

    #[test]
    fn a_crate_may_be_used_by_its_wrappers_only() {
        let packages = [
            ("program", "MIT", ""),
            ("store", "MIT", ""),
            ("sql", "MIT", SOURCE),
        ];
        let allowed = [("program", "store", None), ("store", "sql", None)];
        assert_eq!(found(&graph(&packages, &allowed)), [""; 0]);
        let around = [allowed[0], allowed[1], ("program", "sql", None)];
        assert_eq!(
            found(&graph(&packages, &around)),
            ["program uses sql: SQL lives below the store"]
        );
        let in_tests = [allowed[0], allowed[1], ("program", "sql", Some("dev"))];
        assert_eq!(found(&graph(&packages, &in_tests)), [""; 0]);
    }

    #[test]
    fn a_crate_without_wrappers_may_be_used_by_none() {
        let packages = [("program", "MIT", ""), ("openssl", "MIT", SOURCE)];
        let built_with = [("program", "openssl", Some("build"))];
        assert_eq!(
            found(&graph(&packages, &built_with)),
            ["program uses openssl: TLS is rustls"]
        );
    }

    #[test]
    fn licences_and_sources_of_what_is_linked_are_checked() {
        let packages = [
            ("program", "MIT", ""),
            ("copyleft", "GPL-3.0", SOURCE),
            ("fork", "MIT", "git+https://example.com/fork"),
            ("unused", "GPL-3.0", SOURCE),
        ];
        let edges = [("program", "copyleft", None), ("program", "fork", None)];
        assert_eq!(
            found(&graph(&packages, &edges)),
            [
                "copyleft 1.0.0 is under GPL-3.0",
                "fork 1.0.0 comes from git+https://example.com/fork"
            ]
        );
    }

    #[test]
    fn a_rule_that_is_not_known_is_refused() {
        for (from, to) in [
            ("exclude-dev = true", "exclude = ['x']"),
            ("reason = \"TLS", "use-instead = \"TLS"),
            ("[bans]", "[advisories]\n[bans]"),
        ] {
            assert!(Rules::parse(&RULES.replace(from, to)).is_err(), "{to}");
        }
    }
}
