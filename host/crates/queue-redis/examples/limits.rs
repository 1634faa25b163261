//! How fast the queue on Redis is next to what the same client and server do without it,
//! and how much memory its entries take. Each figure of the queue is followed by its
//! ratio to the raw one above it.
//!
//! `cargo run --release -p powerflow-queue-redis --example limits -- redis://127.0.0.1:6379`
//!
//! Uses keys of its own in that server and deletes them.

use std::{
    collections::HashMap,
    error::Error,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use fred::{
    clients::Client,
    interfaces::ClientLike,
    types::{Builder, ClusterHash, CustomCommand, Value, config::Config},
};
use model::id::{Ordinal, RunId, StepKey, TenantId};
use queue::{DEFAULT, Limits, Queue, Subscription};
use queue_redis::{RedisQueue, Settings};
use tokio::{sync::oneshot, task::JoinSet};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const LASTS: Duration = Duration::from_secs(3);
const BATCH: usize = 100;

struct Raw {
    client: Client,
    stream: String,
}

impl Raw {
    async fn call(&self, line: &str) -> Outcome<Value> {
        let mut words = line.split(' ');
        let name = words.next().unwrap_or_default().to_owned();
        let args: Vec<Value> = words
            .map(|word| Value::from(word.replace("KEY", &self.stream)))
            .collect();
        let command = CustomCommand::new(name, ClusterHash::FirstKey, false);
        Ok(self.client.custom(command, args).await?)
    }

    async fn calls(&self, lines: &[String]) -> Outcome<Value> {
        let pipeline = self.client.pipeline();
        for line in lines {
            let mut words = line.split(' ');
            let name = words.next().unwrap_or_default().to_owned();
            let args: Vec<Value> = words
                .map(|word| Value::from(word.replace("KEY", &self.stream)))
                .collect();
            let command = CustomCommand::new(name, ClusterHash::FirstKey, false);
            let _: () = pipeline.custom(command, args).await?;
        }
        Ok(pipeline.all().await?)
    }

    /// The ids in what a read answers.
    async fn read(&self, count: usize) -> Outcome<Vec<String>> {
        let line = format!("XREADGROUP GROUP g c COUNT {count} STREAMS KEY >");
        let mut ids = Vec::new();
        for stream in self.call(&line).await?.into_array() {
            let parts = stream.into_array();
            for entry in parts
                .into_iter()
                .nth(1)
                .map(Value::into_array)
                .unwrap_or_default()
            {
                let id = entry.into_array().into_iter().next();
                ids.extend(id.and_then(|id| id.as_string()));
            }
        }
        Ok(ids)
    }

    /// Rounds of add, read, acknowledge and delete; `batch` entries in each.
    async fn rounds(&self, batch: usize) -> Outcome<f64> {
        let adds = vec!["XADD KEY * k 123456789012".to_owned(); batch];
        let (start, mut done) = (Instant::now(), 0);
        while start.elapsed() < LASTS {
            self.calls(&adds).await?;
            let ids = self.read(batch).await?;
            done += ids.len();
            let ids = ids.join(" ");
            self.calls(&[format!("XDEL KEY {ids}"), format!("XACK KEY g {ids}")])
                .await?;
        }
        Ok(done as f64 / start.elapsed().as_secs_f64())
    }
}

/// Callers that each enqueue a step and wait until it was received and acknowledged.
async fn callers(queue: &Arc<RedisQueue>, callers: i64) -> Outcome<(f64, Vec<Duration>)> {
    type Waiting = Arc<Mutex<HashMap<RunId, oneshot::Sender<()>>>>;
    let waiting = Waiting::default();
    let dispatcher = {
        let (queue, waiting) = (Arc::clone(queue), Arc::clone(&waiting));
        tokio::spawn(async move {
            let subscription = Subscription {
                queues: vec![DEFAULT.into()],
                ..Subscription::default()
            };
            while let Ok(taken) = queue.receive(&subscription, 64).await {
                for delivery in taken {
                    let (queue, waiting) = (Arc::clone(&queue), Arc::clone(&waiting));
                    tokio::spawn(async move {
                        let _ = queue.acknowledge(std::slice::from_ref(&delivery)).await;
                        let caller = waiting.lock().ok()?.remove(&delivery.key.run);
                        caller?.send(()).ok()
                    });
                }
            }
        })
    };
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let (queue, waiting) = (Arc::clone(queue), Arc::clone(&waiting));
        tasks.spawn(async move {
            let mut took = Vec::new();
            for number in 0.. {
                if start.elapsed() > LASTS {
                    break;
                }
                let run = RunId(number * callers + caller);
                let step = Ordinal(0);
                let (done, ended) = oneshot::channel();
                if let Ok(mut waiting) = waiting.lock() {
                    waiting.insert(run, done);
                }
                let asked = Instant::now();
                queue
                    .enqueue(DEFAULT, false, TenantId::DEFAULT, &[StepKey { run, step }])
                    .await?;
                ended.await?;
                took.push(asked.elapsed());
            }
            Outcome::Ok(took)
        });
    }
    let mut took = Vec::new();
    while let Some(one) = tasks.join_next().await {
        took.extend(one??);
    }
    let rate = took.len() as f64 / start.elapsed().as_secs_f64();
    dispatcher.abort();
    took.sort_unstable();
    Ok((rate, took))
}

/// Enqueue, receive and acknowledge in batches.
async fn batches(queue: &RedisQueue) -> Outcome<f64> {
    let subscription = Subscription {
        queues: vec![DEFAULT.into()],
        ..Subscription::default()
    };
    let key = |number| StepKey {
        run: RunId(number),
        step: Ordinal(0),
    };
    let steps: Vec<StepKey> = (0..BATCH as i64).map(key).collect();
    let (start, mut done) = (Instant::now(), 0);
    while start.elapsed() < LASTS {
        queue
            .enqueue(DEFAULT, false, TenantId::DEFAULT, &steps)
            .await?;
        let mut left = BATCH;
        while left > 0 {
            let taken = queue.receive(&subscription, left).await?;
            queue.acknowledge(&taken).await?;
            left -= taken.len();
        }
        done += BATCH;
    }
    Ok(done as f64 / start.elapsed().as_secs_f64())
}

async fn used(raw: &Raw) -> Outcome<i64> {
    let info = raw.call("INFO memory").await?.as_string();
    let field = info.unwrap_or_default();
    let line = field
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    Ok(line.unwrap_or("0").trim().parse()?)
}

async fn memory(raw: &Raw, queue: &RedisQueue, name: &str, entries: i64) -> Outcome<()> {
    let before = used(raw).await?;
    for start in (0..entries).step_by(50) {
        // One in each call, as when runs are submitted: batches would be no smaller.
        let keys = (start..start + 50).map(|number| StepKey {
            run: RunId(1_000_000_007 + number * 13),
            step: Ordinal((number % 5) as u32),
        });
        queue
            .enqueue(name, false, TenantId::DEFAULT, &keys.collect::<Vec<_>>())
            .await?;
    }
    let waiting = used(raw).await? - before;
    let subscription = Subscription {
        queues: vec![name.into()],
        ..Subscription::default()
    };
    let mut taken = Vec::new();
    while taken.len() < entries as usize {
        taken.extend(queue.receive(&subscription, 1_000).await?);
    }
    let delivered = used(raw).await? - before;
    let each = |bytes: i64| bytes as f64 / entries as f64;
    println!(
        "{entries:>7} entries: {:>9} bytes waiting ({:.1} each), {:>9} when all are delivered ({:.1} each)",
        waiting,
        each(waiting),
        delivered,
        each(delivered)
    );
    queue.acknowledge(&taken).await?;
    Ok(())
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let url = std::env::args_os()
        .nth(1)
        .and_then(|url| url.into_string().ok());
    let url = url.ok_or("give the server's URL")?;
    let tag = std::process::id();
    let client = Builder::from_config(Config::from_url(&url)?).build()?;
    client.init().await?;
    let raw = Raw {
        client,
        stream: format!("bench-{tag}"),
    };
    raw.call("XGROUP CREATE KEY g 0 MKSTREAM").await?;
    let settings = Settings {
        prefix: format!("bench-{tag}-queue"),
        limits: Limits::default(),
        ..Settings::new(url.parse()?, "bench")
    };
    let queue = Arc::new(RedisQueue::start(settings).await?);

    let single = raw.rounds(1).await?;
    println!("raw, one caller, three round trips:       {single:>9.0} entries/s");
    let (one, took) = callers(&queue, 1).await?;
    let at = |share: usize| took[(took.len() - 1) * share / 100];
    println!(
        "queue, one caller:                        {one:>9.0} entries/s  × {:.2}, p50 {:?}, p99 {:?}",
        one / single,
        at(50),
        at(99)
    );
    let pipelined = raw.rounds(BATCH).await?;
    println!("raw, pipelined by {BATCH}:                     {pipelined:>9.0} entries/s");
    let batched = batches(&queue).await?;
    println!(
        "queue, batches of {BATCH}:                     {batched:>9.0} entries/s  × {:.2}",
        batched / pipelined
    );
    let (many, took) = callers(&queue, 64).await?;
    let at = |share: usize| took[(took.len() - 1) * share / 100];
    println!(
        "queue, 64 callers, one entry each:        {many:>9.0} entries/s  × {:.2}, p50 {:?}, p99 {:?}",
        many / pipelined,
        at(50),
        at(99)
    );
    memory(&raw, &queue, "ten", 10_000).await?;
    memory(&raw, &queue, "hundred", 100_000).await?;

    drop(queue);
    raw.call("DEL KEY").await?;
    let keys = raw.call(&format!("KEYS {{bench-{tag}-queue}}:*")).await?;
    for key in keys
        .into_array()
        .into_iter()
        .filter_map(|key| key.as_string())
    {
        raw.call(&format!("DEL {key}")).await?;
    }
    Ok(())
}
