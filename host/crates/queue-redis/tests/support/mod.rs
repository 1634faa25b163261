//! Redis servers of a test's own, which end with it.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test uses a part of it"
)]

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use model::id::{Ordinal, RunId, StepKey, TenantId};
use queue::{Delivery, Limits, Queue, Subscription};
use queue_redis::{RedisQueue, Settings};
use tempfile::TempDir;

/// A server with its own folder; dropping it kills it.
pub(crate) struct Server {
    child: Option<Child>,
    folder: TempDir,
    pub(crate) port: u16,
    arguments: Vec<String>,
    sentinel: Option<PathBuf>,
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

impl Server {
    /// A server that keeps nothing on disk.
    pub(crate) fn start() -> Self {
        Self::with(|_, _| Vec::new())
    }

    /// A server with more arguments, made from its port and its folder.
    pub(crate) fn with(arguments: impl FnOnce(u16, &Path) -> Vec<String>) -> Self {
        let folder = TempDir::with_prefix("powerflow-redis-").unwrap();
        let port = free_port();
        let mut server = Self {
            child: None,
            arguments: arguments(port, folder.path()),
            sentinel: None,
            folder,
            port,
        };
        server.run();
        server
    }

    /// A sentinel that watches a server under the name `main`.
    pub(crate) fn sentinel(watched: &Self) -> Self {
        let folder = TempDir::with_prefix("powerflow-redis-").unwrap();
        let port = free_port();
        let file = folder.path().join("sentinel.conf");
        let main = format!("sentinel monitor main 127.0.0.1 {} 1", watched.port);
        fs::write(&file, format!("port {port}\nbind 127.0.0.1\n{main}\n")).unwrap();
        let mut sentinel = Self {
            child: None,
            arguments: Vec::new(),
            sentinel: Some(file),
            folder,
            port,
        };
        sentinel.run();
        sentinel
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it, empty, and waits until it listens.
    pub(crate) fn run(&mut self) {
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let mut command = Command::new("redis-server");
        if let Some(file) = &self.sentinel {
            command.arg(file).arg("--sentinel");
        } else {
            command.args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]);
            command.args(["--loglevel", "warning", "--daemonize", "no"]);
            command.arg("--dir").arg(self.folder.path());
            command.arg("--port").arg(self.port.to_string());
            // A later argument overrides an earlier one.
            command.args(&self.arguments);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server must be installed; `cargo xtask test` does that");
        self.child = Some(child);
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "the server does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills it; what it held is lost.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends it a signal, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status();
        assert!(status.unwrap().success());
    }

    /// Runs a command on it, answers what it says.
    pub(crate) fn ask(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(arguments)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A number that it answers.
    pub(crate) fn number(&self, arguments: &[&str]) -> i64 {
        self.ask(arguments).parse().unwrap()
    }

    /// Settings for it, with a patience that suits a busy machine.
    pub(crate) fn settings(&self, consumer: &str, limits: Limits) -> Settings {
        let address = format!("redis://127.0.0.1:{}", self.port).parse().unwrap();
        Settings {
            limits,
            timeout: Duration::from_secs(20),
            ..Settings::new(address, consumer)
        }
    }

    /// A queue on it.
    pub(crate) async fn queue(&self, consumer: &str, limits: Limits) -> Arc<RedisQueue> {
        let queue = RedisQueue::start(self.settings(consumer, limits)).await;
        Arc::new(queue.unwrap())
    }

    /// A queue on it that soon gives up a server that does not answer.
    pub(crate) async fn impatient_queue(&self, consumer: &str, limits: Limits) -> Arc<RedisQueue> {
        let settings = Settings {
            timeout: Duration::from_secs(1),
            ..self.settings(consumer, limits)
        };
        Arc::new(RedisQueue::start(settings).await.unwrap())
    }

    /// Asserts that nothing waits, is delivered or is dead on any queue. Bells may be left:
    /// who waits next takes them.
    pub(crate) fn assert_nothing_left(&self) {
        let keys = self.ask(&["KEYS", "{powerflow}:*"]);
        for key in keys.lines().filter(|key| !key.contains(":bell:")) {
            match self.ask(&["TYPE", key]).as_str() {
                "stream" => {
                    assert_eq!(self.number(&["XLEN", key]), 0, "{key}");
                    let pending = self.ask(&["XPENDING", key, "workers"]);
                    assert_eq!(pending.lines().next(), Some("0"), "{key}: {pending}");
                }
                "list" => panic!("dead letters in {key}"),
                _ => {}
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn key(number: i64) -> StepKey {
    StepKey {
        run: RunId(number),
        step: Ordinal((number % 7) as u32),
    }
}

pub(crate) fn keys(numbers: std::ops::Range<i64>) -> Vec<StepKey> {
    numbers.map(key).collect()
}

pub(crate) fn on(queues: &[&str]) -> Subscription {
    Subscription {
        queues: queues.iter().map(|name| Arc::from(*name)).collect(),
        ..Subscription::default()
    }
}

pub(crate) const LONG: Limits = Limits {
    lease: Duration::from_hours(1),
    max_deliveries: 3,
};

/// Enqueues until Redis takes it.
pub(crate) async fn enqueue(queue: &RedisQueue, name: &str, steps: &[StepKey]) {
    ends(async {
        while queue
            .enqueue(name, false, TenantId::DEFAULT, steps)
            .await
            .is_err()
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

pub(crate) async fn ends<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), future)
        .await
        .expect("it must end, but did not within a minute")
}

pub(crate) async fn receive(queue: &RedisQueue, queues: &[&str], max: usize) -> Vec<Delivery> {
    ends(queue.receive(&on(queues), max)).await.unwrap()
}

/// Receives and acknowledges until every number was seen; answers how many were double.
pub(crate) async fn drain_all(queue: &RedisQueue, queues: &[&str], count: usize) -> usize {
    let mut seen = std::collections::HashSet::new();
    let mut double = 0;
    while seen.len() < count {
        let taken = receive(queue, queues, 100).await;
        for delivery in &taken {
            double += usize::from(!seen.insert(delivery.key));
        }
        let _ = queue.acknowledge(&taken).await;
    }
    double
}
