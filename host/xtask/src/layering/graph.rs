//! What is linked: the packages that members of the workspace reach without their
//! tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use anyhow::{Context, bail};
use serde_json::Value;

/// A package.
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    /// An SPDX expression.
    pub(super) licence: Option<String>,
    /// `None` for what is in the workspace.
    pub(super) source: Option<String>,
    /// Ids of what it uses, its tests apart.
    uses: Vec<String>,
}

/// Packages by id.
pub(super) struct Graph(BTreeMap<String, Package>);

impl Graph {
    /// The graph of a workspace, all features, all platforms.
    pub(super) fn of(root: &Path) -> anyhow::Result<Self> {
        let output = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
            .args([
                "metadata",
                "--format-version",
                "1",
                "--all-features",
                "--locked",
            ])
            .current_dir(root)
            .output()
            .context("cargo metadata")?;
        if !output.status.success() {
            bail!(
                "cargo metadata: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Self::parse(&serde_json::from_slice(&output.stdout)?)
    }

    pub(super) fn parse(metadata: &Value) -> anyhow::Result<Self> {
        let mut all = BTreeMap::new();
        for package in list(&metadata["packages"], "packages")? {
            all.insert(
                text(package, "id")?,
                Package {
                    name: text(package, "name")?,
                    version: text(package, "version")?,
                    licence: package["license"].as_str().map(str::to_owned),
                    source: package["source"].as_str().map(str::to_owned),
                    uses: Vec::new(),
                },
            );
        }
        for node in list(&metadata["resolve"]["nodes"], "resolve.nodes")? {
            let package = all.get_mut(&text(node, "id")?).context("an unknown node")?;
            for used in list(&node["deps"], "deps")? {
                let kinds = list(&used["dep_kinds"], "dep_kinds")?;
                if kinds.iter().any(|kind| kind["kind"] != "dev") {
                    package.uses.push(text(used, "pkg")?);
                }
            }
        }
        let mut reached = BTreeSet::new();
        let members = list(&metadata["workspace_members"], "workspace_members")?;
        let mut next: Vec<String> = members
            .iter()
            .filter_map(|member| member.as_str().map(str::to_owned))
            .collect();
        while let Some(id) = next.pop() {
            if let Some(package) = all.get(&id)
                && reached.insert(id)
            {
                next.extend(package.uses.iter().cloned());
            }
        }
        all.retain(|id, _| reached.contains(id));
        Ok(Self(all))
    }

    pub(super) fn packages(&self) -> impl Iterator<Item = &Package> {
        self.0.values()
    }

    /// Who uses whom, by name.
    pub(super) fn edges(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.values().flat_map(|user| {
            let used = user.uses.iter().filter_map(|id| self.0.get(id));
            used.map(|used| (user.name.as_str(), used.name.as_str()))
        })
    }
}

fn list<'json>(value: &'json Value, what: &str) -> anyhow::Result<&'json Vec<Value>> {
    value
        .as_array()
        .with_context(|| format!("cargo metadata gave no {what}"))
}

fn text(value: &Value, key: &str) -> anyhow::Result<String> {
    let text = value[key].as_str();
    text.map(str::to_owned)
        .with_context(|| format!("cargo metadata gave no {key}"))
}
