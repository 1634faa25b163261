//! `cargo xtask check` and `cargo xtask ci`.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use harness::place;

use crate::report::{self, Report};
use crate::tests::{self, Counted};
use crate::{build, layering, words};

#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    /// Only what takes seconds: leave the lints out, which compile everything
    #[arg(long)]
    no_lints: bool,
}

/// `cargo xtask check`.
pub(crate) fn check(options: &Options) -> ExitCode {
    checks(options).close()
}

/// `cargo xtask ci`. Its last line counts the tests; checks that failed count as failed.
pub(crate) fn run() -> ExitCode {
    let mut report = checks(&Options::default());
    let failed_checks = report.failures();
    let (tested, counted) = tests::all(&tests::Options::default());
    report.append(tested);
    let code = report.close();
    let counted = counted.unwrap_or(Counted {
        passed: 0,
        failed: 0,
    });
    // What nextest counted is in one entry of the report; the others are added.
    let others =
        report.failures() - usize::from(counted.failed > 0).min(report.failures() - failed_checks);
    println!(
        "{}",
        Counted {
            failed: counted.failed + others as u64,
            ..counted
        }
    );
    code
}

fn checks(options: &Options) -> Report {
    let mut report = Report::default();
    report.check("form", form);
    report.check("licences, sources and layers", || {
        findings(&layering::check(place::root())?)
    });
    report.check("words and paths", || findings(&words::check()?));
    if !options.no_lints {
        all_lints(&mut report);
    }
    report
}

fn all_lints(report: &mut Report) {
    report.check("lints", || lints(".", &["--workspace", "--all-targets"]));
    let ready = report.check("compiler target for components", build::add_wasm_target);
    for folder in build::GUESTS {
        report.check(&format!("lints of {folder}"), || {
            if folder != "tests/guests" {
                lints(folder, &["--all-targets"])?;
            }
            if !ready {
                bail!("components cannot be compiled");
            }
            lints(folder, &["--target", "wasm32-wasip2"])
        });
    }
    report.check("lints of the SDK as a component", || {
        lints(
            ".",
            &["--package", "powerflow-sdk", "--target", "wasm32-wasip2"],
        )
    });
}

fn form() -> anyhow::Result<()> {
    report::run(build::cargo().args(["fmt", "--all", "--check", "--", "-l"]))?;
    for folder in build::GUESTS {
        report::run(build::cargo_in(folder).args(["fmt", "--all", "--check", "--", "-l"]))?;
    }
    Ok(())
}

fn lints(folder: &str, what: &[&str]) -> anyhow::Result<()> {
    let mut command = build::cargo_in(folder);
    report::run(
        command
            .arg("clippy")
            .args(what)
            .args(["--", "-D", "warnings"]),
    )
}

fn findings(found: &[String]) -> anyhow::Result<()> {
    if found.is_empty() {
        return Ok(());
    }
    bail!("{}", found.join("\n  "));
}
