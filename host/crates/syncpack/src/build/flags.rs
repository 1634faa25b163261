//! Handing flags to the compiler beside those that the user gives it.
//!
//! Cargo takes them from one of four places, the first that has any: two variables, the tables of
//! targets, the table of builds. Ours go to the place that it would take, behind what is there.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use toml::{Table, Value};

use super::TARGET;
use crate::Error;

const ENCODED: &str = "CARGO_ENCODED_RUSTFLAGS";
const PLAIN: &str = "RUSTFLAGS";
/// Between the flags of [`ENCODED`].
const SEPARATOR: &str = "\u{1f}";

/// Adds the flags to a command of cargo that runs in `folder`.
/// `alone`: the variables speak of another build.
pub(super) fn add(
    cargo: &mut Command,
    folder: &Path,
    flags: &[String],
    alone: bool,
) -> Result<(), Error> {
    if alone {
        cargo.env_remove(PLAIN).env(ENCODED, flags.join(SEPARATOR));
        return Ok(());
    }
    let variable = |name: &str| match env::var_os(name) {
        None => Ok(String::new()),
        Some(value) => value
            .into_string()
            .map_err(|_| Error::Build(format!("{name} is no valid UTF-8"))),
    };
    if let Some(given) = given(&variable(ENCODED)?, &variable(PLAIN)?) {
        let all: Vec<_> = given.iter().chain(flags).map(String::as_str).collect();
        cargo.env(ENCODED, all.join(SEPARATOR));
        return Ok(());
    }
    // What is said about the target hides what is said about all builds: if ours are the first
    // about the target, the others are to be kept.
    let kept = general(&settings(folder), &variable("CARGO_BUILD_RUSTFLAGS")?);
    let all: Vec<_> = kept
        .iter()
        .chain(flags)
        .cloned()
        .map(Value::String)
        .collect();
    cargo
        .arg("--config")
        .arg(format!("target.{TARGET}.rustflags={}", Value::Array(all)));
    Ok(())
}

/// The flags of the two variables; `None` when neither has any.
fn given(encoded: &str, plain: &str) -> Option<Vec<String>> {
    let flags: Vec<_> = if encoded.is_empty() {
        plain.split_whitespace().map(str::to_owned).collect()
    } else {
        encoded.split(SEPARATOR).map(str::to_owned).collect()
    };
    (!flags.is_empty()).then_some(flags)
}

/// The flags for all builds, if none are for the target. Tables that choose targets by `cfg(…)`
/// are left to cargo, which adds them to those of the target.
fn general(settings: &[Table], variable: &str) -> Vec<String> {
    let named = format!(
        "CARGO_TARGET_{}_RUSTFLAGS",
        TARGET.to_uppercase().replace('-', "_")
    );
    let of = |table: &Table, path: &[&str]| {
        let (last, outer) = path.split_last()?;
        let mut table = table;
        for name in outer {
            table = table.get(*name)?.as_table()?;
        }
        Some(list(table.get(*last)?))
    };
    let targeted = settings
        .iter()
        .any(|table| of(table, &["target", TARGET, "rustflags"]).is_some());
    if targeted || env::var_os(named).is_some() {
        return Vec::new();
    }
    // The farther file first, as cargo joins lists.
    let files = settings.iter().rev();
    let mut flags: Vec<_> = files
        .filter_map(|table| of(table, &["build", "rustflags"]))
        .flatten()
        .collect();
    flags.extend(variable.split_whitespace().map(str::to_owned));
    flags
}

/// A list of flags, written as such or as a text.
fn list(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => text.split_whitespace().map(str::to_owned).collect(),
        Value::Array(items) => items
            .iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}

/// Cargo's settings files for a folder, the nearest first. One that cannot be read is cargo's to
/// complain about.
fn settings(folder: &Path) -> Vec<Table> {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let mut folders: Vec<PathBuf> = folder.ancestors().map(|one| one.join(".cargo")).collect();
    if let Some(home) = super::places::cargo_home()
        && !folders.contains(&home)
    {
        folders.push(home);
    }
    let read = |folder: PathBuf| {
        let text = fs::read_to_string(folder.join("config"))
            .or_else(|_| fs::read_to_string(folder.join("config.toml")))
            .ok()?;
        text.parse().ok()
    };
    folders.into_iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(texts: &[&str]) -> Vec<Table> {
        texts
            .iter()
            .map(|text| text.parse().unwrap_or_default())
            .collect()
    }

    #[test]
    fn variables_come_before_files_and_the_encoded_one_first() {
        assert_eq!(given("", ""), None);
        assert_eq!(given("", "  "), None);
        assert_eq!(
            given("", " --cfg  a "),
            Some(vec!["--cfg".to_owned(), "a".to_owned()])
        );
        assert_eq!(
            given("--cfg\u{1f}a b", "--cfg c"),
            Some(vec!["--cfg".to_owned(), "a b".to_owned()])
        );
    }

    #[test]
    fn flags_for_all_builds_are_kept_unless_the_target_has_its_own() {
        let near = "[build]\nrustflags = ['--cfg', 'near']";
        let far = "[build]\nrustflags = '--cfg far'\n[net]\noffline = true";
        assert_eq!(
            general(&tables(&[near, far]), "--cfg variable"),
            ["--cfg", "far", "--cfg", "near", "--cfg", "variable"]
        );
        let target = "[target.wasm32-wasip2]\nrustflags = []";
        assert!(general(&tables(&[near, target]), "--cfg variable").is_empty());
        assert!(general(&[], "").is_empty());
    }

    #[test]
    fn settings_of_outer_folders_are_found() {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let inner = folder.path().join("a/b");
        let write = |at: &Path, text: &str| {
            fs::create_dir_all(at.join(".cargo"))
                .and_then(|()| fs::write(at.join(".cargo/config.toml"), text))
                .unwrap_or_else(|error| panic!("{error}"));
        };
        write(&inner, "near = 1");
        write(folder.path(), "far = 1");
        let found = settings(&inner);
        assert!(
            found[0].contains_key("near") && found[1].contains_key("far"),
            "{found:?}"
        );
    }
}
