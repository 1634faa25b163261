//! The example set up: simulators, a service or a cluster that is new, pack, configuration, events.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use harness::packs::INCIDENT_SYNC;
use harness::service::Service;
use harness::simulators::{self, Simulators};
use harness::{http::Client, place};
use serde_json::{Value, json};

use super::APPLICATION;
use super::outcome::{Outcome, Synchronised};
use super::running::{Running, Shape};

/// How long one run may take, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);
/// Among so many generated events there are some that share a correlation.
const GENERATED: usize = 400;

/// A running example.
pub(crate) struct Stage {
    pub(crate) running: Running,
    pub(crate) simulators: Simulators,
    /// Where the built programs are.
    pub(crate) programs: PathBuf,
    /// The events to synchronise.
    events: Vec<Value>,
    folder: tempfile::TempDir,
}

impl Stage {
    /// Starts everything and loads the example.
    pub(crate) fn set(shape: Shape, port: Option<u16>, events: usize) -> anyhow::Result<Self> {
        let mut folder = match shape {
            Shape::Single => {
                fs::create_dir_all(place::target())?;
                tempfile::Builder::new()
                    .prefix("demo-")
                    .tempdir_in(place::target())?
            }
            // PostgreSQL runs as its own account where we are root, and must get there.
            Shape::Cluster => tempfile::Builder::new()
                .prefix("powerflow-demo-")
                .tempdir()?,
        };
        match Self::set_in(shape, folder.path(), port, events) {
            Ok((simulators, running, events)) => {
                let programs = place::programs()?;
                Ok(Self {
                    running,
                    simulators,
                    programs,
                    events,
                    folder,
                })
            }
            Err(error) => {
                folder.disable_cleanup(true);
                let logs = folder.path().display().to_string();
                Err(error.context(format!("the example cannot be set up; logs are in {logs}")))
            }
        }
    }

    fn set_in(
        shape: Shape,
        folder: &Path,
        port: Option<u16>,
        events: usize,
    ) -> anyhow::Result<(Simulators, Running, Vec<Value>)> {
        eprintln!("Starting the simulators …");
        let plan = simulators::Plan {
            events: GENERATED.max(events),
            unique_correlation: true,
            ..simulators::Plan::default()
        };
        let simulators = plan.start(folder)?;
        let events = choose(simulators.events()?, events);
        // One of them as the parameters of a run, for `pfctl application run`.
        let sample = json!({"event": events.first()});
        fs::write(
            folder.join("params.json"),
            serde_json::to_vec_pretty(&sample)?,
        )?;

        let running = Running::start(shape, folder, port)?;

        eprintln!("Loading the SyncPack and the configuration object …");
        let service = running.api()?;
        service.upload(&INCIDENT_SYNC.file())?;
        service.configure(INCIDENT_SYNC.name, &simulators.configuration())?;
        service.activate(INCIDENT_SYNC.name, INCIDENT_SYNC.grants)?;
        Ok((simulators, running, events))
    }

    /// The process that answers requests.
    pub(crate) fn service(&self) -> anyhow::Result<&Service> {
        self.running.api()
    }

    /// Where logs and data are; removed at the end.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Lets the folder remain at the end.
    pub(crate) fn keep(&mut self) -> &Path {
        self.folder.disable_cleanup(true);
        self.folder.path()
    }

    /// A file with the parameters of a run for one event.
    pub(crate) fn sample(&self) -> PathBuf {
        self.folder.path().join("params.json")
    }

    /// An error when something that should run has ended.
    pub(crate) fn expect_running(&mut self) -> anyhow::Result<()> {
        self.running.expect_running()?;
        self.simulators.process().expect_running()
    }

    /// Starts a run for each event, waits for all, and reads what the simulators hold then.
    pub(crate) fn synchronise(&mut self) -> anyhow::Result<Outcome> {
        eprintln!("Running the application for {} events …", self.events.len());
        let mut client = self.service()?.client()?;
        let started = Instant::now();
        let mut runs = Vec::new();
        for event in &self.events {
            let body = json!({"name": APPLICATION, "params": {"event": event}});
            let accepted = client.send_json("POST", "/api/v1/applications/run", &body)?;
            let id = accepted["task_id"]
                .as_str()
                .context("an accepted run has no task_id")?;
            runs.push((event, id.to_owned()));
        }
        let mut done = Vec::new();
        for (event, run) in runs {
            let state = wait(&mut client, &run, started)?;
            let data = client.get(&format!("/api/v1/tasks/{run}/data"))?;
            let step = &data["outputs"]["Create or Update Incident"];
            done.push(Synchronised {
                eid: text(event, "eid"),
                correlation: text(step, "correlation_id"),
                action: text(step, "action"),
                failure: (state["state"] != "success").then(|| why(&state)),
                run,
            });
        }
        let took = started.elapsed();
        let tickets: HashMap<String, String> = self
            .simulators
            .events()?
            .iter()
            .map(|event| (text(event, "eid"), text(event, "ext_ticket_ref")))
            .collect();
        Ok(Outcome {
            events: done,
            incidents: self.simulators.incidents()?,
            tickets,
            took,
        })
    }

    /// Stops service and simulators; an error unless the service ended in order.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.running.stop()
    }
}

/// The run when it has ended.
fn wait(client: &mut Client, run: &str, started: Instant) -> anyhow::Result<Value> {
    loop {
        let state = client.get(&format!("/api/v1/tasks/{run}"))?;
        if state["ended"] == true {
            return Ok(state);
        }
        if started.elapsed() > PATIENCE {
            bail!(
                "the run {run} has not ended after {} s: {state}",
                PATIENCE.as_secs()
            );
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Why a run failed, from its steps.
fn why(run: &Value) -> String {
    let steps = run["steps"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let failed = steps.iter().find(|step| step["state"] == "failed");
    match failed {
        Some(step) => format!(
            "{}: {}",
            text(step, "name"),
            text(&step["error"], "message")
        ),
        None => format!("the run ended as {}", run["state"]),
    }
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

/// So many events, some of which share a correlation if that is possible, in their order.
fn choose(mut events: Vec<Value>, count: usize) -> Vec<Value> {
    let id = |event: &Value| text(event, "eid").parse::<u64>().unwrap_or_default();
    events.sort_by_key(id);
    let mut seen: HashMap<String, usize> = HashMap::new();
    for event in &events {
        *seen.entry(text(event, "correlation_id")).or_default() += 1;
    }
    let shared = |event: &Value| {
        seen.get(&text(event, "correlation_id"))
            .is_some_and(|count| *count > 1)
    };
    let (mut chosen, others): (Vec<Value>, Vec<Value>) = events.iter().cloned().partition(shared);
    // Those of one correlation next to each other, so that the first few hold whole groups.
    chosen.sort_by_key(|event| text(event, "correlation_id"));
    chosen.truncate(count / 2);
    let missing = count - chosen.len();
    chosen.extend(others.into_iter().take(missing));
    chosen.sort_by_key(id);
    chosen
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_chosen_events_are_distinct_and_some_share_a_correlation() {
        let events: Vec<Value> = (0..400)
            .map(|number| json!({"eid": format!("{number}"), "correlation_id": format!("C{}", number % 360)}))
            .collect();
        let chosen = choose(events.clone(), 12);
        let distinct = |field: &str| {
            chosen
                .iter()
                .map(|event| text(event, field))
                .collect::<HashSet<_>>()
                .len()
        };
        assert_eq!(distinct("eid"), 12);
        assert_eq!(distinct("correlation_id"), 9);
        assert_eq!(choose(events.clone(), 1).len(), 1);
        assert_eq!(choose(events, 300).len(), 300);
    }

    #[test]
    fn the_failed_step_says_why() {
        let run = json!({"state": "failed", "steps": [
            {"name": "A", "state": "success"},
            {"name": "B", "state": "failed", "error": {"message": "no"}},
        ]});
        assert_eq!(why(&run), "B: no");
        assert_eq!(
            why(&json!({"state": "cancelled"})),
            "the run ended as \"cancelled\""
        );
    }
}
