//! A list of checks that all run, whatever the others say, and the summary of them.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// What was checked so far.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    name: String,
    took: Duration,
    /// Why it failed.
    failure: Option<String>,
}

impl Report {
    /// Does one check and says so before and, when it failed, after. Answers whether it passed.
    pub(crate) fn check(&mut self, name: &str, work: impl FnOnce() -> anyhow::Result<()>) -> bool {
        eprintln!("\n=== {name}");
        let started = Instant::now();
        let failure = work().err().map(|error| format!("{error:#}"));
        if let Some(failure) = &failure {
            eprintln!("=== {name}: FAILED: {failure}");
        }
        let passed = failure.is_none();
        self.0.push(Entry {
            name: name.to_owned(),
            took: started.elapsed(),
            failure,
        });
        passed
    }

    /// Takes over what another list found.
    pub(crate) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many failed.
    pub(crate) fn failures(&self) -> usize {
        self.0
            .iter()
            .filter(|entry| entry.failure.is_some())
            .count()
    }

    /// The summary, a line for each check.
    pub(crate) fn summary(&self) -> String {
        let mut text = String::new();
        // Writing to a text does not fail.
        for entry in &self.0 {
            let word = if entry.failure.is_none() {
                "passed"
            } else {
                "FAILED"
            };
            let _ = writeln!(text, "{word} {:>5} s  {}", entry.took.as_secs(), entry.name);
            if let Some(first) = entry
                .failure
                .as_deref()
                .and_then(|text| text.lines().next())
            {
                let _ = writeln!(text, "                {first}");
            }
        }
        let failed = self.failures();
        let _ = writeln!(
            text,
            "checks: {} passed, {failed} failed",
            self.0.len() - failed
        );
        text
    }

    /// Prints the summary; the exit code that it amounts to.
    pub(crate) fn close(&self) -> ExitCode {
        println!("\n{}", self.summary());
        if self.failures() == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// Runs a command with its output shown; an error unless it succeeds.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let line = line(command);
    let status = command
        .status()
        .with_context(|| format!("`{line}` cannot be started"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// Runs a command and answers its standard output; an error, with what it said, unless it succeeds.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let line = line(command);
    let output = command
        .output()
        .with_context(|| format!("`{line}` cannot be started"))?;
    if !output.status.success() {
        bail!(
            "`{line}` ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_reported_and_the_rest_still_done() {
        let mut report = Report::default();
        assert!(report.check("first", || Ok(())));
        assert!(!report.check("second", || run(Command::new("sh").args(["-c", "exit 3"]))));
        let mut more = Report::default();
        more.check("third", || {
            output(Command::new("echo").arg("x")).map(|text| assert_eq!(text, "x\n"))
        });
        report.append(more);
        assert_eq!(report.failures(), 1);
        let summary = report.summary();
        assert!(summary.contains("FAILED     0 s  second"), "{summary}");
        assert!(summary.contains("`sh -c exit 3` ended with"), "{summary}");
        assert!(
            summary.ends_with("checks: 2 passed, 1 failed\n"),
            "{summary}"
        );
    }

    #[test]
    fn what_a_failing_command_said_is_in_the_error() {
        let error = output(Command::new("sh").args(["-c", "echo why >&2; exit 1"])).err();
        assert!(error.is_some_and(|error| error.to_string().contains("why")));
    }
}
