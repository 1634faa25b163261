//! Building, and what building needs.

use std::env;
use std::ffi::OsString;
use std::fs;
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

/// Builds the programs that the demonstration starts.
pub(crate) fn programs() -> anyhow::Result<()> {
    // The service holds components of its own.
    add_wasm_target()?;
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
