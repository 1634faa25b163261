//! Compiles the built-in SyncPacks to components, with cargo and a target directory of its own.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use syncpack::{
    Archive,
    build::{Options, build},
    source::{Folder, assemble},
};

/// The repository, seen from here.
const ROOT: &str = "../../..";

/// The folders below `syncpacks` of what is part of the service, and what their constants begin
/// with.
const PARTS: [(&str, &str); 2] = [
    ("base-steps", "BASE_STEPS"),
    ("flow-control", "FLOW_CONTROL"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    for path in [
        "syncpacks/Cargo.toml",
        "syncpacks/Cargo.lock",
        "sdk/Cargo.toml",
        "sdk/src",
        "sdk/macros/src",
        "wit",
    ] {
        println!("cargo::rerun-if-changed={ROOT}/{path}");
    }
    for (folder, constant) in PARTS {
        part(&out, folder, constant)?;
    }
    Ok(())
}

fn part(out: &Path, folder: &str, constant: &str) -> Result<(), Box<dyn Error>> {
    for path in ["Cargo.toml", "meta.json", "description.json", "src"] {
        println!("cargo::rerun-if-changed={ROOT}/syncpacks/{folder}/{path}");
    }
    let mut folder = Folder::load(Path::new(&format!("{ROOT}/syncpacks/{folder}")))?;
    let options = Options {
        target_dir: Some(out.join("target")),
        inside_cargo: true,
        ..Options::default()
    };
    let component = build(&folder.root, &options, &|_| {})?;
    let hash = Sha256::digest(&component);
    let mut build = String::new();
    for byte in hash.iter().take(6) {
        write!(build, "{byte:02x}")?;
    }
    let version = format!("{}+{build}", env!("CARGO_PKG_VERSION"));
    folder.meta.version.clone_from(&version);
    // What the component describes; its own tests see to it that it is so.
    let description = fs::read_to_string(folder.root.join("description.json"))?;
    let file = assemble(&folder, &component, &description)?;
    println!("cargo::rustc-env={constant}_VERSION={version}");
    println!(
        "cargo::rustc-env={constant}_DIGEST={}",
        Archive::read(&file)?.digest
    );
    let name = format!("{}.wasm", constant.to_lowercase());
    fs::write(out.join(name), file)?;
    Ok(())
}
