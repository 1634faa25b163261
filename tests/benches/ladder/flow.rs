//! `fan_out_1k`, `chain_500`, `children_1k` and `parents_10k`: runs of many steps, and of runs.

use std::time::Instant;

use anyhow::bail;
use harness::http::Client;
use harness::packs::{BENCH, TRIAL};
use harness::service::{Plan, Service};
use serde_json::{Value, json};

use crate::figure::{Bench, Better, median};
use crate::{load, service, store};

/// How many steps stand between the first and the last.
const WIDE: usize = 1_000;
const LONG: usize = 500;
const CHILDREN: usize = 1_000;
/// Levels of runs that wait for one another.
const LEVELS: usize = 3;

fn noop(name: &str, data_from: &[String]) -> Value {
    json!({"name": name, "file": "Noop", "syncpack": BENCH.name, "data_from": data_from})
}

fn launch(application: &str, count: usize) -> Value {
    let calls: Vec<Value> = (0..count)
        .map(|_| json!({"application": application}))
        .collect();
    json!([{"name": "launch", "file": "Launch", "syncpack": TRIAL.name, "request": {"children": calls}}])
}

/// One step, then as many as are asked for beside each other, then one that reads them all.
fn fan() -> Value {
    let names: Vec<String> = (0..WIDE).map(|at| format!("s{at}")).collect();
    let mut steps = vec![noop("first", &[])];
    steps.extend(names.iter().map(|name| noop(name, &["first".to_owned()])));
    steps.push(
        json!({"name": "last", "file": "Gather", "syncpack": TRIAL.name, "data_from": names}),
    );
    steps.into()
}

fn chain() -> Value {
    (0..LONG)
        .map(|at| match at {
            0 => noop("s0", &[]),
            at => noop(&format!("s{at}"), &[format!("s{}", at - 1)]),
        })
        .collect()
}

fn ready(plan: &Plan) -> anyhow::Result<(Service, Client)> {
    let service = plan.start()?;
    for pack in [BENCH, TRIAL] {
        service.upload(&pack.build()?)?;
        service.activate(pack.name, pack.grants)?;
    }
    let mut client = service.client()?;
    let leaf = json!([noop("noop", &[])]);
    let mut applications = vec![
        ("leaf".to_owned(), leaf),
        ("fan".to_owned(), fan()),
        ("chain".to_owned(), chain()),
        ("parent".to_owned(), launch("leaf", CHILDREN)),
        ("level_1".to_owned(), launch("leaf", 1)),
    ];
    for level in 2..=LEVELS {
        let below = format!("level_{}", level - 1);
        applications.push((format!("level_{level}"), launch(&below, 1)));
    }
    for (name, steps) in applications {
        let document = json!({"name": name, "steps": steps});
        let saved = client.send_json("POST", "/api/v1/applications", &document)?;
        if saved["faults"] != json!([]) {
            bail!("{name} cannot run: {}", saved["faults"]);
        }
    }
    Ok((service, client))
}

fn body(application: &str) -> Vec<u8> {
    json!({"name": application}).to_string().into_bytes()
}

/// Single runs of many steps, and of many children.
pub(crate) fn wide_and_long(bench: &mut Bench) -> anyhow::Result<()> {
    let names = ["fan", "chain", "parent"];
    let mut seconds: [Vec<f64>; 3] = Default::default();
    for _ in 0..bench.rounds() {
        let folder = tempfile::tempdir_in(harness::place::target())?;
        let plan = Plan::new(folder.path())?.with("log.level", "warn");
        let (service, mut client) = ready(&plan)?;
        for (name, seconds) in names.into_iter().zip(&mut seconds) {
            load::run_one(&mut client, &body(name))?;
            seconds.push(load::run_one(&mut client, &body(name))? / 1e3);
        }
        service.stop()?;
    }
    let together = bench.cost("store_commit_coalesced", store::rungs)?;
    let alone = bench.cost("store_commit_single", store::rungs)?;
    let [fan, chain, parent] = seconds.map(median);
    let at_once = "as many results at store_commit_coalesced";
    bench.add(
        "fan_out_1k",
        fan,
        "s",
        Better::Less,
        Some((at_once, (WIDE + 2) as f64 / together)),
    );
    bench.add(
        "chain_500",
        chain,
        "s",
        Better::Less,
        Some((
            "as many results at store_commit_single",
            LONG as f64 / alone,
        )),
    );
    bench.add(
        "children_1k",
        parent,
        "s",
        Better::Less,
        Some((at_once, (CHILDREN + 1) as f64 / together)),
    );
    bench.note(format!("fan_out_1k: 1 step, {WIDE} beside each other, 1 that reads them all; chain_500: {LONG} steps one after the other; children_1k: a step that starts {CHILDREN} runs of one step and waits for them. From sending the request to its answer with `wait`; the second of two."));
    Ok(())
}

/// Many runs that each wait for one that waits in its turn, with a single slot.
pub(crate) fn parents(bench: &mut Bench) -> anyhow::Result<()> {
    let count = bench.amount(10_000);
    let mut seconds = Vec::new();
    for _ in 0..bench.rounds() {
        let folder = tempfile::tempdir_in(harness::place::target())?;
        let plan = Plan::new(folder.path())?
            .with("log.level", "warn")
            .with("worker.slots", "1")
            .with("limits.backlog", "1000000");
        let (mut service, _) = ready(&plan)?;
        let connection = service::open(folder.path())?;
        let bodies = vec![body(&format!("level_{LEVELS}")); count];
        let started = Instant::now();
        load::submit(&service, &bodies)?;
        service::wait_for_all(&connection, &mut service)?;
        seconds.push(started.elapsed().as_secs_f64());
        let (ended, wrong): (i64, i64) = connection.query_row(
            "SELECT COUNT(*), TOTAL(failed > 0 OR cancelled > 0 OR warned > 0) FROM run",
            [],
            |row| Ok((row.get(0)?, row.get::<_, f64>(1)? as i64)),
        )?;
        if ended != (count * (LEVELS + 1)) as i64 || wrong > 0 {
            bail!("{ended} runs have ended, {wrong} of them without success");
        }
        drop(connection);
        service.stop()?;
    }
    let chain = bench.cost("w1", service::w1)?;
    let steps = (count * (2 * LEVELS + 1)) as f64;
    bench.add(
        "parents_10k",
        median(seconds),
        "s",
        Better::Less,
        Some(("as many executions of steps at w1", steps / (chain * 3.0))),
    );
    bench.note(format!("parents_10k: {count} runs, each of which starts one and waits for it, {LEVELS} levels deep, on one slot: from the first request to the last end. A step that waits is executed twice, before and after."));
    Ok(())
}
