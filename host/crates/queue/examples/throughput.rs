//! How many entries a second pass the queue in memory: enqueued, received and
//! acknowledged in batches, by two tasks.
//!
//! `cargo run --release -p powerflow-queue --example throughput`

use std::{sync::Arc, time::Instant};

use model::id::{Ordinal, RunId, StepKey, TenantId};
use queue::{DEFAULT, Limits, Queue, Subscription, memory::MemoryQueue};

const ENTRIES: usize = 4_000_000;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), queue::Error> {
    for batch in [1, 16, 256] {
        let queue = Arc::new(MemoryQueue::new(Limits::default()));
        let start = Instant::now();
        let enqueuer = {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move {
                let key = StepKey {
                    run: RunId(1),
                    step: Ordinal(0),
                };
                let steps = vec![key; batch];
                for _ in 0..ENTRIES / batch {
                    queue
                        .enqueue(DEFAULT, false, TenantId::DEFAULT, &steps)
                        .await?;
                }
                Ok::<(), queue::Error>(())
            })
        };
        let subscription = Subscription {
            queues: vec![DEFAULT.into()],
            all: true,
            ..Subscription::default()
        };
        let mut received = 0;
        while received < ENTRIES / batch * batch {
            let taken = queue.receive(&subscription, batch).await?;
            queue.acknowledge(&taken).await?;
            received += taken.len();
        }
        if let Ok(ended) = enqueuer.await {
            ended?;
        }
        let rate = received as f64 / start.elapsed().as_secs_f64();
        println!("batches of {batch:3}: {rate:>10.0} entries/s");
    }
    Ok(())
}
