//! `powerflow serve`, or another role, as a child process.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::http::Client;
use crate::place;
use crate::process::{Process, Usage};

/// The administrator's name.
pub const ADMIN: &str = "isadmin";
/// How long a service may take to become ready, on a busy machine and with components to compile.
const READY: Duration = Duration::from_mins(2);
/// How long one may take to drain; longer than its own limit.
const DRAIN: Duration = Duration::from_mins(1);

/// How a service is started.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program.
    pub program: PathBuf,
    /// What the process is: `serve`, `api`, `worker` or `scheduler`. Those that answer no requests
    /// are given a port for their health.
    pub role: &'static str,
    /// A folder for its data directory `data`, its log and the administrator's password.
    pub folder: PathBuf,
    /// Where it listens on the loopback interface; a free port where it is absent.
    pub port: Option<u16>,
    /// Settings such as `("worker.slots", "8")`.
    pub settings: Vec<(String, String)>,
    /// Variables of its environment.
    pub environment: Vec<(String, String)>,
    /// The file with the administrator's password; `password` in the folder where it is absent.
    pub password_file: Option<PathBuf>,
    /// Let the service make up the administrator's password and show it, as at a user's first
    /// start. Otherwise it stands in a file, and the service can be started again.
    pub generated_password: bool,
}

impl Plan {
    /// The built program in a folder, with its defaults.
    pub fn new(folder: impl Into<PathBuf>) -> anyhow::Result<Self> {
        Ok(Self {
            program: place::program("powerflow")?,
            role: "serve",
            folder: folder.into(),
            port: None,
            settings: Vec::new(),
            environment: Vec::new(),
            password_file: None,
            generated_password: false,
        })
    }

    /// The same with one more setting.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((name.to_owned(), value.into()));
        self
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Starts the service and waits until it is ready.
    pub fn start(&self) -> anyhow::Result<Service> {
        fs::create_dir_all(&self.folder)?;
        let port = match self.port {
            Some(port) => port,
            None => place::free_port()?,
        };
        let mut command = Command::new(&self.program);
        // What the caller's environment sets for a service of theirs is not meant for this one.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("POWERFLOW_") || text.starts_with("OTEL_") {
                command.env_remove(name);
            }
        }
        command.env_remove("DATABASE_URL").env_remove("REDIS_URL");
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        command.current_dir(&self.folder).arg(self.role);
        let listen = match self.role {
            "serve" | "api" => "server.listen",
            _ => "server.health_listen",
        };
        command.args(["--set", &format!("{listen}=127.0.0.1:{port}")]);
        command.args([
            "--set",
            &format!("data.directory={}", self.data().display()),
        ]);
        let mut password = String::new();
        if !self.generated_password {
            let file = match &self.password_file {
                Some(file) => file.clone(),
                None => self.folder.join("password"),
            };
            password = password_in(&file)?;
            command.args([
                "--set",
                &format!("auth.admin_password_file={}", file.display()),
            ]);
        }
        for (name, value) in &self.settings {
            command.args(["--set", &format!("{name}={value}")]);
        }
        let log = self.folder.join("service.log");
        let process = Process::start(&format!("powerflow {}", self.role), &mut command, &log)?;
        let mut service = Service {
            process,
            url: format!("http://127.0.0.1:{port}"),
            password,
        };
        service.wait_until_ready()?;
        if self.generated_password {
            service.password = password_shown(&fs::read_to_string(&log)?)?;
        }
        Ok(service)
    }
}

/// A running service. Dropping it kills it.
pub struct Service {
    process: Process,
    url: String,
    password: String,
}

impl Service {
    /// Its base URL, without a trailing slash.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The administrator's password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The file that its log is appended to.
    pub fn log(&self) -> &Path {
        self.process.log()
    }

    /// A client with the administrator's credentials.
    pub fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::new(&self.url)?.with_basic(ADMIN, &self.password))
    }

    /// What its process uses.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        self.process.usage()
    }

    /// Lets it drain and waits for its end; an error unless it ended in order.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let status = self.process.stop(DRAIN)?;
        if !status.success() {
            bail!(
                "the service ended with {status}{}",
                self.process.last_words()
            );
        }
        Ok(())
    }

    /// Ends it without a chance to tidy up.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        Ok(())
    }

    /// Uploads a built SyncPack.
    pub fn upload(&self, pack: &Path) -> anyhow::Result<()> {
        let file = fs::read(pack).with_context(|| pack.display().to_string())?;
        let headers = [("content-type", "application/wasm")];
        let response = self
            .client()?
            .send("POST", "/api/v1/syncpacks", &headers, &file)?;
        response
            .json()
            .with_context(|| format!("{} was not taken", pack.display()))?;
        Ok(())
    }

    /// Activates a SyncPack with grants, which may all lead to this machine; one of the id `cache`
    /// leads nowhere.
    pub fn activate(&self, pack: &str, grants: &[&str]) -> anyhow::Result<()> {
        let grants: Vec<_> = grants
            .iter()
            .map(|id| serde_json::json!({"id": id, "private_network": *id != "cache"}))
            .collect();
        let path = format!("/api/v1/syncpacks/{pack}/activate");
        let body = serde_json::json!({"grants": grants});
        self.client()?.send_json("POST", &path, &body)?;
        Ok(())
    }

    /// Saves a configuration object of a name for addresses, whatever was there before. Grants hold
    /// for the hosts that it names when they are given: activate SyncPacks after it.
    pub fn configure(&self, name: &str, document: &serde_json::Value) -> anyhow::Result<()> {
        let body = serde_json::to_vec(document)?;
        let mut headers = vec![("content-type", "application/json"), ("if-match", "*")];
        let path = format!("/api/v1/configurations/{name}");
        let mut client = self.client()?;
        let mut response = client.send("PUT", &path, &headers, &body)?;
        if response.status == 412 {
            headers.pop();
            response = client.send("POST", "/api/v1/configurations", &headers, &body)?;
        }
        response.json()?;
        Ok(())
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let mut client = Client::new(&self.url)?;
        let started = Instant::now();
        let mut answer = String::new();
        while started.elapsed() < READY {
            self.process.expect_running()?;
            match client.send("GET", "/readyz", &[], &[]) {
                Ok(response) if response.status == 200 => return Ok(()),
                Ok(response) => answer = String::from_utf8_lossy(&response.body).into_owned(),
                Err(error) => answer = format!("{error:#}"),
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!(
            "the service is not ready after {} s: {answer}{}",
            READY.as_secs(),
            self.process.last_words()
        );
    }
}

/// The password in a file, which is made with a random one if it is not there.
fn password_in(path: &Path) -> anyhow::Result<String> {
    if !path.exists() {
        let mut random = [0; 12];
        fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
        let text: Vec<String> = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        writeln!(file, "{}", text.concat())?;
    }
    Ok(fs::read_to_string(path)?.trim().to_owned())
}

/// The password that a service made up at its first start.
fn password_shown(log: &str) -> anyhow::Result<String> {
    let said = log
        .lines()
        .find_map(|line| Some(line.split_once(" with the password ")?.1));
    Ok(said
        .context("the service showed no password")?
        .trim()
        .to_owned())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_password_file_is_for_its_owner_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let password = password_in(&path).unwrap();
        assert_eq!(password.len(), 24);
        assert_eq!(password_in(&path).unwrap(), password);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn the_password_that_was_made_up_is_found_in_the_log() {
        let log = "x\nThe administrator is `isadmin` with the password a-b \nPowerFlow listens\n";
        assert_eq!(password_shown(log).unwrap(), "a-b");
        assert!(password_shown("PowerFlow listens").is_err());
    }
}
