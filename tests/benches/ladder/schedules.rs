//! `schedules_5k`: many schedules that are due in the same second.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use harness::service::Service;
use serde_json::json;

use crate::figure::{Bench, Better, median};
use crate::load;

/// How long saving them may take before they are due.
const AHEAD: i64 = 60;
const PATIENCE: Duration = Duration::from_mins(5);

/// Saves as many schedules of an application, all due at the same moment, and measures how long
/// after it all of their runs are accepted, in seconds. They wait on a queue that nobody serves.
/// `ask` answers one number of the store, `now` is its time in seconds, `glance` how long to wait
/// between two looks.
pub(crate) fn measure(
    service: &Service,
    application: &str,
    count: usize,
    now: &str,
    glance: Duration,
    ask: impl Fn(&str) -> anyhow::Result<i64>,
) -> anyhow::Result<f64> {
    let due = ask(&format!("SELECT CAST({now} AS bigint)"))? + AHEAD;
    let start = rfc3339(due);
    let template = service.client()?;
    load::spread(count, load::CONNECTIONS, || {
        let mut client = template.another();
        let start = start.clone();
        move |number| {
            let document = json!({
                "application_id": application, "entry_id": format!("bench {number}"),
                "frequency": 86_400, "start": start,
                "params": {"event": {"id": number}, "queue": "nobody"}});
            client.send_json("POST", "/api/v1/schedule", &document)?;
            Ok(())
        }
    })?;
    let left = due - ask(&format!("SELECT CAST({now} AS bigint)"))?;
    if left < 2 {
        bail!("saving {count} schedules took too long: {left} s are left");
    }
    thread::sleep(
        Duration::from_secs(left.unsigned_abs()).saturating_sub(Duration::from_millis(500)),
    );
    let started = Instant::now();
    let micros = format!("SELECT CAST(({now}) * 1000000 AS bigint)");
    loop {
        let runs = ask("SELECT count(*) FROM occurrence WHERE outcome = 1")?;
        if runs == count as i64 {
            return Ok((ask(&micros)? - due * 1_000_000) as f64 / 1e6);
        }
        if started.elapsed() > PATIENCE {
            bail!("of {count} schedules {runs} have started a run");
        }
        thread::sleep(glance);
    }
}

pub(crate) fn add(bench: &mut Bench, seconds: Vec<f64>, count: usize) {
    bench.add("schedules_5k", median(seconds), "s", Better::Less, None);
    bench.note(format!("schedules_5k: from the second in which {count} schedules are due until the last of their runs is accepted, as a look at the store finds it."));
}

fn rfc3339(seconds: i64) -> String {
    // Days to civil: Howard Hinnant's algorithm.
    let (days, rest) = (
        seconds.div_euclid(86_400) + 719_468,
        seconds.rem_euclid(86_400),
    );
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + days.div_euclid(146_097) * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// One process on SQLite.
pub(crate) fn embedded(bench: &mut Bench) -> anyhow::Result<()> {
    let count = bench.amount(5_000);
    let mut seconds = Vec::new();
    for _ in 0..bench.rounds() {
        let folder = tempfile::tempdir_in(harness::place::target())?;
        let service = crate::service::prepared(folder.path())?;
        let connection = crate::service::open(folder.path())?;
        let ask = |sql: &str| {
            connection
                .query_row(sql, [], |row| row.get::<_, i64>(0))
                .context("the store was asked")
        };
        let now = "unixepoch('subsec')";
        let glance = Duration::from_millis(10);
        seconds.push(measure(
            &service,
            crate::service::CHAIN,
            count,
            now,
            glance,
            ask,
        )?);
        drop(connection);
        service.stop()?;
    }
    add(bench, seconds, count);
    Ok(())
}
