//! Runs of the incident example under load: who submits them, again and again until each is
//! accepted, and what must have become of their effects outside.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use harness::http::{Client, Response};
use harness::simulators::{self, Simulators};
use serde_json::{Value, json};

use super::SYNC;

/// Steps of a run.
pub(crate) const STEPS: usize = 4;
/// How many submit at a time.
pub(crate) const SUBMITTERS: usize = 8;
/// Between two attempts of a submitter.
const PAUSE: Duration = Duration::from_millis(5);

/// Events to be made incidents of, and the systems that hold both.
pub(crate) struct Incidents {
    pub(crate) events: Vec<Value>,
    pub(crate) simulators: Simulators,
}

impl Incidents {
    /// Starts the simulators with that many events.
    pub(crate) fn start(folder: &Path, count: usize, seed: u64) -> Self {
        let events: Vec<Value> = ::simulators::events::generate(count, seed).collect();
        let simulators = simulators::Plan {
            unique_correlation: true,
            ..simulators::Plan::default()
        }
        .start(folder)
        .unwrap();
        simulators.load(&events).unwrap();
        let incidents = Self { events, simulators };
        assert!(
            incidents.correlations().len() < count,
            "no event shares its correlation"
        );
        incidents
    }

    fn correlations(&self) -> BTreeSet<&str> {
        self.events
            .iter()
            .map(|event| event["correlation_id"].as_str().unwrap())
            .collect()
    }

    /// Each correlation has one incident, and each event the number of its own.
    pub(crate) fn check_effects(&self) {
        let incidents = self.simulators.incidents().unwrap();
        let numbers: BTreeMap<&str, &str> = incidents
            .iter()
            .map(|one| {
                let text = |key: &str| one[key].as_str().unwrap();
                (text("correlation_id"), text("number"))
            })
            .collect();
        assert_eq!(incidents.len(), numbers.len(), "a correlation stands twice");
        assert_eq!(
            numbers.keys().copied().collect::<BTreeSet<_>>(),
            self.correlations()
        );
        let held = self.simulators.events().unwrap();
        assert_eq!(held.len(), self.events.len());
        let expected: BTreeMap<&str, &str> = self
            .events
            .iter()
            .map(|event| {
                let text = |key: &str| event[key].as_str().unwrap();
                (text("eid"), numbers[text("correlation_id")])
            })
            .collect();
        let sl1 = self.simulators.sl1().unwrap().get("/_sim/stats").unwrap();
        assert_eq!(sl1["events_with_ticket"], self.events.len());
        for event in &held {
            let ticket = event["ext_ticket_ref"].as_str().unwrap_or_default();
            let eid = event["eid"].as_str().unwrap();
            assert_eq!(expected[eid], ticket, "event {eid}");
        }
    }
}

/// What submitters and those who disturb them know of each other.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) accepted: AtomicUsize,
    pub(crate) finished: AtomicUsize,
    pub(crate) given_up: AtomicBool,
    /// Answered ids by event.
    pub(crate) ids: Mutex<BTreeMap<usize, String>>,
    /// How long a submitter waits after each run.
    pub(crate) pace: Duration,
    /// Why the service took no run for a moment, or gave no answer, and how often.
    pub(crate) refusals: Mutex<BTreeMap<String, usize>>,
}

/// Lets the submitters end when the test has failed.
pub(crate) struct GiveUp<'a>(pub(crate) &'a AtomicBool);

impl Drop for GiveUp<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Submits an event under a key of its own.
pub(crate) fn post(client: &mut Client, event: &Value, index: usize) -> anyhow::Result<Response> {
    let body = json!({"name": SYNC, "params": {"event": event}}).to_string();
    let key = format!("event-{index}");
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", key.as_str()),
    ];
    client.send(
        "POST",
        "/api/v1/applications/run",
        &headers,
        body.as_bytes(),
    )
}

/// Submits every n-th event, again and again until it is accepted, `ahead` runs further than
/// have ended at most.
pub(crate) fn submit(
    mut client: Client,
    events: &[Value],
    first: usize,
    ahead: usize,
    progress: &Progress,
) {
    for index in (first..events.len()).step_by(SUBMITTERS) {
        loop {
            if progress.given_up.load(Ordering::Relaxed) {
                return;
            }
            let waits = progress.accepted.load(Ordering::Relaxed)
                > progress.finished.load(Ordering::Relaxed) + ahead;
            if waits {
                thread::sleep(PAUSE);
                continue;
            }
            match post(&mut client, &events[index], index) {
                Ok(response) if response.status == 202 => {
                    let id = response.json().unwrap()["task_id"]
                        .as_str()
                        .unwrap()
                        .to_owned();
                    progress.ids.lock().unwrap().insert(index, id);
                    progress.accepted.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(progress.pace);
                    break;
                }
                Ok(response) if !matches!(response.status, 429 | 503) => {
                    progress.given_up.store(true, Ordering::Relaxed);
                    panic!(
                        "event {index}: {} {}",
                        response.status,
                        String::from_utf8_lossy(&response.body)
                    );
                }
                // Too much waiting, or the store does not answer.
                Ok(response) => {
                    let said = super::problem(&response, "a refused run");
                    let why = format!("{} {}", said["code"], said["detail"]);
                    *progress.refusals.lock().unwrap().entry(why).or_default() += 1;
                    thread::sleep(PAUSE);
                }
                // The service is not there: whether it took the run, nobody knows.
                Err(error) => {
                    let why = format!("no answer: {}", error.root_cause());
                    *progress.refusals.lock().unwrap().entry(why).or_default() += 1;
                    thread::sleep(PAUSE);
                }
            }
        }
    }
}
