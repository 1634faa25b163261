//! Puts the SDK for Rust and the contract into this crate, so that `pfctl syncpack new` can write
//! them beside a new project: it is built without this repository and without a release.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let root = here.join("../../..");
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for (folder, to) in [
        ("sdk/src", "rust/src"),
        ("sdk/macros/src", "rust/macros/src"),
        ("wit", "wit"),
    ] {
        let folder = root.join(folder);
        println!("cargo:rerun-if-changed={}", folder.display());
        take(&folder, to, &mut files)?;
    }
    for (file, to) in [
        ("sdk/Cargo.toml", "rust/Cargo.toml"),
        ("sdk/macros/Cargo.toml", "rust/macros/Cargo.toml"),
        ("LICENSE", "LICENSE"),
    ] {
        files.insert(to.to_owned(), read(&root.join(file))?);
    }
    let workspace = workspace(&read(&root.join("Cargo.toml"))?, &files)?;
    files.insert("Cargo.toml".to_owned(), workspace);
    let mut code = String::from("&[\n");
    for (path, text) in &files {
        writeln!(code, "({path:?}, {text:?}),")?;
    }
    code.push(']');
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("sdk.rs"), code)?;
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    println!("cargo:rerun-if-changed={}", path.display());
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// The files below a folder, under the name that they shall have.
fn take(folder: &Path, to: &str, files: &mut BTreeMap<String, String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let to = format!("{to}/{name}");
        if path.is_dir() {
            take(&path, &to, files)?;
        } else {
            files.insert(to, read(&path)?);
        }
    }
    Ok(())
}

/// The manifest of a workspace of the SDK alone: what its packages take from ours.
fn workspace(ours: &str, files: &BTreeMap<String, String>) -> Result<String> {
    let ours: Table = ours.parse()?;
    let ours = ours["workspace"].as_table().ok_or("no workspace")?;
    let mut dependencies = Table::new();
    for manifest in ["rust/Cargo.toml", "rust/macros/Cargo.toml"] {
        let manifest: Table = files[manifest].parse()?;
        for name in names(&manifest) {
            dependencies.insert(name.clone(), ours["dependencies"][&name].clone());
        }
    }
    let macros = dependencies
        .get_mut("powerflow-sdk-macros")
        .and_then(Value::as_table_mut)
        .ok_or("the SDK does not use its macros")?;
    macros.insert("path".to_owned(), "rust/macros".into());
    let mut lints = Table::new();
    lints.insert("rust".to_owned(), Table::new().into());
    let mut workspace = Table::new();
    workspace.insert("resolver".to_owned(), ours["resolver"].clone());
    let members = ["rust", "rust/macros"].map(Value::from);
    workspace.insert("members".to_owned(), members.to_vec().into());
    workspace.insert("package".to_owned(), ours["package"].clone());
    workspace.insert("dependencies".to_owned(), dependencies.into());
    workspace.insert("lints".to_owned(), lints.into());
    let mut all = Table::new();
    all.insert("workspace".to_owned(), workspace.into());
    Ok(all.to_string())
}

/// The names of all dependencies of a package, also of those for some targets.
fn names(manifest: &Table) -> Vec<String> {
    let own = manifest.get("dependencies").and_then(Value::as_table);
    let targets = manifest.get("target").and_then(Value::as_table);
    let of_targets = targets
        .into_iter()
        .flat_map(Table::values)
        .filter_map(|target| target.get("dependencies")?.as_table());
    own.into_iter()
        .chain(of_targets)
        .flat_map(Table::keys)
        .cloned()
        .collect()
}
