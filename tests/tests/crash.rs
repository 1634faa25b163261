//! `kill -9` of the service at twenty moments while 2,000 runs are submitted and executed: every
//! accepted run ends well, every step has one result, and no effect outside is doubled.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD as STANDARD, Engine as _};
use harness::packs::{INCIDENT_SYNC, TRIAL};
use harness::place;
use harness::service::{ADMIN, Plan, Service};
use rusqlite::Connection;
use serde_json::json;
use support::incidents::{GiveUp, Incidents, Progress, STEPS, SUBMITTERS, post, submit};
use support::{PATIENCE, Random};

const RUNS: usize = 2000;
const KILLS: usize = 20;
/// How far submitting runs ahead of executing, so that kills hit both until the end.
const AHEAD: usize = 150;
/// Another seed tries other moments.
const SEED: &str = "POWERFLOW_TEST_SEED";

#[test]
fn kill_at_any_moment_loses_and_doubles_nothing() {
    let seed = std::env::var(SEED).map_or(20_261_122, |text| text.parse().unwrap());
    println!("seed {seed} ({SEED} sets another)");
    let mut random = Random::new(seed);
    let folder = support::folder();
    let incidents = Incidents::start(folder.path(), RUNS, seed);
    let events = &incidents.events;

    let mut plan = Plan::new(folder.path())
        .unwrap()
        .with("worker.slots", "64")
        .with("log.level", "warn");
    plan.port = Some(place::free_port().unwrap());
    let service = support::serve_plan(&plan, &[INCIDENT_SYNC]);
    support::lead_to(&service, &incidents.simulators);

    let progress = Progress::default();
    let template = service.client().unwrap();
    let service = thread::scope(|scope| {
        for number in 0..SUBMITTERS {
            let (client, progress) = (template.another(), &progress);
            scope.spawn(move || submit(client, events, number, AHEAD, progress));
        }
        let _guard = GiveUp(&progress.given_up);
        kill_and_restart(&plan, service, &mut random, &progress)
    });
    assert_eq!(progress.accepted.load(Ordering::Relaxed), RUNS);
    let ids = progress.ids.into_inner().unwrap();

    // The same keys once more are the same runs.
    let mut client = service.client().unwrap();
    for (index, id) in ids.iter().step_by(40) {
        let response = post(&mut client, &events[*index], *index).unwrap();
        assert_eq!(response.json().unwrap()["task_id"], **id, "event {index}");
    }
    service.stop().unwrap();
    check_store(folder.path(), &ids);
    incidents.check_effects();
}

/// Waits until that many runs have ended.
fn wait_for(service: &mut Service, folder: &Path, count: usize, progress: &Progress) {
    // Closed before the kill: a reader that stays would spare the successor its recovery.
    let connection = support::open(folder);
    let started = Instant::now();
    loop {
        let now = support::number(
            &connection,
            "SELECT COUNT(*) FROM run WHERE finished_at IS NOT NULL",
        );
        progress.finished.store(now, Ordering::Relaxed);
        if now >= count {
            return;
        }
        service.process().expect_running().unwrap();
        assert!(!progress.given_up.load(Ordering::Relaxed));
        assert!(
            started.elapsed() < PATIENCE,
            "{now} of {count} runs have ended, {} were accepted{}",
            progress.accepted.load(Ordering::Relaxed),
            service.process().last_words()
        );
        thread::sleep(Duration::from_millis(2));
    }
}

fn kill_and_restart(
    plan: &Plan,
    mut service: Service,
    random: &mut Random,
    progress: &Progress,
) -> Service {
    let share = (RUNS / KILLS) as u64;
    for kill in 0..KILLS as u64 {
        let moment = (kill * share + random.below(share - 5)) as usize;
        let late = Duration::from_micros(random.below(20_000));
        wait_for(&mut service, &plan.folder, moment, progress);
        thread::sleep(late);
        println!(
            "kill {kill} after {moment} runs and {late:?}, {} accepted",
            progress.accepted.load(Ordering::Relaxed)
        );
        service.kill().unwrap();
        service = plan.start().unwrap();
    }
    wait_for(&mut service, &plan.folder, RUNS, progress);
    service
}

/// Every accepted run and nothing else is in the store, each with one result for each step.
fn check_store(folder: &Path, ids: &BTreeMap<usize, String>) {
    let distinct: BTreeSet<&String> = ids.values().collect();
    assert_eq!(distinct.len(), RUNS, "two events became one run");
    let store = support::open(folder);
    let number = |sql: &str| support::number(&store, sql);
    assert_eq!(number("SELECT COUNT(*) FROM run"), RUNS);
    let wrong = number(
        "SELECT COUNT(*) FROM run WHERE finished_at IS NULL OR remaining <> 0
           OR failed <> 0 OR warned <> 0 OR cancelled <> 0",
    );
    assert_eq!(wrong, 0, "runs did not end well: {}", errors(&store));
    assert_eq!(number("SELECT COUNT(*) FROM step"), RUNS * STEPS);
    let success = 4;
    let wrong = number(&format!(
        "SELECT COUNT(*) FROM step WHERE state <> {success} OR token < 1 OR result IS NULL
           OR started_at IS NULL OR finished_at IS NULL"
    ));
    assert_eq!(wrong, 0);
    assert_eq!(
        number("SELECT COUNT(DISTINCT id >> 24) FROM step"),
        RUNS,
        "a run without steps"
    );
    // An input for each run and one result for each step: nothing was committed twice.
    let mut payloads = 0;
    let mut days = store.prepare("SELECT day FROM partition").unwrap();
    let days: Vec<i64> = days
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for day in &days {
        payloads += number(&format!("SELECT COUNT(*) FROM \"payload_{day}\""));
        if days.len() == 1 {
            let orphans = number(&format!(
                "SELECT COUNT(*) FROM step WHERE NOT EXISTS
                   (SELECT 1 FROM \"payload_{day}\" p WHERE p.id = step.result AND p.data IS NOT NULL AND p.error IS NULL)"
            ));
            assert_eq!(orphans, 0, "steps without their result");
            assert_eq!(
                number("SELECT COUNT(DISTINCT result) FROM step"),
                RUNS * STEPS
            );
        }
    }
    assert_eq!(payloads, RUNS * (1 + STEPS));
    let again = number("SELECT COUNT(*) FROM step WHERE token > 1");
    let most = number("SELECT MAX(token) FROM step");
    println!("{again} steps were executed again, one of them {most} times");
    assert!(again > 0, "no kill hit a step that was under way");
}

/// The first errors of steps, for the message.
fn errors(store: &Connection) -> String {
    let mut text = String::new();
    let mut days = store.prepare("SELECT day FROM partition").unwrap();
    let days: Vec<i64> = days
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for day in days {
        let sql = format!(
            "SELECT CAST(error AS TEXT), COUNT(*) FROM \"payload_{day}\" WHERE error IS NOT NULL GROUP BY 1 LIMIT 5"
        );
        let mut found = store.prepare(&sql).unwrap();
        let mut rows = found.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let (error, count): (String, i64) = (row.get(0).unwrap(), row.get(1).unwrap());
            let _ = write!(text, "\n{count} × {error}");
        }
    }
    text
}

#[test]
fn runs_whose_callers_go_away_come_to_their_end() {
    const CALLERS: u32 = 300;
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    let steps = json!([{"name": "echo", "file": "Echo", "value": 1}]);
    support::save_steps(&mut client, "echo", steps);
    let address = service.url().trim_start_matches("http://");
    let credentials = STANDARD.encode(format!("{ADMIN}:{}", service.password()));
    let body = r#"{"name": "echo"}"#;
    let request = format!(
        "POST /api/v1/applications/run HTTP/1.1\r\nhost: {address}\r\nauthorization: Basic {credentials}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    // Each goes a little later than the one before: some before the run is stored, some after.
    for caller in 0..CALLERS {
        let mut gone = TcpStream::connect(address).unwrap();
        gone.write_all(request.as_bytes()).unwrap();
        thread::sleep(Duration::from_micros(u64::from(caller) * 10));
    }
    let accepted = support::until("the end of every run", || {
        let mut states = Vec::new();
        let mut path = "/api/v1/runs?limit=200".to_owned();
        loop {
            let part = client.get(&path).unwrap();
            let items = part["items"].as_array().unwrap();
            states.extend(items.iter().map(|run| run["state"].clone()));
            let Some(next) = part["next"].as_str() else {
                break;
            };
            path = format!("/api/v1/runs?limit=200&after={}", support::part(next));
        }
        let ended = states.iter().all(|state| state == "success");
        (ended && !states.is_empty()).then_some(states.len())
    });
    assert!(accepted <= CALLERS as usize);
}
