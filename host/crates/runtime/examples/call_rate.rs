//! Measures how many calls of a step two threads make in a second.
//!
//! `call_rate COMPONENT [STEP [SECONDS [SPINNING]]]`: the step is `noop` of the hostile pack if none
//! is named; SPINNING guests of the step `loop` run beside it.
#![expect(clippy::unwrap_used, reason = "a measurement")]

#[path = "../tests/harness/mod.rs"]
mod harness;

use std::sync::Arc;
use std::time::{Duration, Instant};

use runtime::{Call, Program, Runtime, Settings};

/// Calls one after the other; the time that each took, sorted.
async fn calls(
    runtime: Runtime,
    program: Arc<Program>,
    call: Call,
    until: Instant,
) -> Vec<Duration> {
    let mut times = Vec::with_capacity(1 << 20);
    while Instant::now() < until {
        let start = Instant::now();
        let execution = runtime.execute(&program, call.clone()).await;
        times.push(start.elapsed());
        assert!(execution.result.is_ok(), "{:?}", execution.result);
        // A worker gives way to others between steps.
        tokio::task::yield_now().await;
    }
    times.sort_unstable();
    times
}

fn report(name: &str, mut times: Vec<Duration>, seconds: f64) {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 1000].as_nanos() as f64 / 1000.0;
    let mean = times.iter().sum::<Duration>().as_nanos() as f64 / 1000.0 / times.len() as f64;
    let rate = times.len() as f64 / seconds;
    println!(
        "{name}: {rate:.0} calls/s, mean {mean:.1} µs, p50 {:.1}, p99 {:.1}, p99.9 {:.1}",
        at(500),
        at(990),
        at(999)
    );
}

fn main() {
    let mut arguments = std::env::args_os()
        .skip(1)
        .map(|text| text.into_string().unwrap());
    let file = arguments.next().map_or_else(
        || harness::HOSTILE.clone(),
        |path| std::fs::read(path).unwrap().into(),
    );
    let step = arguments.next().unwrap_or("noop".into());
    let seconds: u64 = arguments.next().map_or(5, |text| text.parse().unwrap());
    let spinning: usize = arguments.next().map_or(0, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    for threads in [1, 2] {
        let workers = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
            .unwrap();
        workers.block_on(async {
            let runtime =
                Runtime::new(Settings::new(folder.path(), [7; 32]), harness::ports()).unwrap();
            let installed = runtime.install("pack", file.clone()).await.unwrap();
            let program = runtime.load("pack").unwrap().unwrap();
            println!(
                "{:?}, compiled in {:?}",
                runtime.stats().allocation,
                installed.compile_time
            );
            let mut call = harness::call(&step);
            call.data = "{}".into();
            call.parameters = r#"{"input": {"event": 1}}"#.into();
            let spinning: Vec<_> = (0..spinning)
                .map(|_| {
                    let call = harness::call("loop");
                    let cancel = call.cancel.clone();
                    let (runtime, program) = (runtime.clone(), program.clone());
                    tokio::spawn(async move { runtime.execute(&program, call).await });
                    cancel
                })
                .collect();
            let until = Instant::now() + Duration::from_secs(seconds);
            let tasks: Vec<_> = (0..threads)
                .map(|_| tokio::spawn(calls(runtime.clone(), program.clone(), call.clone(), until)))
                .collect();
            let mut times = Vec::new();
            for task in tasks {
                times.extend(task.await.unwrap());
            }
            report(&format!("{threads} threads"), times, seconds as f64);
            for cancel in spinning {
                cancel.cancel();
            }
        });
    }
}
