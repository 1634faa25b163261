//! `pfctl`, the command line of PowerFlow.
//!
//! It speaks to a service over its HTTP API only, and builds SyncPacks by itself. What
//! was asked for goes to stdout, everything said about it to stderr; `--json` makes
//! stdout one JSON document. [`failure`] lists the exit codes.
#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        reason = "a test may panic on what it did not expect"
    )
)]

mod arguments;
mod client;
mod command;
mod document;
mod failure;
mod file;
mod follow;
mod nearest;
mod output;
mod pack;
mod params;
mod profile;
mod progress;
mod revisions;
mod session;
mod shell;
mod stream;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse();
    let json = arguments.global.json;
    let done = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| failure::Failure::local(format!("no runtime could be started: {error}")))
        .and_then(|runtime| runtime.block_on(command::run(arguments)));
    match done {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(failure) => {
            failure.print(json);
            ExitCode::from(failure.exit as u8)
        }
    }
}
