//! `queue_roundtrip`: entries enqueued, received and acknowledged one by one.

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Mutex;
use std::time::Instant;

use ::queue::memory::MemoryQueue;
use ::queue::{DEFAULT, Limits, Queue, Subscription};
use anyhow::Context;
use model::id::{Ordinal, RunId, StepKey, TenantId};

use crate::figure::{Bench, Better, median};

pub(crate) fn rung(bench: &mut Bench) -> anyhow::Result<()> {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds() {
        ours.push(round_trips(bench)?);
        bare.push(plain(bench)?);
    }
    let limit = Some(("a Mutex<VecDeque>", median(bare)));
    bench.add(
        "queue_roundtrip",
        median(ours),
        "entries/s",
        Better::More,
        limit,
    );
    bench.note("queue_roundtrip: one entry at a time, one task; workers take batches.");
    Ok(())
}

const fn key(number: u32) -> StepKey {
    StepKey {
        run: RunId(1),
        step: Ordinal(number),
    }
}

fn round_trips(bench: &Bench) -> anyhow::Result<f64> {
    let threads = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    threads.block_on(async {
        let queue = MemoryQueue::new(Limits::default());
        let subscription = Subscription {
            queues: vec![DEFAULT.into()],
            all: true,
            ..Subscription::default()
        };
        let (started, mut count) = (Instant::now(), 0_u32);
        while started.elapsed() < bench.time() {
            for _ in 0..1000 {
                let step = [key(count)];
                queue
                    .enqueue(DEFAULT, false, TenantId::DEFAULT, &step)
                    .await?;
                let received = queue.receive(&subscription, 1).await?;
                queue.acknowledge(&received).await?;
                count += 1;
            }
        }
        Ok(f64::from(count) / started.elapsed().as_secs_f64())
    })
}

fn plain(bench: &Bench) -> anyhow::Result<f64> {
    let queue = Mutex::new(VecDeque::new());
    let (started, mut count) = (Instant::now(), 0_u32);
    while started.elapsed() < bench.time() {
        for _ in 0..1000 {
            queue
                .lock()
                .ok()
                .context("poisoned")?
                .push_back(black_box(key(count)));
            black_box(queue.lock().ok().context("poisoned")?.pop_front());
            count += 1;
        }
    }
    Ok(f64::from(count) / started.elapsed().as_secs_f64())
}
