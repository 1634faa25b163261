//! `w1_grown`, `apps_page_p99`, `timeline_p99`: what history costs. The store has a million runs that
//! have ended, of a thousand applications, accepted over a week.
//!
//! Ten thousand runs are really executed; the others are copies of their rows with other numbers and
//! other times, so that each has all that a run leaves behind: steps, payloads, log lines.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail};
use harness::http::Client;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::figure::{Bench, Better, median, percentile};
use crate::{load, service};

const RUNS: i64 = 1_000_000;
/// Runs that are executed; as many copies are made at a time.
const EXECUTED: i64 = 10_000;
const APPLICATIONS: usize = 1_000;
/// How many of those executed are of one application; the others have the same number each.
const BUSY: i64 = 2_000;
/// Over how long they were accepted, in microseconds.
const WEEK: i64 = 7 * 86_400 * 1_000_000;
/// The window of a timeline, in microseconds.
const WINDOW: i64 = 2 * 3_600 * 1_000_000;
const REQUESTS: usize = 300;

/// Measures the three.
pub(crate) fn rungs(bench: &mut Bench) -> anyhow::Result<()> {
    if bench.quick {
        bench.note("w1_grown, apps_page_p99 and timeline_p99 are not measured with --quick: filling a store takes minutes.");
        return Ok(());
    }
    let folder = tempfile::tempdir_in(harness::place::target())?;
    let began = Instant::now();
    execute(folder.path())?;
    multiply(&folder.path().join("data/powerflow.db"))?;
    let filling = began.elapsed().as_secs();
    let bytes = std::fs::metadata(folder.path().join("data/powerflow.db"))?.len();

    let (mut pages, mut windows) = (Vec::new(), Vec::new());
    let started = Instant::now();
    let service = service::start(folder.path(), true)?;
    let start = started.elapsed().as_secs_f64();
    let mut client = service.client()?;
    let newest =
        service::open(folder.path())?
            .query_row("SELECT MAX(created_at) FROM run", [], |row| row.get(0))?;
    for _ in 0..bench.rounds() {
        pages.push(percentile(pages_of(&mut client)?, 0.99));
        windows.push(percentile(timelines(&mut client, newest)?, 0.99));
    }
    service.stop()?;

    let mut rates = Vec::new();
    for _ in 0..bench.rounds() {
        rates.push(service::run_queued(folder.path(), service::CHAIN, EXECUTED as usize)?.0);
    }
    let w1 = bench.cost("w1", service::w1)?;
    let limit = Some(("w1", w1));
    bench.add("w1_grown", median(rates), "runs/s", Better::More, limit);
    bench.add("apps_page_p99", median(pages), "ms", Better::Less, None);
    bench.add("timeline_p99", median(windows), "ms", Better::Less, None);
    bench.note(format!(
        "w1_grown, apps_page_p99, timeline_p99: {RUNS} runs of {APPLICATIONS} applications over a week, {} of them of one; a file of {:.1} GB, filled in {filling} s; a start took {start:.1} s. A page has 50 applications with their last runs; a window two hours of the busy one, with {} runs. {REQUESTS} requests each, one after the other.",
        RUNS / EXECUTED * BUSY,
        bytes as f64 / 1e9,
        RUNS / EXECUTED * BUSY * WINDOW / WEEK,
    ));
    Ok(())
}

fn name(number: usize) -> String {
    format!("grown_{number:04}")
}

/// Executes what is copied later: some of each application.
fn execute(folder: &Path) -> anyhow::Result<()> {
    service::prepare(folder)?;
    let service = service::start(folder, false)?;
    let mut client = service.client()?;
    let chain = client.get(&format!("/api/v1/applications/{}", service::CHAIN))?;
    for number in 0..APPLICATIONS {
        let mut document = chain.clone();
        document["name"] = json!(name(number));
        document["friendly_name"] = json!(format!("Grown {number}"));
        client.send_json("POST", "/api/v1/applications", &document)?;
    }
    let each = (EXECUTED - BUSY) as usize / APPLICATIONS;
    let of = |number: usize| (0..each).map(move |_| number);
    let busy = (0..BUSY).map(|_| 0);
    let bodies: Vec<Vec<u8>> = busy
        .chain((0..APPLICATIONS).flat_map(of))
        .enumerate()
        .map(|(at, number)| service::body_of(&name(number), at, None))
        .collect();
    load::submit(&service, &bodies)?;
    service.stop()
}

/// Copies the newest runs with all that they have left, until there are as many as are wanted, and
/// spreads them over a week.
fn multiply(file: &Path) -> anyhow::Result<()> {
    let store = Connection::open(file)?;
    store.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000")?;
    let number = |sql: &str| store.query_row(sql, [], |row| row.get::<_, i64>(0));
    let last = number("SELECT MAX(id) FROM run")?;
    let first = last - EXECUTED + 1;
    let open = number(&format!(
        "SELECT COUNT(*) FROM run WHERE id >= {first} AND (finished_at IS NULL OR failed > 0)"
    ))?;
    if open > 0 {
        bail!("{open} of the runs that are copied have not ended well");
    }
    let day = number(&format!(
        "SELECT MAX(expires_at) / 86400000000 FROM run WHERE id >= {first}"
    ))?;
    if number(&format!(
        "SELECT MIN(expires_at) / 86400000000 FROM run WHERE id >= {first}"
    ))? != day
    {
        bail!("the runs that are copied expire on two days: measure again");
    }
    let payloads = number(&format!("SELECT MAX(id) FROM payload_{day}"))?;
    let copies = RUNS / EXECUTED;
    let slot = WEEK / copies;
    let times = Times { last, slot };
    for copy in 1..copies {
        let (runs, rows) = (copy * EXECUTED, copy * payloads);
        copy_all(&store, &times, copy, (first, last), (runs, rows), day)?;
    }
    let shift = times.earlier(0, "id");
    store.execute_batch(&format!(
        "UPDATE run SET created_at = created_at - {shift}, started_at = started_at - {shift},
           finished_at = finished_at - {shift} WHERE id BETWEEN {first} AND {last};
         PRAGMA wal_checkpoint(TRUNCATE);"
    ))?;
    let there = number("SELECT COUNT(*) FROM run")?;
    if there < RUNS {
        bail!("there are {there} runs, and {RUNS} were to be");
    }
    Ok(())
}

/// When a copy was accepted.
struct Times {
    last: i64,
    /// The part of the week that each copy has, in microseconds.
    slot: i64,
}

impl Times {
    /// How much earlier a run is than it was: the copy's part of the week, and its place in it.
    fn earlier(&self, copy: i64, run: &str) -> String {
        let Self { last, slot } = self;
        format!("({copy} * {slot} + ({last} - {run}) * {})", slot / EXECUTED)
    }
}

/// Copies every row of the runs that were executed.
fn copy_all(
    store: &Connection,
    times: &Times,
    copy: i64,
    (first, last): (i64, i64),
    (runs, rows): (i64, i64),
    day: i64,
) -> anyhow::Result<()> {
    let payloads = rows / copy;
    let shifted =
        |column: &'static str| (column, format!("{column} - {}", times.earlier(copy, "id")));
    let shifted_step = |column: &'static str| {
        (
            column,
            format!("{column} - {}", times.earlier(copy, "(id >> 24)")),
        )
    };
    copy_rows(
        store,
        "run",
        &format!("id BETWEEN {first} AND {last}"),
        &[
            ("id", format!("id + {runs}")),
            ("uuid", "randomblob(16)".to_owned()),
            ("input", format!("input + {rows}")),
            shifted("created_at"),
            shifted("started_at"),
            shifted("finished_at"),
        ],
    )?;
    let steps = format!("id BETWEEN {first} << 24 AND ({last} + 1) << 24");
    copy_rows(
        store,
        "step",
        &steps,
        &[
            ("id", format!("id + ({runs} << 24)")),
            ("result", format!("result + {rows}")),
            shifted_step("ready_at"),
            shifted_step("started_at"),
            shifted_step("finished_at"),
        ],
    )?;
    copy_rows(
        store,
        &format!("payload_{day}"),
        &format!("id <= {payloads}"),
        &[("id", format!("id + {rows}"))],
    )?;
    let lines = format!("step_id BETWEEN {first} << 24 AND ({last} + 1) << 24");
    copy_rows(
        store,
        &format!("log_{day}"),
        &lines,
        &[
            ("id", "NULL".to_owned()),
            ("step_id", format!("step_id + ({runs} << 24)")),
        ],
    )?;
    Ok(())
}

/// Copies rows with some columns changed.
fn copy_rows(
    store: &Connection,
    table: &str,
    which: &str,
    changed: &[(&str, String)],
) -> anyhow::Result<()> {
    let mut columns = store.prepare_cached("SELECT name FROM pragma_table_info(?1)")?;
    let columns: Vec<String> = columns
        .query_map([table], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let values: Vec<&str> = columns
        .iter()
        .map(|column| {
            let change = changed.iter().find(|(name, _)| name == column);
            change.map_or(column.as_str(), |(_, value)| value)
        })
        .collect();
    store
        .execute(
            &format!(
                "INSERT INTO \"{table}\" ({}) SELECT {} FROM \"{table}\" WHERE {which}",
                columns.join(", "),
                values.join(", ")
            ),
            [],
        )
        .with_context(|| table.to_owned())?;
    Ok(())
}

fn timed(client: &mut Client, path: &str) -> anyhow::Result<(f64, Value)> {
    let asked = Instant::now();
    let answer = client.get(path)?;
    Ok((asked.elapsed().as_secs_f64() * 1e3, answer))
}

/// Pages of fifty applications, one after the other.
fn pages_of(client: &mut Client) -> anyhow::Result<Vec<f64>> {
    let (mut times, mut path) = (Vec::new(), None);
    while times.len() < REQUESTS {
        let asked = path.unwrap_or_else(|| "/api/v1/applications?limit=50&search=grown".to_owned());
        let (took, page) = timed(client, &asked)?;
        let items = page["items"].as_array().map_or(&[][..], Vec::as_slice);
        if items.is_empty()
            || items
                .iter()
                .any(|one| one["last_run"]["state"] != "success")
        {
            bail!("an application has no last run: {page}");
        }
        times.push(took);
        path = page["next"]
            .as_str()
            .map(|next| format!("/api/v1/applications?limit=50&search=grown&after={next}"));
    }
    Ok(times)
}

/// Windows of the busy application, all over the week before its newest run.
fn timelines(client: &mut Client, newest: i64) -> anyhow::Result<Vec<f64>> {
    let mut times = Vec::new();
    for at in 0..REQUESTS as i64 {
        let until = newest - at * (WEEK - 2 * WINDOW) / REQUESTS as i64;
        let time = |micros: i64| jiff::Timestamp::from_microsecond(micros);
        let path = format!(
            "/api/v1/applications/{}/timeline?from={}&until={}",
            name(0),
            time(until - WINDOW)?,
            time(until)?
        );
        let (took, found) = timed(client, &path)?;
        if found["total"].as_u64().unwrap_or_default() < 500 {
            bail!("{} runs in {path}", found["total"]);
        }
        times.push(took);
    }
    Ok(times)
}
