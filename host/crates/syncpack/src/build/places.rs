//! The folders of the machine that builds, and what stands for them in the component: the places
//! of panics name source files, and where those lie on somebody's machine is nobody's business.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;

use super::{Options, TARGET, cargo, rustc};
use crate::Error;

/// Flags of the compiler that put other names in the place of this machine's folders.
pub(super) fn remapped(folder: &Path, options: &Options) -> Result<Vec<String>, Error> {
    let mut places = Places::default();
    if let Some(home) = cargo_home() {
        places.add(&home, "/cargo");
    }
    places.add(&sysroot(folder)?, "/rust");
    places.add_packages(&metadata(folder, options)?);
    Ok(places.flags())
}

/// Folders with what stands for them, the outer before the inner, which is how paths sort: of
/// those that fit, the compiler takes the last.
#[derive(Debug, Default)]
struct Places(BTreeMap<PathBuf, String>);

impl Places {
    /// Adds a folder as it is named, and as it is without links. What stands for it already
    /// goes on to do so.
    fn add(&mut self, path: &Path, name: &str) {
        if path.parent().is_none() {
            return;
        }
        if let Ok(real) = fs::canonicalize(path) {
            self.0.entry(real).or_insert_with(|| name.to_owned());
        }
        self.0
            .entry(path.to_owned())
            .or_insert_with(|| name.to_owned());
    }

    /// Adds where the packages are that `cargo metadata` names, and where it builds.
    fn add_packages(&mut self, metadata: &Value) {
        let path = |value: &Value| value.as_str().map(PathBuf::from);
        if let Some(target) = path(&metadata["target_directory"]) {
            self.add(&target, "/target");
        }
        if let Some(root) = path(&metadata["workspace_root"]) {
            self.add(&root, "/source");
        }
        for package in metadata["packages"].as_array().into_iter().flatten() {
            let manifest = path(&package["manifest_path"]);
            let Some(root) = manifest.as_deref().and_then(Path::parent) else {
                continue;
            };
            match package["source"].as_str() {
                // Of a registry: its folder is named after the host that packages come from.
                Some(source) if !source.starts_with("git+") => {
                    if let Some(registry) = root.parent() {
                        self.add(registry, "/registry");
                    }
                }
                // Of a checkout, or of a folder elsewhere on this machine.
                _ => {
                    let name = package["name"].as_str().unwrap_or("package");
                    self.add(root, &format!("/source/{name}"));
                }
            }
        }
    }

    fn flags(&self) -> Vec<String> {
        self.0
            .iter()
            .map(|(path, name)| format!("--remap-path-prefix={}={name}", path.display()))
            .collect()
    }
}

pub(super) fn cargo_home() -> Option<PathBuf> {
    let given = env::var_os("CARGO_HOME").filter(|home| !home.is_empty());
    given
        .map(PathBuf::from)
        .or_else(|| Some(env::home_dir()?.join(".cargo")))
}

/// The toolchain's folder, with the sources of the standard library where they are installed.
fn sysroot(folder: &Path) -> Result<PathBuf, Error> {
    let failed =
        |why: String| Error::Build(format!("rustc does not say where its toolchain is: {why}"));
    let output = rustc(folder)
        .args(["--print", "sysroot"])
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ));
    }
    Ok(PathBuf::from(
        String::from_utf8_lossy(&output.stdout).trim(),
    ))
}

fn metadata(folder: &Path, options: &Options) -> Result<Value, Error> {
    let mut cargo = cargo(folder, "metadata", options)?;
    cargo.args(["--format-version", "1", "--filter-platform", TARGET]);
    let output = cargo.stdin(Stdio::null()).output().map_err(|error| {
        Error::Build(format!("cargo cannot be run: {error}; is Rust installed?"))
    })?;
    if !output.status.success() {
        return Err(Error::Build(format!(
            "cargo cannot read the package:\n{}",
            String::from_utf8_lossy(&output.stderr).trim()
        )));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| Error::Build(format!("`cargo metadata` printed no JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn inner_folders_come_after_outer_ones() {
        let mut places = Places::default();
        places.add(Path::new("/h/.cargo"), "/cargo");
        places.add(Path::new("/"), "/never");
        places.add_packages(&json!({
            "target_directory": "/h/pack/target",
            "workspace_root": "/h/pack",
            "packages": [
                {"name": "pack", "source": null, "manifest_path": "/h/pack/Cargo.toml"},
                {"name": "sdk", "source": null, "manifest_path": "/h/powerflow/sdk/Cargo.toml"},
                {"name": "a", "source": "registry+https://r", "manifest_path": "/h/.cargo/registry/src/host-1/a-1.0.0/Cargo.toml"},
                {"name": "b", "source": "sparse+https://r", "manifest_path": "/h/.cargo/registry/src/host-1/b-1.0.0/Cargo.toml"},
                {"name": "c", "source": "git+https://g#1", "manifest_path": "/h/.cargo/git/checkouts/c-1/2/Cargo.toml"},
            ],
        }));
        assert_eq!(
            places.flags(),
            [
                "--remap-path-prefix=/h/.cargo=/cargo",
                "--remap-path-prefix=/h/.cargo/git/checkouts/c-1/2=/source/c",
                "--remap-path-prefix=/h/.cargo/registry/src/host-1=/registry",
                "--remap-path-prefix=/h/pack=/source",
                "--remap-path-prefix=/h/pack/target=/target",
                "--remap-path-prefix=/h/powerflow/sdk=/source/sdk",
            ]
        );
    }
}
