//! Processes that are killed or stopped while they hold deliveries.
#![expect(
    clippy::unwrap_used,
    reason = "a test may panic on what it did not expect"
)]

mod support;

use std::{
    io::{BufRead, BufReader, Lines, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use model::id::TenantId;
use queue::{DEFAULT, Limits, Queue};
use queue_redis::{RedisQueue, Settings};
use support::{Server, drain_all, ends, keys, receive};

const PORT: &str = "POWERFLOW_TEST_REDIS_PORT";

const LIMITS: Limits = Limits {
    lease: Duration::from_secs(3),
    max_deliveries: 3,
};

/// What a test does in the process that it starts of itself: takes 50 entries and says
/// so; acknowledges them when it is told something. Answers whether this is that process.
async fn is_the_worker() -> bool {
    let Ok(port) = std::env::var(PORT) else {
        return false;
    };
    let address = format!("redis://127.0.0.1:{port}").parse().unwrap();
    let settings = Settings {
        limits: LIMITS,
        timeout: Duration::from_secs(20),
        ..Settings::new(address, "worker")
    };
    let queue = RedisQueue::start(settings).await.unwrap();
    let mut taken = Vec::new();
    while taken.len() < 50 {
        taken.extend(receive(&queue, &[DEFAULT], 50 - taken.len()).await);
    }
    println!("\nholds");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    queue.acknowledge(&taken).await.unwrap();
    println!("\nanswered");
    true
}

struct Worker {
    child: Child,
    told: ChildStdin,
    says: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    /// `test`: the one that starts it.
    fn start(server: &Server, test: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(PORT, server.port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut worker = Self {
            told: child.stdin.take().unwrap(),
            says: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
        };
        worker.until("holds");
        worker
    }

    fn until(&mut self, word: &str) {
        assert!(self.says.any(|line| line.unwrap() == word), "{word}");
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_process_held_is_done_by_another() {
    if is_the_worker().await {
        return;
    }
    let server = Server::start();
    let queue = server.queue("other", LIMITS).await;
    queue
        .enqueue(DEFAULT, false, TenantId::DEFAULT, &keys(0..100))
        .await
        .unwrap();
    let mut worker = Worker::start(&server, "what_a_killed_process_held_is_done_by_another");
    worker.child.kill().unwrap();
    worker.child.wait().unwrap();
    let mut again = 0;
    let mut seen = 0;
    while seen < 100 {
        let taken = receive(&queue, &[DEFAULT], 100).await;
        seen += taken.len();
        again += taken.iter().filter(|taken| taken.deliveries == 2).count();
        queue.acknowledge(&taken).await.unwrap();
    }
    assert_eq!(again, 50);
    server.assert_nothing_left();
}

/// Stopped past its lease, it comes back and answers what is not its own any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_was_stopped_past_its_lease_takes_nothing_from_another() {
    if is_the_worker().await {
        return;
    }
    let server = Server::start();
    let queue = server.queue("other", LIMITS).await;
    queue
        .enqueue(DEFAULT, false, TenantId::DEFAULT, &keys(0..60))
        .await
        .unwrap();
    let mut worker = Worker::start(
        &server,
        "a_process_that_was_stopped_past_its_lease_takes_nothing_from_another",
    );
    worker.signal("STOP");
    assert_eq!(drain_all(&queue, &[DEFAULT], 10).await, 0);
    let mut held = Vec::new();
    while held.len() < 50 {
        held.extend(receive(&queue, &[DEFAULT], 50).await);
    }
    worker.signal("CONT");
    worker.told.write_all(b"go on\n").unwrap();
    worker.until("answered");
    let delivered = queue.depths().await.unwrap();
    let delivered: u64 = delivered.iter().map(|depth| depth.delivered).sum();
    assert_eq!(delivered, 50);
    ends(queue.acknowledge(&held)).await.unwrap();
    server.assert_nothing_left();
}
