//! What the disk gives: appends that are on it before the next begins.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long each of so many appends took, in milliseconds.
pub(crate) fn synced_appends(
    folder: &Path,
    bytes: usize,
    time: Duration,
) -> anyhow::Result<Vec<f64>> {
    let mut file = File::create(folder.join("appends"))?;
    let block = vec![b'x'; bytes];
    let mut times = Vec::new();
    let started = Instant::now();
    while started.elapsed() < time {
        let before = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        times.push(before.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}

/// CPU time of this process so far, in milliseconds.
pub(crate) fn own_cpu_ms() -> anyhow::Result<f64> {
    let usage = harness::process::usage(std::process::id())?;
    Ok(usage.cpu.as_secs_f64() * 1e3)
}
