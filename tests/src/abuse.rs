//! A hostile SyncPack beside a healthy application: what it tries, and what each attempt ends in.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use serde_json::{Value, json};

use crate::http::Client;
use crate::packs::HOSTILE;
use crate::service::Service;

/// Each abuse with the codes that it may end in; where there is none it ends well.
pub const ABUSES: [(&str, &[&str]); 20] = [
    ("loop", &["timeout"]),
    ("sleep", &["timeout"]),
    // Which limit comes first depends on how fast the machine is, here and below.
    ("host-calls", &["timeout", "host-call-limit"]),
    ("clock-calls", &["timeout", "host-call-limit"]),
    ("resources", &["timeout", "resource-limit"]),
    ("memory", &["out-of-memory", "timeout"]),
    // The linker puts a pack's stack before its data: what overflows it leaves the memory.
    ("stack", &["stack-overflow", "trap"]),
    ("panic", &["trap"]),
    ("exit", &["exit"]),
    (
        "gigabyte",
        &["out-of-memory", "output-too-large", "timeout"],
    ),
    ("random-gigabyte", &["trap"]),
    ("deep", &["invalid-output"]),
    ("no-json", &["invalid-output"]),
    ("bytes", &["invalid-output"]),
    ("outside", &["invalid-output"]),
    ("long-error", &["ccc"]),
    ("sockets", &[]),
    ("ambient", &[]),
    ("log-flood", &["timeout"]),
    ("stdout-flood", &["timeout"]),
];
/// How often to look whether a run has ended.
const GLANCE: Duration = Duration::from_millis(20);
/// How long any abuse may go on, its step's time-out and a busy machine included.
const PATIENCE: Duration = Duration::from_mins(3);

/// What was seen of the healthy application.
#[derive(Debug)]
pub struct Beside {
    /// How long each of its runs took, request to answer.
    pub times: Vec<Duration>,
    /// How often each of the two abusers went through all abuses.
    pub rounds: Vec<u32>,
}

/// Runs the healthy application, `bench_chain_of_three`, one run after another, while two abusers go
/// through all abuses; at least `runs` times, and until each abuse was seen to its end.
///
/// # Errors
/// When a healthy run fails, or an abuse does not end in its typed error.
pub fn beside(service: &Service, runs: usize) -> anyhow::Result<Beside> {
    let done = AtomicBool::new(false);
    let template = service.client()?;
    thread::scope(|scope| {
        let abusers: Vec<_> = (0..2)
            .map(|first| {
                let (client, done) = (template.another(), &done);
                scope.spawn(move || abuse_all(client, first, done))
            })
            .collect();
        let mut client = template.another();
        let mut times = Vec::with_capacity(runs);
        // What is measured is measured beside abuse, to the end of its first round.
        while times.len() < runs || !abusers.iter().all(thread::ScopedJoinHandle::is_finished) {
            done.store(times.len() >= runs, Ordering::Relaxed);
            match healthy(&mut client) {
                Ok(took) => times.push(took),
                Err(error) => {
                    done.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
        let rounds = abusers
            .into_iter()
            .map(|one| one.join().map_err(|_| anyhow!("an abuser panicked"))?)
            .collect::<anyhow::Result<_>>()?;
        Ok(Beside { times, rounds })
    })
}

/// One run of the healthy application; how long it took.
pub fn healthy(client: &mut Client) -> anyhow::Result<Duration> {
    let body = json!({"name": "bench_chain_of_three", "params": {"event": {"id": 1}}}).to_string();
    let headers = [("content-type", "application/json")];
    let started = Instant::now();
    let response = client.send(
        "POST",
        "/api/v1/applications/run?wait=30",
        &headers,
        body.as_bytes(),
    )?;
    let took = started.elapsed();
    let run = response.json()?;
    ensure!(run["state"] == "success", "a healthy run failed: {run}");
    Ok(took)
}

fn abuse_all(mut client: Client, first: usize, done: &AtomicBool) -> anyhow::Result<u32> {
    let mut rounds = 0;
    while rounds == 0 || !done.load(Ordering::Relaxed) {
        for (step, codes) in ABUSES.iter().skip(first).step_by(2) {
            let run = abuse(&mut client, step)?;
            check(step, codes, &run)?;
        }
        rounds += 1;
    }
    Ok(rounds)
}

fn abuse(client: &mut Client, step: &str) -> anyhow::Result<Value> {
    let body = json!({"name": step, "syncpack": HOSTILE.name});
    let accepted = client.send_json("POST", "/api/v1/steps/run", &body)?;
    let id = accepted["task_id"].as_str().context("a run without id")?;
    let started = Instant::now();
    loop {
        let run = client.get(&format!("/api/v1/tasks/{id}"))?;
        if run["ended"] == true {
            return Ok(run);
        }
        if started.elapsed() > PATIENCE {
            bail!("the abuse {step} does not end: {run}");
        }
        thread::sleep(GLANCE);
    }
}

/// An abuse ended as it should: its step failed with one of the codes and a message that says why.
fn check(name: &str, codes: &[&str], run: &Value) -> anyhow::Result<()> {
    if codes.is_empty() {
        ensure!(run["state"] == "success", "{name}: {run}");
        return Ok(());
    }
    if name.ends_with("-flood") && run["state"] == "success" {
        // Dammed within the time.
        return Ok(());
    }
    ensure!(run["state"] == "failed", "{name}: {run}");
    let error = &run["steps"][0]["error"];
    let code = error["code"].as_str().unwrap_or_default();
    ensure!(
        codes.iter().any(|known| code.contains(known)),
        "{name}: {error}"
    );
    ensure!(error["message"] != "", "{name}: {error}");
    Ok(())
}
