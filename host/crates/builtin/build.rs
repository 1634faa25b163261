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

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    for path in [
        "syncpacks/Cargo.toml",
        "syncpacks/Cargo.lock",
        "syncpacks/flow-control/Cargo.toml",
        "syncpacks/flow-control/meta.json",
        "syncpacks/flow-control/description.json",
        "syncpacks/flow-control/src",
        "sdk/Cargo.toml",
        "sdk/src",
        "sdk/macros/src",
        "wit",
    ] {
        println!("cargo::rerun-if-changed={ROOT}/{path}");
    }
    let mut folder = Folder::load(Path::new(&format!("{ROOT}/syncpacks/flow-control")))?;
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
    println!("cargo::rustc-env=FLOW_CONTROL_VERSION={version}");
    println!(
        "cargo::rustc-env=FLOW_CONTROL_DIGEST={}",
        Archive::read(&file)?.digest
    );
    fs::write(out.join("flow_control.wasm"), file)?;
    Ok(())
}
