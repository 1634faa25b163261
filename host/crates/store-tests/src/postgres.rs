//! Databases of tests' own on a PostgreSQL server.
//!
//! The server is the one of `POWERFLOW_TEST_POSTGRES_URL` (a role that may create
//! databases), else one that listens on the usual port of this machine, else one that is
//! started for the test's process from the programs that are installed: always where the
//! variable says `own`.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};

/// Names the server that tests use, as `postgres://user:password@host:port`.
pub const VARIABLE: &str = "POWERFLOW_TEST_POSTGRES_URL";
/// The value that starts a server for the process.
const OWN: &str = "own";
const USUAL: ([u8; 4], u16) = ([127, 0, 0, 1], 5432);
/// Where PostgreSQL's programs are on Debian, one folder per version.
const PROGRAMS: &str = "/usr/lib/postgresql";

static NAMES: AtomicU64 = AtomicU64::new(1);
static SERVER: OnceLock<Server> = OnceLock::new();

/// A database that is dropped with this value.
pub struct Database {
    server: String,
    name: String,
    /// Where it is: what a store is opened with.
    pub url: String,
}

struct Server {
    url: String,
    /// Ends when this process does, whichever way, if it is ours.
    _own: Option<Child>,
}

impl Database {
    /// Makes an empty database.
    pub async fn new() -> Self {
        let server = SERVER.get_or_init(Server::find).url.clone();
        let name = format!(
            "powerflow_test_{}_{}",
            std::process::id(),
            NAMES.fetch_add(1, Ordering::Relaxed)
        );
        let mut connection = connect(&format!("{server}/postgres")).await;
        // A test of an earlier process with this number may have been killed.
        for sql in [
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            format!("CREATE DATABASE {name}"),
        ] {
            connection.execute(&*sql).await.unwrap();
        }
        connection.close().await.unwrap();
        let url = format!("{server}/{name}");
        Self { server, name, url }
    }

    /// A connection to it.
    pub async fn connect(&self) -> PgConnection {
        connect(&self.url).await
    }

    /// Executes statements on it.
    pub async fn execute(&self, sql: &str) {
        let mut connection = self.connect().await;
        connection.execute(sql).await.unwrap();
        connection.close().await.unwrap();
    }

    /// The number that a statement answers.
    pub async fn number(&self, sql: &str) -> i64 {
        let mut connection = self.connect().await;
        sqlx::query_scalar(sql)
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }

    /// Cuts all connections to it but the one that asks. Answers how many.
    pub async fn cut_connections(&self) -> i64 {
        self.number(&format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE datname = '{}' AND pid <> pg_backend_pid()",
            self.name
        ))
        .await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let url = format!("{}/postgres", self.server);
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // The test's own runtime is being left: another one, on another thread.
        let dropped = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(async {
                    let mut connection = connect(&url).await;
                    connection.execute(&*sql).await.unwrap();
                });
        });
        let _ = dropped.join();
    }
}

async fn connect(url: &str) -> PgConnection {
    url.parse::<PgConnectOptions>()
        .unwrap()
        .disable_statement_logging()
        .connect()
        .await
        .unwrap()
}

impl Server {
    fn find() -> Self {
        let not_ours = |url: String| Self { url, _own: None };
        match std::env::var(VARIABLE).as_deref() {
            Ok(OWN) => return Self::start(),
            Ok(url) => return not_ours(url.trim_end_matches('/').to_owned()),
            Err(_) => {}
        }
        if TcpStream::connect_timeout(&SocketAddr::from(USUAL), Duration::from_secs(1)).is_ok() {
            return not_ours(format!("postgres://postgres@127.0.0.1:{}", USUAL.1));
        }
        Self::start()
    }

    /// Starts a server on a free port, in a folder of its own.
    fn start() -> Self {
        let programs = programs();
        let folder = tempfile::tempdir().unwrap().keep();
        let data = folder.join("data");
        give_to_postgres(&folder);
        let made = as_postgres(&programs.join("initdb"))
            .args(["--auth=trust", "--username=postgres", "--no-sync", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success(), "initdb: {made}");
        let port = {
            let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            listener.local_addr().unwrap().port()
        };
        let own = as_postgres(Path::new("sh"))
            .args(["-c", UNTIL_WE_END])
            .arg(programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories="])
            .env("FOLDER", &folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        // It listens before it is ready.
        while !is_ready(&programs, port) {
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "PostgreSQL did not start"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Self {
            url: format!("postgres://postgres@127.0.0.1:{port}"),
            _own: Some(own),
        }
    }
}

fn is_ready(programs: &Path, port: u16) -> bool {
    Command::new(programs.join("pg_isready"))
        .args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()])
        .status()
        .is_ok_and(|status| status.success())
}

/// A process that is killed drops nothing, but its end of the pipe is closed.
const UNTIL_WE_END: &str = r#""$0" "$@" & server=$!
cat
kill -INT $server
wait $server
rm -rf "$FOLDER""#;

fn programs() -> PathBuf {
    let mut versions: Vec<_> = std::fs::read_dir(PROGRAMS)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    versions.sort();
    let newest = versions
        .pop()
        .unwrap_or_else(|| panic!("no PostgreSQL: install it, or name a server by {VARIABLE}"));
    newest.join("bin")
}

/// The user `postgres`, if we are root: the server refuses to run as that.
fn postgres_user() -> Option<(u32, u32)> {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let id = |name: &str| {
        let line = users.lines().find(|line| line.starts_with(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    let own = std::fs::metadata("/proc/self").ok()?;
    (std::os::unix::fs::MetadataExt::uid(&own) == 0)
        .then(|| id("postgres:"))
        .flatten()
}

fn give_to_postgres(folder: &Path) {
    if let Some((user, group)) = postgres_user() {
        chown(folder, Some(user), Some(group)).unwrap();
    }
}

fn as_postgres(program: &Path) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(program);
    if let Some((user, group)) = postgres_user() {
        command.uid(user).gid(group);
    }
    command.current_dir("/").env("LC_ALL", "C.UTF-8");
    command
}
