//! `cargo xtask generate`: the committed files that are made from the code. Tests compare them; with
//! a variable set, the same tests write them.

use std::process::ExitCode;

use crate::{build, report};

/// Arguments of `cargo test`, and the variable that makes the test write.
const WRITERS: [(&[&str], &str); 2] = [
    (
        &["--package", "powerflow-config", "--test", "generated"],
        "POWERFLOW_WRITE_GENERATED",
    ),
    (
        &["--package", "powerflow-api", "--lib", "openapi"],
        "POWERFLOW_UPDATE",
    ),
];

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    for (arguments, variable) in WRITERS {
        report::run(
            build::cargo()
                .arg("test")
                .args(arguments)
                .env(variable, "1"),
        )?;
    }
    println!("Written: see `git status`.");
    Ok(ExitCode::SUCCESS)
}
