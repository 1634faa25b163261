//! What an outage costs: one line in the log, next to no CPU.
#![expect(
    clippy::unwrap_used,
    reason = "a test may panic on what it did not expect"
)]

mod support;

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use model::id::TenantId;
use queue::{Error, Queue};
use queue_redis::{RedisQueue, Settings};
use support::{LONG, Server, ends, enqueue, keys, on};
use tokio::time::sleep;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Collects what this process logs, the client's messages among them.
    fn begin() -> Self {
        let log = Self::default();
        let writer = log.clone();
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::INFO)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .init();
        log
    }

    fn lines(&self, of: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().filter(|line| line.contains(of));
        lines.map(str::to_owned).collect()
    }
}

/// Milliseconds of CPU that this process has used.
fn cpu_used() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    // User and system time, in ticks of ten milliseconds.
    10 * (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_costs_a_line_in_the_log_and_no_cpu() {
    let log = Log::begin();
    let mut server = Server::start();
    let queue = server.impatient_queue("worker", LONG).await;
    let _health = queue.health();
    let _hints = queue.hints().subscribe("runs");
    let receivers: Vec<_> = ["a", "b", "c", "d"]
        .map(|name| {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move { queue.receive(&on(&[name]), 1).await.unwrap() })
        })
        .into_iter()
        .collect();
    sleep(Duration::from_millis(300)).await;
    for hangs in [false, true] {
        if hangs {
            server.signal("STOP");
        } else {
            server.kill();
        }
        sleep(Duration::from_millis(100)).await;
        let before = cpu_used();
        sleep(Duration::from_secs(4)).await;
        let used = cpu_used() - before;
        println!("CPU used in 4 s of an outage, hanging: {hangs}: {used} ms");
        // Some 50 attempts to connect, in a debug build.
        assert!(used < 400, "{used} ms");
        assert!(
            queue
                .enqueue("a", false, TenantId::DEFAULT, &keys(0..1))
                .await
                .is_err()
        );
        if hangs {
            server.signal("CONT");
        } else {
            server.run();
        }
        let mut health = queue.health();
        ends(health.wait_for(|health| health.available))
            .await
            .unwrap();
        sleep(Duration::from_secs(3)).await;
    }
    for (receiver, name) in receivers.into_iter().zip(["a", "b", "c", "d"]) {
        enqueue(&queue, name, &keys(0..1)).await;
        ends(receiver).await.unwrap();
    }
    let lines = log.lines("");
    let away = log.lines("does not answer").len();
    // A busy machine may add an outage of its own; attempts were dozens.
    assert!((2..=5).contains(&away), "{lines:#?}");
    assert_eq!(log.lines("answers again").len(), away, "{lines:#?}");
    let ours = log.lines("queue_redis").len();
    println!("{} lines in all, {ours} of them ours", lines.len());
    for line in lines {
        println!("{line}");
    }
}

/// A service that starts before Redis does not fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_starts_before_redis_does() {
    let mut server = Server::start();
    server.kill();
    let settings = Settings {
        timeout: Duration::from_millis(300),
        ..server.settings("worker", LONG)
    };
    let queue = Arc::new(RedisQueue::start(settings).await.unwrap());
    let refused = queue
        .enqueue("a", false, TenantId::DEFAULT, &keys(0..1))
        .await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    let receiver = {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { queue.receive(&on(&["a"]), 1).await.unwrap() })
    };
    sleep(Duration::from_millis(500)).await;
    server.run();
    enqueue(&queue, "a", &keys(0..1)).await;
    assert_eq!(ends(receiver).await.unwrap().len(), 1);
}
