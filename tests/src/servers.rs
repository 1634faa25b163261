//! PostgreSQL and Redis as child processes of a test's own, which it may stop, kill and start again.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::place;
use crate::process::Process;

/// How long a server may take to answer, on a busy machine and after a crash.
const READY: Duration = Duration::from_mins(1);
const STOP: Duration = Duration::from_secs(30);
const GLANCE: Duration = Duration::from_millis(20);
/// Where PostgreSQL's programs are on Debian, one folder per version.
const POSTGRES: &str = "/usr/lib/postgresql";

/// A PostgreSQL server with an empty database `powerflow`.
pub struct Postgres {
    process: Option<Process>,
    folder: PathBuf,
    port: u16,
    user: Option<(u32, u32)>,
}

impl Postgres {
    /// Starts one with its data in a folder.
    pub fn start(folder: &Path) -> anyhow::Result<Self> {
        let folder = folder.join("postgres");
        fs::create_dir_all(&folder)?;
        let user = if effective_user()? == 0 {
            let user = account("postgres")?;
            chown(&folder, Some(user.0), Some(user.1))?;
            reachable(&folder)?;
            Some(user)
        } else {
            None
        };
        let mut server = Self {
            process: None,
            folder,
            port: place::free_port()?,
            user,
        };
        let mut initdb = server.program("initdb")?;
        initdb
            .args([
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
            ])
            .args(["--no-sync", "--no-instructions", "-D"])
            .arg(server.data());
        let made = initdb.output().context("initdb cannot be started")?;
        if !made.status.success() {
            bail!("initdb: {}", String::from_utf8_lossy(&made.stderr));
        }
        server.launch()?;
        server.execute("postgres", "CREATE DATABASE powerflow")?;
        Ok(server)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// One of the server's programs, as the user that the server runs as.
    fn program(&self, name: &str) -> anyhow::Result<Command> {
        let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(POSTGRES)
            .with_context(|| format!("PostgreSQL is not installed: no {POSTGRES}"))?
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let version = entry.file_name().to_str()?.parse().ok()?;
                Some((version, entry.path().join("bin")))
            })
            .filter(|(_, programs)| programs.join("initdb").is_file())
            .collect();
        versions.sort();
        let (_, programs) = versions.pop().context("PostgreSQL is not installed")?;
        let mut command = Command::new(programs.join(name));
        command.current_dir(&self.folder);
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        Ok(command)
    }

    /// Starts the server, again if it was stopped or killed.
    pub fn launch(&mut self) -> anyhow::Result<()> {
        let mut command = self.program("postgres")?;
        command.process_group(0); // A terminal's Ctrl-C is for those who use it.
        command.arg("-D").arg(self.data()).args([
            "-c",
            &format!("port={}", self.port),
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "unix_socket_directories=",
            "-c",
            "max_connections=100",
        ]);
        let log = self.folder.join("server.log");
        let mut process = Process::start("postgres", &mut command, &log)?;
        wait(&mut process, self.port, || {
            let mut asked = self.program("pg_isready")?;
            asked.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
            Ok(asked.status()?.success())
        })?;
        self.process = Some(process);
        Ok(())
    }

    /// Lets it end at once, as at a restart of the machine: connections are cut.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        if let Some(mut process) = self.process.take() {
            process.signal("INT")?;
            process.stop(STOP)?;
        }
        Ok(())
    }

    /// Where it listens on the loopback interface.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of the service's database.
    pub fn url(&self) -> String {
        self.url_through(self.port)
    }

    /// The same through another port, of somebody between.
    pub fn url_through(&self, port: u16) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/powerflow?sslmode=disable")
    }

    /// The same server, to be asked by another thread; it holds no process.
    pub fn asked(&self) -> Self {
        Self {
            process: None,
            folder: self.folder.clone(),
            port: self.port,
            user: self.user,
        }
    }

    /// Cuts every connection to the service's database; how many there were.
    pub fn cut_connections(&self) -> anyhow::Result<i64> {
        let cut = self.execute(
            "postgres",
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = 'powerflow'",
        )?;
        cut.parse().with_context(|| format!("a number, not {cut}"))
    }

    /// Whether its process runs.
    pub fn runs(&mut self) -> bool {
        self.process
            .as_mut()
            .is_some_and(|process| process.expect_running().is_ok())
    }

    /// Executes a statement on a database; its answer, a line for each row, columns divided by `|`.
    pub fn execute(&self, database: &str, sql: &str) -> anyhow::Result<String> {
        let mut psql = self.program("psql")?;
        psql.args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
        ])
        .args([
            "-p",
            &self.port.to_string(),
            "-U",
            "postgres",
            "-d",
            database,
            "-c",
            sql,
        ]);
        let output = psql.output().context("psql cannot be started")?;
        if !output.status.success() {
            bail!("{sql}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// How many times a second a script of `pgbench` is done by so many clients.
    pub fn benchmark(&self, script: &Path, clients: u32, seconds: u64) -> anyhow::Result<f64> {
        let clients = clients.to_string();
        let script = fs::read_to_string(script)?;
        let copy = self.folder.join("script.sql");
        fs::write(&copy, script)?;
        let mut pgbench = self.program("pgbench")?;
        pgbench
            .args([
                "-n",
                "-M",
                "prepared",
                "-c",
                &clients,
                "-j",
                "2",
                "-T",
                &seconds.to_string(),
            ])
            .args([
                "-h",
                "127.0.0.1",
                "-p",
                &self.port.to_string(),
                "-U",
                "postgres",
                "-f",
            ])
            .arg(&copy)
            .arg("powerflow");
        let output = pgbench.output().context("pgbench cannot be started")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines()
            .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
            .with_context(|| {
                format!(
                    "pgbench said {text}{}",
                    String::from_utf8_lossy(&output.stderr)
                )
            })
    }

    /// The number that a query on the service's database gives.
    pub fn number(&self, sql: &str) -> anyhow::Result<i64> {
        let text = self.execute("powerflow", sql)?;
        text.parse().with_context(|| format!("{sql} gave {text}"))
    }

    /// Its process.
    pub fn process(&mut self) -> anyhow::Result<&mut Process> {
        self.process.as_mut().context("PostgreSQL is stopped")
    }
}

/// A Redis server that stores nothing on the disk.
pub struct Redis {
    process: Option<Process>,
    folder: PathBuf,
    port: u16,
}

impl Redis {
    /// Starts one.
    pub fn start(folder: &Path) -> anyhow::Result<Self> {
        let folder = folder.join("redis");
        fs::create_dir_all(&folder)?;
        let mut server = Self {
            process: None,
            folder,
            port: place::free_port()?,
        };
        server.launch()?;
        Ok(server)
    }

    /// Starts the server, empty, again if it was stopped or killed.
    pub fn launch(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new("redis-server");
        command.process_group(0); // As above.
        command.current_dir(&self.folder).args([
            "--port",
            &self.port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]);
        let log = self.folder.join("server.log");
        let mut process = Process::start("redis-server", &mut command, &log)?;
        wait(&mut process, self.port, || {
            Ok(self.ask(&["PING"]).is_ok_and(|answer| answer == "PONG"))
        })?;
        self.process = Some(process);
        Ok(())
    }

    /// Ends it as `kill -9` does: what it held is lost.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
        }
        Ok(())
    }

    /// Its port on the loopback interface.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What is left of work in it: entries of streams, deliveries without an answer, dead
    /// letters. Empty when nothing waits.
    pub fn left_over(&self) -> anyhow::Result<Vec<String>> {
        let mut left = Vec::new();
        for key in self.ask(&["KEYS", "*"])?.lines() {
            match self.ask(&["TYPE", key])?.as_str() {
                "stream" => {
                    let entries = self.ask(&["XLEN", key])?;
                    let pending = self.ask(&["XPENDING", key, "workers"])?;
                    let pending = pending.lines().next().unwrap_or_default();
                    if (entries.as_str(), pending) != ("0", "0") {
                        left.push(format!("{key}: {entries} entries, {pending} pending"));
                    }
                }
                "list" => left.push(format!("{key}: {} dead letters", self.ask(&["LLEN", key])?)),
                _ => {}
            }
        }
        Ok(left)
    }

    /// What it answers to a command.
    pub fn ask(&self, command: &[&str]) -> anyhow::Result<String> {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(command)
            .output()
            .context("redis-cli cannot be started")?;
        if !output.status.success() {
            bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Its process.
    pub fn process(&mut self) -> anyhow::Result<&mut Process> {
        self.process.as_mut().context("Redis is stopped")
    }
}

fn wait(
    process: &mut Process,
    port: u16,
    answers: impl Fn() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let started = Instant::now();
    while started.elapsed() < READY {
        process.expect_running()?;
        if TcpStream::connect(("127.0.0.1", port)).is_ok() && answers()? {
            return Ok(());
        }
        thread::sleep(GLANCE);
    }
    bail!("the server does not answer{}", process.last_words())
}

/// Who this process runs as.
fn effective_user() -> anyhow::Result<u32> {
    let status = fs::read_to_string("/proc/self/status")?;
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix("Uid:")?
                .split_whitespace()
                .nth(1)?
                .parse()
                .ok()
        })
        .context("/proc/self/status names no user")
}

/// User and group number of an account.
fn account(name: &str) -> anyhow::Result<(u32, u32)> {
    let text = fs::read_to_string("/etc/passwd")?;
    let found = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then_some(())?;
        Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    found.with_context(|| format!("there is no account {name}"))
}

/// Lets other accounts pass through the folders above, as far as they are ours and temporary.
fn reachable(folder: &Path) -> anyhow::Result<()> {
    for above in folder.ancestors().skip(1) {
        let permissions = fs::metadata(above)?.permissions();
        if permissions.mode() & 0o001 == 0 {
            fs::set_permissions(
                above,
                fs::Permissions::from_mode(permissions.mode() | 0o011),
            )
            .with_context(|| format!("{} keeps other accounts out", above.display()))?;
        }
    }
    Ok(())
}
