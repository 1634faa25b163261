//! `cargo xtask test`: every test there is, all of them whatever some say.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Args;
use harness::place;

use crate::demo::{self, Shape, Stage};
use crate::report::{self, Report};
use crate::{build, documentation, nightly, services};

#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    /// Besides, explore 100,000 simulated worlds instead of 300, which takes hours, and write what
    /// came of it into host/docs/reliability.md
    #[arg(long)]
    nightly: bool,
    /// Run only the tests of the workspace that nextest selects with these arguments, such as
    /// `-p powerflow-engine` or part of a name
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    filter: Vec<String>,
}

/// Guest workspaces with native tests.
const NATIVE: [&str; 2] = ["syncpacks", "examples/incident-sync/syncpack"];
/// Events of the demonstration.
const EVENTS: usize = 12;

pub(crate) fn run(options: &Options) -> ExitCode {
    let (report, counted) = all(options);
    let code = report.close();
    if let Some(counted) = counted {
        println!("{counted}");
    }
    code
}

/// Runs the tests; with them, how many there were.
pub(crate) fn all(options: &Options) -> (Report, Option<Counted>) {
    let mut report = Report::default();
    let results = junit();
    // Results of an earlier run are none of this one.
    let _ = fs::remove_file(&results);
    let ready = report.check(
        "get ready: compiler target, nextest, PostgreSQL, Redis, Chromium",
        || {
            build::add_wasm_target()?;
            add_nextest()?;
            services::add_postgres()?;
            services::add_redis()?;
            services::add_faketime()?;
            services::add_chromium()
        },
    );
    // The features that tests add are part of it, so that nothing is built twice.
    let built = ready
        && report.check("build the browser UI", build::ui)
        && report.check("build programs and tests", || {
            eprintln!("The first build takes 10 to 15 minutes on two cores.");
            report::run(build::cargo().args(["build", "--workspace", "--bins", "--tests"]))
        })
        && report.check("build the next version", build::next)
        && report.check("build SyncPacks", build::packs);
    if built {
        report.check("tests of the workspace", || {
            let mut command = build::cargo();
            command.args([
                "nextest",
                "run",
                "--workspace",
                "--profile",
                "ci",
                "--no-fail-fast",
            ]);
            report::run(command.args(&options.filter))
        });
    }
    if options.filter.is_empty() {
        report.check("documentation tests", || {
            report::run(build::cargo().args(["test", "--doc", "--workspace", "--no-fail-fast"]))
        });
        for folder in NATIVE {
            report.check(&format!("native tests of {folder}"), || {
                report::run(build::cargo_in(folder).args(["test", "--no-fail-fast"]))
            });
        }
        report.check("form, types and units of the browser UI", || {
            report::run(build::npm().args(["run", "check"]))?;
            report::run(build::npm().args(["test"]))
        });
        if built {
            report.check("the browser UI in a browser", || {
                let program = place::program("powerflow")?;
                report::run(
                    build::npm()
                        .args(["run", "e2e"])
                        .env("POWERFLOW_PROGRAM", program),
                )
            });
            example(&mut report);
        }
    }
    if built && options.nightly {
        report.check("100,000 simulated worlds", nightly::explore);
    }
    let counted = fs::read_to_string(&results)
        .ok()
        .and_then(|text| Counted::of(&text));
    (report, counted)
}

/// The demonstration and, on the service that it leaves, the documentation's examples.
fn example(report: &mut Report) {
    let mut set = None;
    report.check("demonstration", || {
        let mut stage = Stage::set(Shape::Single, None, EVENTS)?;
        let done = demo::perform(&mut stage);
        if done.is_err() {
            eprintln!("The logs are in {}", stage.keep().display());
        }
        set = Some(stage);
        done
    });
    report.check("examples in the documentation", || match &set {
        Some(stage) => documentation::check(stage),
        None => anyhow::bail!("there is no service to run them on"),
    });
    if let Some(stage) = set {
        report.check("the service ends in order", || stage.stop());
    }
    report.check("demonstration on a cluster", || {
        let mut stage = Stage::set(Shape::Cluster, None, EVENTS)?;
        let done = demo::perform(&mut stage);
        if done.is_err() {
            eprintln!("The logs are in {}", stage.keep().display());
            return done;
        }
        stage.stop()
    });
}

fn add_nextest() -> anyhow::Result<()> {
    if report::output(build::cargo().args(["nextest", "--version"])).is_ok() {
        return Ok(());
    }
    eprintln!("Installing cargo-nextest; this takes some minutes …");
    let mut command: Command = build::cargo();
    // A debug build runs tests as well as any, and is there sooner.
    command.env("CARGO_PROFILE_DEV_DEBUG", "0");
    command.args(["install", "cargo-nextest", "--locked", "--debug"]);
    report::run(command.args(["--no-default-features", "--features", "default-no-update"]))
}

/// Where nextest's profile `ci` writes its results: wherever cargo builds, its store is here.
fn junit() -> PathBuf {
    place::root().join("target/nextest/ci/junit.xml")
}

/// How many tests nextest ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Counted {
    /// From its results in JUnit's form.
    fn of(junit: &str) -> Option<Self> {
        let (_, rest) = junit.split_once("<testsuites ")?;
        let (attributes, _) = rest.split_once('>')?;
        let number = |name: &str| -> Option<u64> {
            let (_, value) = attributes.split_once(&format!("{name}=\""))?;
            value.split('"').next()?.parse().ok()
        };
        let failed = number("failures")? + number("errors")?;
        Some(Self {
            passed: number("tests")?.checked_sub(failed)?,
            failed,
        })
    }
}

impl std::fmt::Display for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn nextest_s_numbers_are_read() {
        let text = "<?xml version=\"1.0\"?>\n<testsuites name=\"ci\" tests=\"12\" failures=\"2\" errors=\"1\" uuid=\"x\">\n<testsuite tests=\"9\"/>";
        let counted = Counted::of(text);
        assert_eq!(
            counted,
            Some(Counted {
                passed: 9,
                failed: 3
            })
        );
        assert_eq!(
            counted.map(|counted| counted.to_string()).as_deref(),
            Some("9 passed, 3 failed")
        );
        assert_eq!(Counted::of("<testsuites tests=\"1\""), None);
    }
}
