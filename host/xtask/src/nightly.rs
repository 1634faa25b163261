//! `cargo xtask test --nightly`: the simulator over so many seeds that no change could wait for it.
//! What came of it stands in the documentation.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::Context;
use harness::place;
use serde_json::Value;

use crate::{build, report};

/// How many worlds are explored.
const SEEDS: u64 = 100_000;
/// The page that tells of it, and the lines between which it does.
const PAGE: &str = "host/docs/reliability.md";
const BEGIN: &str = "<!-- cargo xtask test --nightly writes this -->\n";
const END: &str = "<!-- until here -->\n";

/// Explores, and writes down what came of it, also where a promise was broken.
pub(crate) fn explore() -> anyhow::Result<()> {
    let path = place::root().join("target/simulation.json");
    // That of an earlier night is none of this one.
    let _ = fs::remove_file(&path);
    let explored = report::run(
        build::cargo()
            // Ten times as fast as a debug build, which takes hours.
            .args(["nextest", "run", "--release", "--profile", "nightly"])
            .args(["--package", "powerflow-simulation", "--test", "simulation"])
            .arg("every_seed_keeps_the_promises")
            .env("POWERFLOW_SEEDS", SEEDS.to_string())
            .env("POWERFLOW_RESULT", &path),
    );
    let text = fs::read_to_string(&path).context("the simulator came to no result")?;
    let date = report::output(Command::new("date").args(["-u", "+%F"]))?;
    let told = told(&serde_json::from_str(&text)?, date.trim());
    let page = place::root().join(PAGE);
    let before = fs::read_to_string(&page)?;
    fs::write(&page, put_in(&before, &told)?)?;
    println!("{told}\nWritten to {PAGE}.");
    explored
}

/// What came of it, as the page has it.
fn told(result: &Value, date: &str) -> String {
    let (seeds, violations) = (&result["seeds"], &result["violations"]);
    let broken = violations.as_array().map_or(0, Vec::len);
    let mut text = format!("{date}: {seeds} seeds, {broken} broke a promise");
    if broken > 0 {
        let _ = write!(text, " ({violations})");
    }
    text.push_str(".\n\n| what happened | how often |\n| --- | ---: |\n");
    for (what, count) in result["counts"].as_object().into_iter().flatten() {
        let _ = writeln!(text, "| {what} | {count} |");
    }
    text
}

fn put_in(page: &str, told: &str) -> anyhow::Result<String> {
    let (before, rest) = page
        .split_once(BEGIN)
        .context("the page has no place for it")?;
    let (_, after) = rest
        .split_once(END)
        .context("the page has no place for it")?;
    Ok(format!("{before}{BEGIN}\n{told}\n{END}{after}"))
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn what_came_of_it_takes_the_place_of_what_came_of_it_before() {
        let result = serde_json::json!({"seeds": 5, "violations": [3], "counts": {"runs": 7}});
        let told = told(&result, "2027-01-01");
        assert!(told.starts_with("2027-01-01: 5 seeds, 1 broke a promise ([3])."));
        assert!(told.ends_with("| runs | 7 |\n"));
        let page = format!("before\n{BEGIN}old{END}after\n");
        let once = put_in(&page, &told).ok();
        assert_eq!(once, Some(format!("before\n{BEGIN}\n{told}\n{END}after\n")));
        let again = once.as_deref().and_then(|page| put_in(page, &told).ok());
        assert_eq!(once, again);
        assert!(put_in("no place", &told).is_err());
    }
}
