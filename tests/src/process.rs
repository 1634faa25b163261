//! Child processes with a log file, ended when they are dropped, and what they use.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// Ticks of a second in `/proc/<pid>/stat`: fixed on Linux, whatever the kernel's own rate is.
const TICKS: u64 = 100;
/// How often a process that shall end is looked at.
const GLANCE: Duration = Duration::from_millis(10);

/// A running child process. Dropping it kills it.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

/// What a process uses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Memory that is resident, in megabytes of 1,000,000 bytes.
    pub resident_mb: f64,
    /// CPU time since its start, user and system.
    pub cpu: Duration,
}

impl Process {
    /// Starts a program. Its standard output and error are appended to `log`.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let file = open_log(log)?;
        let again = file.try_clone()?;
        command.stdin(Stdio::null()).stdout(file).stderr(again);
        Self::spawn(name, command, log)
    }

    /// Starts a program that tells on its first line of output what others need to know.
    /// Standard error is appended to `log`.
    pub fn start_and_listen(
        name: &str,
        command: &mut Command,
        log: &Path,
    ) -> anyhow::Result<(Self, String)> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(open_log(log)?);
        let mut process = Self::spawn(name, command, log)?;
        let output = process
            .child
            .stdout
            .take()
            .context("the output is not piped")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        if line.trim().is_empty() {
            bail!("{name} said nothing{}", process.last_words());
        }
        Ok((process, line))
    }

    fn spawn(name: &str, command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let child = command
            .spawn()
            .with_context(|| format!("{} cannot be started", command.get_program().display()))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        })
    }

    /// Its process number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its log file.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How it ended; `None` while it runs.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// An error when it has ended.
    pub fn expect_running(&mut self) -> anyhow::Result<()> {
        match self.ended()? {
            None => Ok(()),
            Some(status) => bail!("{} ended ({status}){}", self.name, self.last_words()),
        }
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let id = self.id().to_string();
        let status = Command::new("kill").args(["-s", signal, &id]).status()?;
        if !status.success() {
            bail!("{} (process {id}) cannot be sent {signal}", self.name);
        }
        Ok(())
    }

    /// Asks it to end and waits for that. An error when it takes longer: it is killed then.
    pub fn stop(&mut self, at_most: Duration) -> anyhow::Result<ExitStatus> {
        if let Some(status) = self.ended()? {
            return Ok(status);
        }
        self.signal("TERM")?;
        let asked = Instant::now();
        while asked.elapsed() < at_most {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            thread::sleep(GLANCE);
        }
        self.kill()?;
        bail!(
            "{} did not end within {} s and was killed{}",
            self.name,
            at_most.as_secs(),
            self.last_words()
        );
    }

    /// Ends it as `kill -9` does: without a chance to tidy up.
    pub fn kill(&mut self) -> anyhow::Result<ExitStatus> {
        self.child.kill()?;
        Ok(self.child.wait()?)
    }

    /// What it uses now.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        usage(self.id())
    }

    /// The end of its log, for an error message.
    pub fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(15)..].join("\n  ");
        if tail.is_empty() {
            return format!("; its log {} is empty", self.log.display());
        }
        format!("; its log {} ends with\n  {tail}", self.log.display())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already cannot be killed; waiting takes it off the process table.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn open_log(path: &Path) -> anyhow::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let file = File::options().create(true).append(true).open(path);
    file.with_context(|| format!("{} cannot be written", path.display()))
}

/// What a process of this machine uses.
pub fn usage(id: u32) -> anyhow::Result<Usage> {
    let read = |name: &str| {
        let path = format!("/proc/{id}/{name}");
        fs::read_to_string(&path)
            .with_context(|| format!("{path} cannot be read: has the process ended?"))
    };
    parse(&read("status")?, &read("stat")?).with_context(|| format!("/proc/{id} is not understood"))
}

/// The CPU time of a process and of all its children, those that have ended included.
pub fn family_cpu(id: u32) -> anyhow::Result<Duration> {
    let mut total = 0;
    for entry in fs::read_dir("/proc")? {
        let Ok(number) = entry?.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        // One that has just ended counts for its parent.
        let Ok(stat) = fs::read_to_string(format!("/proc/{number}/stat")) else {
            continue;
        };
        let Some((_, fields)) = stat.rsplit_once(')') else {
            continue;
        };
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let number_at = |index: usize| fields.get(index).and_then(|text| text.parse::<u64>().ok());
        let ours = number == id;
        if ours || number_at(1) == Some(u64::from(id)) {
            // User and system time, of itself and, for the parent, of children that were waited for.
            let range = if ours { 11..15 } else { 11..13 };
            total += range.filter_map(number_at).sum::<u64>();
        }
    }
    Ok(Duration::from_millis(total * (1000 / TICKS)))
}

fn parse(status: &str, stat: &str) -> Option<Usage> {
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = resident.trim().strip_suffix("kB")?.trim().parse().ok()?;
    // The second field is the program's name in parentheses, which may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Usage {
        resident_mb: kib * 1024.0 / 1e6,
        cpu: Duration::from_millis((ticks(11)? + ticks(12)?) * (1000 / TICKS)),
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_account_is_read() {
        let status = "Name:\tx\nVmPeak:\t  9 kB\nVmRSS:\t  2000 kB\n";
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 99 0 0 0 150 25 3 4 20 0 9 0 100 1 2";
        let usage = parse(status, stat).unwrap();
        assert_eq!(usage.cpu, Duration::from_millis(1750));
        assert!((usage.resident_mb - 2.048).abs() < 1e-9);
        assert_eq!(parse("", stat), None);
        assert_eq!(parse(status, "7 (a"), None);
    }

    #[test]
    fn a_process_is_listened_to_measured_and_ended() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("logs/one.log");
        let mut command = Command::new("sh");
        command.args(["-c", "echo fine >&2; echo ready; exec sleep 600"]);
        let (mut process, line) = Process::start_and_listen("sleeper", &mut command, &log).unwrap();
        assert_eq!(line, "ready\n");
        assert!(process.usage().unwrap().resident_mb > 0.0);
        process.expect_running().unwrap();
        let status = process.stop(Duration::from_mins(1)).unwrap();
        assert_eq!(status.code(), None, "ended by a signal");
        let why = process.expect_running().unwrap_err().to_string();
        assert!(why.contains("sleeper") && why.contains("fine"), "{why}");
    }

    #[test]
    fn a_program_that_says_nothing_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut command = Command::new("sh");
        command.args(["-c", "echo broken >&2"]);
        let why = Process::start_and_listen("mute", &mut command, &log)
            .err()
            .unwrap()
            .to_string();
        assert!(why.contains("broken"), "{why}");
    }
}
