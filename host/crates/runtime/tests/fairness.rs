//! Guests that compute without end take turns; those that do not are served at once. A test program
//! of its own: nothing else runs beside it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod harness;

use std::time::{Duration, Instant};

use harness::{call, data, hostile};
use runtime::{Program, Runtime};

const CALLS: usize = 300;

/// The 99th percentile of the time that a step takes which does nothing.
async fn p99(runtime: &Runtime, program: &Program) -> Duration {
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let start = Instant::now();
        let execution = runtime.execute(program, call("noop")).await;
        times.push(start.elapsed());
        assert_eq!(data(&execution), r#"{"before": {"n": 1}}"#);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    times.sort();
    times[CALLS * 99 / 100]
}

#[test]
fn twelve_spinning_guests_do_not_delay_a_healthy_one() {
    let threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    threads.block_on(async {
        let (runtime, program) = hostile().await;
        let healthy = {
            let (runtime, program) = (runtime.clone(), program.clone());
            move || {
                let (runtime, program) = (runtime.clone(), program.clone());
                tokio::spawn(async move { p99(&runtime, &program).await })
            }
        };
        let alone = healthy().await.unwrap();
        let spinning: Vec<_> = (0..12)
            .map(|_| {
                let call = call("loop");
                let cancel = call.cancel.clone();
                let (runtime, program) = (runtime.clone(), program.clone());
                (
                    tokio::spawn(async move { runtime.execute(&program, call).await }),
                    cancel,
                )
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(200)).await;
        let beside = healthy().await.unwrap();
        let mut busy = Vec::new();
        for (execution, cancel) in spinning {
            cancel.cancel();
            busy.push(execution.await.unwrap().usage.busy);
        }
        // On a machine that is busy with other things, the healthy one is slow alone as well.
        let allowed = Duration::from_millis(50) + 4 * alone;
        assert!(
            beside < allowed,
            "p99 {beside:?} beside twelve, {alone:?} alone"
        );
        // Turns go round: each of the twelve had some after its burst. They are not compared: the
        // time counts that the system gave to other programs.
        assert!(
            busy.iter().all(|busy| *busy > Duration::from_millis(10)),
            "{busy:?}"
        );
        eprintln!("p99 {alone:?} alone, {beside:?} beside twelve that spin");
        let stats = runtime.stats();
        assert_eq!((stats.instances, stats.stacks), (0, 0));
    });
}

#[test]
fn nothing_ticks_while_guests_wait() {
    let threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    threads.block_on(async {
        let (runtime, program) = hostile().await;
        let call = call("sleep");
        let cancel = call.cancel.clone();
        let (mine, program) = (runtime.clone(), program.clone());
        let waiting = tokio::spawn(async move { mine.execute(&program, call).await });
        let parked = async {
            while !(runtime.stats().idle && runtime.stats().instances == 1) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), parked)
            .await
            .unwrap();
        cancel.cancel();
        waiting.await.unwrap();
    });
}
