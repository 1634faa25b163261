//! `w2_*` and `store_bytes_per_event`: the incident example against its simulators.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use harness::http::Client;
use harness::packs::INCIDENT_SYNC;
use harness::service::{Plan, Service};
use harness::simulators::{self, Simulators};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::figure::{Bench, Better, median};
use crate::load;
use crate::service::{newest, open, span, wait_for_all};

pub(crate) const APPLICATION: &str = "create_or_update_servicenow_incident_from_sl1_event";
pub(crate) const WARM_UP: usize = 200;
/// As many as the service has slots: with latency, the plain client needs them as well.
const PLAIN_THREADS: usize = 512;

/// What one round measured.
struct Round {
    rate: f64,
    cpu_ms: f64,
    service_cpu_ms: f64,
    store_bytes: f64,
    json_bytes: f64,
    plain_rate: f64,
    plain_cpu_ms: f64,
}

pub(crate) fn at_once(bench: &mut Bench) -> anyhow::Result<()> {
    let rounds = rounds(bench, Duration::ZERO)?;
    let of = |get: fn(&Round) -> f64| median(rounds.iter().map(get).collect());
    let plain = "the same requests by a plain client";
    bench.add(
        "w2_0ms",
        of(|round| round.rate),
        "events/s",
        Better::More,
        Some((plain, of(|round| round.plain_rate))),
    );
    bench.add(
        "store_bytes_per_event",
        of(|round| round.store_bytes),
        "bytes",
        Better::Less,
        Some(("input and outputs as JSON", of(|round| round.json_bytes))),
    );
    bench.add(
        "w2_cpu_ms",
        of(|round| round.cpu_ms),
        "CPU-ms",
        Better::Less,
        Some((
            "the simulators for a plain client",
            of(|round| round.plain_cpu_ms),
        )),
    );
    let own = of(|round| round.service_cpu_ms);
    bench.note(format!("w2_cpu_ms: service and simulators, submitting included; {own:.3} CPU-ms of it are the service's."));
    bench.note(format!(
        "w2_*: from the first request of {} connections that submit to the last run's end.",
        load::CONNECTIONS
    ));
    Ok(())
}

pub(crate) fn with_latency(bench: &mut Bench) -> anyhow::Result<()> {
    let rounds = rounds(bench, Duration::from_millis(50))?;
    let of = |get: fn(&Round) -> f64| median(rounds.iter().map(get).collect());
    let plain = "the same requests by 512 plain threads";
    bench.add(
        "w2_50ms",
        of(|round| round.rate),
        "events/s",
        Better::More,
        Some((plain, of(|round| round.plain_rate))),
    );
    Ok(())
}

fn rounds(bench: &Bench, latency: Duration) -> anyhow::Result<Vec<Round>> {
    let events: Vec<Value> =
        ::simulators::events::generate(WARM_UP + bench.amount(10_000), 1).collect();
    (0..bench.rounds())
        .map(|_| round(&events, latency))
        .collect()
}

fn round(events: &[Value], latency: Duration) -> anyhow::Result<Round> {
    let folder = tempfile::tempdir_in(harness::place::target())?;
    let plan = simulators::Plan {
        unique_correlation: true,
        ..simulators::Plan::default()
    };
    let simulators = plan.start(folder.path())?;
    simulators.load(events)?;
    let plan = Plan::new(folder.path())?.with("log.level", "warn");
    let mut service = plan.start()?;
    service.upload(&INCIDENT_SYNC.build()?)?;
    service.configure(INCIDENT_SYNC.name, &simulators.configuration())?;
    service.activate(INCIDENT_SYNC.name, INCIDENT_SYNC.grants)?;

    let body = |event: &Value| {
        json!({"name": APPLICATION, "params": {"event": event}})
            .to_string()
            .into_bytes()
    };
    let (warm, rest) = events.split_at(WARM_UP);
    let connection = open(folder.path())?;
    load::submit(&service, &warm.iter().map(body).collect::<Vec<_>>())?;
    wait_for_all(&connection, &mut service)?;
    simulators.set_latency(latency)?;

    let bodies: Vec<Vec<u8>> = rest.iter().map(body).collect();
    let before = newest(&connection)?;
    let size = store_size(&connection)?;
    let (ours, theirs) = (service.usage()?.cpu, simulators.usage()?.cpu);
    let started = Instant::now();
    load::submit(&service, &bodies)?;
    wait_for_all(&connection, &mut service)?;
    let seconds = started.elapsed().as_secs_f64();
    let count = rest.len() as f64;
    let each = |cpu: Duration| cpu.as_secs_f64() * 1e3 / count;
    let service_cpu_ms = each(service.usage()?.cpu.saturating_sub(ours));
    let simulators_cpu_ms = each(simulators.usage()?.cpu.saturating_sub(theirs));

    let (_, runs, wrong) = span(&connection, before)?;
    if runs != rest.len() as i64 || wrong > 0 {
        bail!(
            "of {} runs there are {runs}, {wrong} without success",
            rest.len()
        );
    }
    check(&simulators, events)?;
    let json_bytes = json_bytes(&service)?;
    let store_bytes = (store_size(&connection)? - size) / count;
    drop(connection);
    service.stop()?;

    // The same work without us, on simulators that are empty again.
    simulators.clear()?;
    simulators.load(events)?;
    let theirs = simulators.usage()?.cpu;
    let started = Instant::now();
    let threads = if latency.is_zero() {
        load::CONNECTIONS
    } else {
        PLAIN_THREADS
    };
    plainly(&simulators, rest, threads)?;
    let plain_rate = count / started.elapsed().as_secs_f64();
    let plain_cpu_ms = each(simulators.usage()?.cpu.saturating_sub(theirs));
    Ok(Round {
        rate: count / seconds,
        cpu_ms: service_cpu_ms + simulators_cpu_ms,
        service_cpu_ms,
        store_bytes,
        json_bytes,
        plain_rate,
        plain_cpu_ms,
    })
}

/// What the store holds, in bytes: its pages that are in use, wherever they stand just now, in the
/// file or in the write-ahead log.
fn store_size(connection: &Connection) -> anyhow::Result<f64> {
    let of = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i64>(0));
    let used = of("PRAGMA page_count")? - of("PRAGMA freelist_count")?;
    Ok((used * of("PRAGMA page_size")?) as f64)
}

/// Each event has a ticket, and each correlation one incident.
pub(crate) fn check(simulators: &Simulators, events: &[Value]) -> anyhow::Result<()> {
    let held = simulators.sl1()?.get("/_sim/stats")?;
    if held["events_with_ticket"] != events.len() {
        bail!(
            "of {} events {} have a ticket",
            events.len(),
            held["events_with_ticket"]
        );
    }
    let held = simulators.servicenow()?.get("/_sim/stats")?;
    if held["incidents"] != held["correlations"] || held["duplicate_correlations"] != 0 {
        bail!("ServiceNow holds incidents of one correlation twice: {held}");
    }
    Ok(())
}

/// What the newest run was given and made, as compact JSON.
fn json_bytes(service: &Service) -> anyhow::Result<f64> {
    let mut client = service.client()?;
    let runs = client.get("/api/v1/runs?limit=1")?;
    let run = runs["items"][0]["task_id"]
        .as_str()
        .context("there is no run")?;
    let data = client.get(&format!("/api/v1/tasks/{run}/data"))?;
    let outputs = data["outputs"]
        .as_object()
        .context("the run has no outputs")?;
    let outputs: usize = outputs
        .values()
        .map(|output| output.to_string().len())
        .sum();
    Ok((data["input"].to_string().len() + outputs) as f64)
}

/// The application's requests by blocking clients that store nothing.
pub(crate) fn plainly(
    simulators: &Simulators,
    events: &[Value],
    threads: usize,
) -> anyhow::Result<()> {
    let (servicenow, sl1) = (simulators.servicenow()?, simulators.sl1()?);
    load::spread(events.len(), threads, || {
        let (mut servicenow, mut sl1) = (servicenow.another(), sl1.another());
        move |index| synchronise(&mut servicenow, &mut sl1, &events[index])
    })
}

fn synchronise(servicenow: &mut Client, sl1: &mut Client, event: &Value) -> anyhow::Result<()> {
    const TABLE: &str = "/api/now/table/incident";
    const FIELDS: &str = "sysparm_fields=sys_id,number,correlation_id,state";
    let correlation = event["correlation_id"]
        .as_str()
        .context("an event without correlation")?;
    let query = format!(
        "{TABLE}?sysparm_query=correlation_id={}&sysparm_limit=1&{FIELDS}",
        correlation.replace('+', "%2B")
    );
    let incident = json!({
        "correlation_id": correlation,
        "short_description": event["message"],
        "description": event.to_string(),
        "work_notes": event["message"],
    });
    let id = loop {
        let found = servicenow.get(&query)?;
        if let Some(id) = found["result"][0]["sys_id"].as_str() {
            servicenow.send_json(
                "PATCH",
                &format!("{TABLE}/{id}?{FIELDS}"),
                &json!({"work_notes": event["message"]}),
            )?;
            break id.to_owned();
        }
        let body = serde_json::to_vec(&incident)?;
        let created = servicenow.send(
            "POST",
            &format!("{TABLE}?{FIELDS}"),
            &[("content-type", "application/json")],
            &body,
        )?;
        if created.status != 409 {
            break created.json()?["result"]["sys_id"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
        }
        // Another thread created it in the meantime.
        thread::yield_now();
    };
    let read = servicenow.get(&format!("{TABLE}/{id}?{FIELDS}"))?;
    let eid = event["eid"].as_str().context("an event without id")?;
    sl1.send_json(
        "POST",
        &format!("/api/event/{eid}"),
        &json!({"ext_ticket_ref": read["result"]["number"]}),
    )?;
    Ok(())
}
