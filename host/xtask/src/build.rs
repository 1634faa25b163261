//! Building, and what building needs.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Context;
use harness::{packs, place};

use crate::report;

/// What SyncPacks are compiled for.
const WASM: &str = "wasm32-wasip2";
/// Guest workspaces: components, and what tests them natively.
pub(crate) const GUESTS: [&str; 3] = [
    "syncpacks",
    "examples/incident-sync/syncpack",
    "tests/guests",
];

/// A cargo command in the workspace's root.
pub(crate) fn cargo() -> Command {
    cargo_in(".")
}

/// A cargo command in a folder of the workspace.
pub(crate) fn cargo_in(folder: &str) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.current_dir(place::root().join(folder));
    command
}

/// Adds the compiler's target for components where it is missing.
pub(crate) fn add_wasm_target() -> anyhow::Result<()> {
    let installed = report::output(
        Command::new("rustup")
            .args(["target", "list", "--installed"])
            .current_dir(place::root()),
    );
    let installed =
        installed.context("rustup is needed to add the compiler's target for components")?;
    if installed.lines().any(|target| target.trim() == WASM) {
        return Ok(());
    }
    eprintln!("Adding the compiler's target {WASM} …");
    report::run(
        Command::new("rustup")
            .args(["target", "add", WASM])
            .current_dir(place::root()),
    )
}

/// Builds the pages of the browser UI, which the program then holds; nothing where they are built.
pub(crate) fn ui() -> anyhow::Result<()> {
    let folder = place::root().join("host/ui");
    let stamp = folder.join("dist/.built");
    let digest = ui_digest(&folder)?;
    if fs::read_to_string(&stamp).is_ok_and(|built| built == digest) {
        return Ok(());
    }
    npm_ci()?;
    eprintln!("Building the browser UI …");
    report::run(npm().args(["run", "build"]))?;
    fs::write(&stamp, digest).context("cannot note that the browser UI is built")
}

/// Installs what the browser UI is built with, where that is not there as it is locked.
pub(crate) fn npm_ci() -> anyhow::Result<()> {
    let folder = place::root().join("host/ui");
    let lock = fs::read_to_string(folder.join("package-lock.json"))?;
    let stamp = folder.join("node_modules/.locked");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    eprintln!("Installing what the browser UI is built with …");
    report::run(npm().arg("ci")).context(
        "the browser UI is built with Node.js 20.19 or newer and npm: are both installed?",
    )?;
    fs::write(stamp, lock).context("cannot note what was installed")
}

/// An npm command in the folder of the browser UI.
pub(crate) fn npm() -> Command {
    let mut command = Command::new("npm");
    command.current_dir(place::root().join("host/ui"));
    command
}

/// What the pages are built from: the names, sizes and content of all files.
fn ui_digest(folder: &Path) -> anyhow::Result<String> {
    let mut hasher = DefaultHasher::new();
    let mut folders = vec![folder.to_owned(), place::root().join("host/docs")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default();
            if path.is_file() {
                files.push(path);
            } else if !["node_modules", "dist", "test-results", "screenshots"]
                .iter()
                .any(|skipped| name == *skipped)
            {
                folders.push(path);
            }
        }
    }
    files.sort();
    for file in files {
        file.hash(&mut hasher);
        fs::read(&file)?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// Builds the programs that the demonstration starts.
pub(crate) fn programs() -> anyhow::Result<()> {
    // The service holds components of its own.
    add_wasm_target()?;
    ui()?;
    eprintln!(
        "Building powerflow, pfctl and the simulators. The first build compiles the sandbox with \
         optimisations and takes 10 to 15 minutes on two cores; later ones take seconds."
    );
    report::run(cargo().args([
        "build",
        "--package=powerflow",
        "--package=pfctl",
        "--package=incident-sync-simulators",
    ]))
}

/// Builds the service once more as its next version would be, for the test that two versions work
/// side by side, and after it the present one again.
pub(crate) fn next() -> anyhow::Result<()> {
    // With a test, since what that depends on decides how the dependencies are built.
    let build = || {
        let mut command = cargo();
        command.args(["build", "--workspace", "--bin=powerflow", "--test=upgrade"]);
        command
    };
    report::run(build().arg("--features=powerflow/next"))?;
    let programs = place::target().join("debug");
    fs::copy(
        programs.join("powerflow"),
        programs.join(harness::cluster::NEXT),
    )?;
    report::run(&mut build())
}

/// Builds the SyncPacks with the `pfctl` that was built.
pub(crate) fn packs() -> anyhow::Result<()> {
    add_wasm_target()?;
    for pack in packs::ALL {
        eprintln!("Building the SyncPack {} …", pack.name);
        pack.build()?;
    }
    Ok(())
}

/// `cargo xtask packs`.
pub(crate) fn programs_and_packs() -> anyhow::Result<ExitCode> {
    programs()?;
    packs()?;
    for pack in packs::ALL {
        println!("{}", pack.file().display());
    }
    Ok(ExitCode::SUCCESS)
}
