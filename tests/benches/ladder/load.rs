//! Load on a service: runs submitted over many connections that are kept open.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use harness::http::Client;
use harness::service::Service;
use serde_json::Value;

/// Connections that submit at the same time.
pub(crate) const CONNECTIONS: usize = 32;
const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

/// Submits every body as a run, each exactly once; 429 is waited out.
pub(crate) fn submit(service: &Service, bodies: &[Vec<u8>]) -> anyhow::Result<()> {
    let template = service.client()?;
    spread(bodies.len(), CONNECTIONS, || {
        let mut client = template.another();
        move |index| loop {
            let response =
                client.send("POST", "/api/v1/applications/run", &JSON, &bodies[index])?;
            match response.status {
                202 => return Ok(()),
                429 => thread::sleep(Duration::from_millis(20)),
                status => bail!("{status}: {}", String::from_utf8_lossy(&response.body)),
            }
        }
    })
}

/// Starts one run and waits for its end; how long that took in milliseconds.
pub(crate) fn run_one(client: &mut Client, body: &[u8]) -> anyhow::Result<f64> {
    let started = Instant::now();
    let response = client.send("POST", "/api/v1/applications/run?wait=30", &JSON, body)?;
    let took = started.elapsed().as_secs_f64() * 1e3;
    let run: Value = response.json()?;
    if response.status != 200 || run["state"] != "success" {
        bail!("the run did not succeed: {run}");
    }
    Ok(took)
}

/// Does items 0 to `count` on several threads, each with its own worker.
pub(crate) fn spread<W>(
    count: usize,
    threads: usize,
    worker: impl Fn() -> W + Sync,
) -> anyhow::Result<()>
where
    W: FnMut(usize) -> anyhow::Result<()>,
{
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (next, worker) = (&next, &worker);
        let mut running = Vec::new();
        for _ in 0..threads {
            let work = move || {
                let mut work = worker();
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return Ok(());
                    }
                    if let Err(error) = work(index) {
                        // The others stop as well.
                        next.store(count, Ordering::Relaxed);
                        return Err(error);
                    }
                }
            };
            let builder = thread::Builder::new().stack_size(256 << 10);
            running.push(
                builder
                    .spawn_scoped(scope, work)
                    .context("a thread cannot be started")?,
            );
        }
        for thread in running {
            thread.join().map_err(|_| anyhow!("a thread panicked"))??;
        }
        Ok(())
    })
}
