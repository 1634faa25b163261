//! What the tests of the runtime share: guests, ports, calls, and a server to talk to.
#![allow(dead_code, clippy::allow_attributes, reason = "each test uses a part")]

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use connectors::http::{Connector, Egress, Grant, Grants, Timeouts};
use model::clock::{Clock, Timestamp};
use model::id::TenantId;
use parking_lot::Mutex;
use runtime::{
    CacheError, CachePort, Call, Execution, Failure, HttpAccess, Level, Limits, LogBuffer,
    LogLimits, Outcome, Pool, Ports, Program, Runtime, SecretHandles, Settings, Tracer,
};
use tokio_util::sync::CancellationToken;

/// The hostile pack, built once for each test program.
pub(crate) static HOSTILE: LazyLock<Bytes> = LazyLock::new(|| build("hostile"));

/// Builds a guest program of `tests/guests`.
fn build(name: &str) -> Bytes {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/guests");
    // Examples are not told the folder; theirs is the customary one.
    let target = option_env!("CARGO_TARGET_TMPDIR")
        .map_or_else(|| folder.join("../../target/tmp"), PathBuf::from)
        .join("../guests");
    let installed = Command::new("rustup")
        .args(["target", "list", "--installed"])
        .output();
    if installed.is_ok_and(|list| !String::from_utf8_lossy(&list.stdout).contains("wasm32-wasip2"))
    {
        let added = Command::new("rustup")
            .args(["target", "add", "wasm32-wasip2"])
            .status();
        assert!(
            added.is_ok_and(|status| status.success()),
            "rustup cannot add the target wasm32-wasip2"
        );
    }
    let status = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
        .current_dir(&folder)
        .args([
            "build",
            "--quiet",
            "--release",
            "--target",
            "wasm32-wasip2",
            "--package",
            name,
            "--target-dir",
        ])
        .arg(&target)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .status()
        .unwrap();
    assert!(status.success(), "the guest {name} does not build");
    std::fs::read(target.join(format!("wasm32-wasip2/release/{name}.wasm")))
        .unwrap()
        .into()
}

pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the system's clock")]
    fn now(&self) -> Timestamp {
        Timestamp(
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap()
                .as_micros() as i64,
        )
    }
}

/// A cache in memory.
#[derive(Default)]
pub(crate) struct MemoryCache(Mutex<HashMap<(TenantId, String), String>>);

#[async_trait::async_trait]
impl CachePort for MemoryCache {
    async fn get(&self, tenant: TenantId, key: &str) -> Result<Option<String>, CacheError> {
        Ok(self.0.lock().get(&(tenant, key.to_owned())).cloned())
    }

    async fn put(
        &self,
        tenant: TenantId,
        key: &str,
        value: String,
        _ttl: Option<u64>,
    ) -> Result<(), CacheError> {
        self.0.lock().insert((tenant, key.to_owned()), value);
        Ok(())
    }

    async fn delete(&self, tenant: TenantId, key: &str) -> Result<bool, CacheError> {
        Ok(self.0.lock().remove(&(tenant, key.to_owned())).is_some())
    }
}

pub(crate) fn ports() -> Ports {
    Ports {
        clock: Arc::new(SystemClock),
        connector: Connector::default(),
        cache: Arc::new(MemoryCache::default()),
        tracer: Tracer::off(),
    }
}

/// Small enough for several runtimes beside each other.
pub(crate) fn pool() -> Pool {
    Pool {
        slots: 32,
        ..Pool::default()
    }
}

pub(crate) fn settings(folder: &Path) -> Settings {
    Settings {
        pool: pool(),
        ..Settings::new(folder, [7; 32])
    }
}

pub(crate) fn runtime(folder: &Path) -> Runtime {
    Runtime::new(settings(folder), ports()).unwrap()
}

/// The folder that the tests of one program share, so that the hostile pack is compiled once.
static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());

/// A runtime of its own with the hostile pack.
pub(crate) async fn hostile() -> (Runtime, Arc<Program>) {
    static COMPILING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _turn = COMPILING.lock().await;
    let runtime = runtime(FOLDER.path());
    runtime.install("hostile", HOSTILE.clone()).await.unwrap();
    let program = runtime.load("hostile").unwrap().unwrap();
    (runtime, program)
}

pub(crate) fn log() -> Arc<LogBuffer> {
    Arc::new(LogBuffer::new(
        Arc::new(SystemClock),
        Level::Info,
        LogLimits::default(),
    ))
}

/// A call of a step with nothing granted.
pub(crate) fn call(step: &str) -> Call {
    Call {
        step: step.into(),
        pack: "hostile".into(),
        parameters: "{}".into(),
        data: r#"{"before": {"n": 1}}"#.into(),
        context: r#"{"attempt": 1}"#.into(),
        tenant: TenantId::DEFAULT,
        log: log(),
        http: None,
        cache: false,
        masker: model::mask::Masker::none(),
        secrets: SecretHandles::default(),
        limits: Arc::new(Limits::default()),
        trace: None,
        reuse: false,
        deadline: Duration::from_mins(1),
        cancel: CancellationToken::new(),
    }
}

/// Access with these grants of those that the manifest declares.
#[expect(clippy::unnecessary_wraps, reason = "as a call takes it")]
pub(crate) fn access(granted: Vec<Grant>, declared: Vec<Grant>) -> Option<HttpAccess> {
    let egress = Egress {
        tenant: 1,
        pack: "hostile".into(),
        grants: Grants::new(granted),
        tls: None,
    };
    Some(HttpAccess {
        egress,
        declared: Grants::new(declared),
        named_by: std::collections::HashMap::new(),
        without_host: Arc::default(),
        timeouts: Timeouts::default(),
    })
}

pub(crate) fn data(execution: &Execution) -> &str {
    match &execution.result {
        Ok(Outcome::Output { data, .. }) => data,
        other => panic!("no output: {other:?}"),
    }
}

pub(crate) fn failure(execution: &Execution) -> &Failure {
    match &execution.result {
        Err(failure) => failure,
        other => panic!("no failure: {other:?}"),
    }
}

/// A server that serves connections, each in its thread, until the test ends.
pub(crate) struct Server(pub(crate) u16);

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                std::thread::spawn(move || serve(connection));
            }
        });
        Self(port)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("127.0.0.1:{}{path}", self.0)
    }

    pub(crate) fn grant(&self) -> Grant {
        Grant::parse("local", &format!("http://127.0.0.1:{}", self.0)).unwrap()
    }
}

/// Answers one request; `None` when the client has gone.
fn serve(mut connection: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(connection.try_clone().ok()?);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let path = lines.first()?.split(' ').nth(1)?.to_owned();
    let head =
        |status: &str, more: &str| format!("HTTP/1.1 {status}\r\nconnection: close\r\n{more}\r\n");
    if let Some(to) = path.strip_prefix("/redirect/") {
        connection
            .write_all(head("302 Found", &format!("location: http://{to}\r\n")).as_bytes())
            .ok()?;
    } else if path == "/trickle" {
        connection
            .write_all(head("200 OK", "content-length: 1000000\r\n").as_bytes())
            .ok()?;
        loop {
            connection.write_all(b"x").ok()?;
            std::thread::sleep(Duration::from_millis(50));
        }
    } else if path == "/big" {
        connection
            .write_all(head("200 OK", "content-length: 1000000000\r\n").as_bytes())
            .ok()?;
        for _ in 0..1000 {
            connection.write_all(&vec![b'x'; 1_000_000]).ok()?;
        }
    } else {
        let body = lines[1..].join("|");
        connection
            .write_all(head("200 OK", &format!("content-length: {}\r\n", body.len())).as_bytes())
            .ok()?;
        connection.write_all(body.as_bytes()).ok()?;
    }
    Some(())
}

/// A component in the text format whose `execute` has this body and these module fields: for what no
/// compiler of ours emits.
pub(crate) fn component(fields: &str, body: &str) -> Bytes {
    wat::parse_str(format!(
        r#"(component
          (core module $m
            (memory (export "memory") 1)
            {fields}
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
            (func (export "describe") (result i32) unreachable)
            (func $execute (export "execute") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32) {body} unreachable))
          (core instance $i (instantiate $m))
          (type $invocation' (record (field "parameters" string) (field "data" string) (field "context" string)))
          (export $invocation "invocation" (type $invocation'))
          (type $output' (record (field "data" string) (field "attributes" (option string))))
          (export $output "output" (type $output'))
          (type $outcome' (variant (case "output" $output) (case "start-children" string)))
          (export $outcome "outcome" (type $outcome'))
          (type $kind' (enum "retryable" "permanent"))
          (export $kind "error-kind" (type $kind'))
          (type $error' (record (field "kind" $kind) (field "code" string) (field "message" string) (field "detail" (option string))))
          (export $error "error" (type $error'))
          (func (export "describe") (result string)
            (canon lift (core func $i "describe") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
          (func (export "execute") (param "step" string) (param "invocation" $invocation) (result (result $outcome (error $error)))
            (canon lift (core func $i "execute") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#
    ))
    .unwrap()
    .into()
}

/// The artefact files in a folder.
pub(crate) fn artefacts(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect()
}
