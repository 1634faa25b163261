//! `cargo xtask bench`: builds for release and runs the ladder, whose output is passed through.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, bail};
use clap::Args;
use harness::{packs, place};
use serde_json::Value;

use crate::{build, report, services};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only these rungs, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    only: Vec<String>,
    /// The backend to measure: `embedded` or `cluster`
    #[arg(long, default_value = "embedded")]
    backend: String,
    /// Each figure once and with less work, to see whether everything runs: no figures to publish
    #[arg(long)]
    quick: bool,
    /// Print JSON for programs
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    eprintln!("Building for release. The first build takes 10 to 20 minutes on two cores.");
    let ladder = build_ladder()?;
    let programs = ladder
        .parent()
        .and_then(|deps| deps.parent())
        .context("the ladder lies nowhere")?;
    build::add_wasm_target()?;
    for pack in packs::ALL {
        // `pfctl` lies beside the ladder, not beside this program.
        pack.build_with(&programs.join("pfctl"))?;
    }
    if options.backend == "cluster" {
        services::add_postgres()?;
        services::add_redis()?;
    }
    let mut command = Command::new(&ladder);
    command
        .env(place::PROGRAMS, programs)
        .current_dir(place::root());
    command.args(["--backend", &options.backend]);
    if !options.only.is_empty() {
        command.args(["--only", &options.only.join(",")]);
    }
    command
        .args(options.quick.then_some("--quick"))
        .args(options.json.then_some("--json"));
    report::run(&mut command)?;
    Ok(ExitCode::SUCCESS)
}

/// Builds everything that is measured in one go, with one set of features; where the ladder is.
fn build_ladder() -> anyhow::Result<PathBuf> {
    let mut command = build::cargo();
    command.args([
        "build",
        "--release",
        "--message-format=json-render-diagnostics",
    ]);
    // All packages: a selection would have other features, and wasmtime be built twice.
    command.args(["--workspace", "--bins", "--bench", "ladder"]);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo")?;
    if !output.status.success() {
        bail!("the build failed");
    }
    executable(&String::from_utf8_lossy(&output.stdout)).context("cargo built no ladder")
}

/// The ladder's path in cargo's messages.
fn executable(messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "ladder")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ladder_is_found_among_cargo_s_messages() {
        let messages = "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"pfctl\"},\"executable\":\"/x/pfctl\"}\n\
            noise\n{\"target\":{\"name\":\"ladder\"},\"executable\":\"/x/deps/ladder-1\"}\n";
        assert_eq!(
            executable(messages),
            Some(PathBuf::from("/x/deps/ladder-1"))
        );
        assert_eq!(executable("{}"), None);
    }
}
