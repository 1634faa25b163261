//! The project's own tool: `cargo xtask demo`, `test`, `ci`, `bench` and their parts.
//!
//! It builds, starts and judges; it contains nothing that the product needs. It links none of the
//! service's crates, so that it is there within a minute on a fresh clone.

mod bench;
mod build;
mod ci;
mod demo;
mod documentation;
mod generate;
mod layering;
mod nightly;
mod report;
mod services;
mod tests;
mod words;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// PowerFlow's own tool
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    arg_required_else_help = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build everything, start the service with the incident example, and show what it does
    Demo(demo::Options),
    /// Run every test: units, end to end, guests, documentation, demonstration
    Test(tests::Options),
    /// Check form, lints, licences, layers and words; `test` compares the generated files
    Check(ci::Options),
    /// What the build server runs: `check`, then `test`
    Ci,
    /// Measure the ladder in a release build
    Bench(bench::Options),
    /// Build the SyncPacks of this repository into target/packs
    Packs,
    /// Build the pages of the browser UI into host/ui/dist
    Ui,
    /// Write the committed generated files anew
    Generate,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Demo(options) => demo::run(&options),
        Command::Test(options) => Ok(tests::run(&options)),
        Command::Check(options) => Ok(ci::check(&options)),
        Command::Ci => Ok(ci::run()),
        Command::Bench(options) => bench::run(&options),
        Command::Packs => build::programs_and_packs(),
        Command::Ui => build::ui().map(|()| ExitCode::SUCCESS),
        Command::Generate => generate::run(),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cargo xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
