//! The shell examples of README and host/docs, executed on the service of the demonstration.
//!
//! Each block of a shell language says what becomes of it:
//!
//! - `sh test`: executed by bash, as it stands; it must end with exit code 0.
//! - `console`: lines that begin with `$ ` are executed; the lines after one must occur in its
//!   output in this order, `…` standing for anything.
//! - `sh elsewhere`: commands that are tested as such, that do not end by themselves, or that would
//!   start this very test again.
//!
//! Anything else is an error, so that no example escapes. Blocks of a page run in its order in the
//! root of the repository and share variables, with `pfctl` and `powerflow` on the path and the
//! variables that the demonstration tells its user to set. A page that starts a service keeps its
//! number in `SERVICE`, so that it ends with the page.

mod page;
mod shown;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use harness::place;
use harness::service::ADMIN;

use self::page::{Block, blocks};
use crate::demo::Stage;

/// What an `elsewhere` block may hold, apart from comments: what has tests of its own.
const ELSEWHERE: [&str; 10] = [
    "cargo xtask demo",
    "cargo xtask demo --once",
    "cargo xtask demo --cluster",
    "host/deploy/cluster.sh",
    "cargo xtask test",
    "cargo xtask check",
    "cargo xtask ci",
    "cargo xtask bench",
    "cargo xtask generate",
    "powerflow serve",
];

/// Runs the examples of all pages; an error with everything that failed.
pub(crate) fn check(stage: &Stage) -> anyhow::Result<()> {
    let mut failures = shown::missing(&stage.programs.join("pfctl"), &pages()?)?;
    let mut count = failures.len();
    for path in pages()? {
        let name = path
            .strip_prefix(place::root())
            .unwrap_or(&path)
            .display()
            .to_string();
        let text = fs::read_to_string(&path).with_context(|| name.clone())?;
        let shell = Shell::new(stage)?;
        for (line, block) in blocks(&text) {
            count += 1;
            if let Err(error) = block.and_then(|block| shell.perform(&block)) {
                failures.push(format!("{name}:{line}: {error:#}"));
            }
        }
    }
    if !failures.is_empty() {
        bail!(
            "{} of {count} examples failed\n{}",
            failures.len(),
            failures.join("\n")
        );
    }
    eprintln!("{count} examples did what the documentation says");
    Ok(())
}

/// README, every page in host/docs, and the example's.
fn pages() -> anyhow::Result<Vec<PathBuf>> {
    let mut pages = Vec::new();
    for name in [
        "README.md",
        "CONTRIBUTING.md",
        "examples/incident-sync/syncpack/README.md",
    ] {
        pages.push(place::root().join(name));
    }
    let folder = place::root().join("host/docs");
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    pages.sort();
    Ok(pages)
}

/// A shell whose variables last from block to block.
struct Shell {
    folder: tempfile::TempDir,
    path: OsString,
    variables: Vec<(&'static str, OsString)>,
}

impl Shell {
    fn new(stage: &Stage) -> anyhow::Result<Self> {
        let known = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths(
            std::iter::once(stage.programs.clone()).chain(env::split_paths(&known)),
        )?;
        let folder = tempfile::tempdir()?;
        let variables = vec![
            ("PFCTL_URL", stage.service()?.url().into()),
            ("PFCTL_USER", ADMIN.into()),
            ("PFCTL_PASSWORD", stage.service()?.password().into()),
            ("PFCTL_CONFIG", folder.path().join("none.toml").into()),
            ("SCRATCH", folder.path().into()),
            ("PARAMS", stage.sample().into()),
            ("SERVICENOW", stage.simulators.servicenow_url().into()),
            ("SL1", stage.simulators.sl1_url().into()),
        ];
        Ok(Self {
            folder,
            path,
            variables,
        })
    }

    fn perform(&self, block: &Block) -> anyhow::Result<()> {
        match block {
            Block::Script(script) => self.run(script).map(drop),
            Block::Session(exchanges) => {
                for exchange in exchanges {
                    let output = self.run(&exchange.command)?;
                    page::compare(&output, &exchange.expected)
                        .with_context(|| format!("`{}` printed\n{output}", exchange.command))?;
                }
                Ok(())
            }
            Block::Elsewhere(commands) => {
                match commands
                    .iter()
                    .find(|command| !ELSEWHERE.contains(&command.as_str()))
                {
                    Some(command) => bail!("`{command}` is not tested elsewhere"),
                    None => Ok(()),
                }
            }
        }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Executes a script; answers its standard output.
    fn run(&self, script: &str) -> anyhow::Result<String> {
        let state = self.state();
        let before = if state.exists() {
            "source \"$STATE\"\n"
        } else {
            ""
        };
        let whole = format!("{before}set -aeuo pipefail\n{script}\nexport -p > \"$STATE\"\n");
        let output = Command::new("bash")
            .args(["--noprofile", "--norc", "-c", &whole])
            .current_dir(place::root())
            .env("PATH", &self.path)
            .env("STATE", &state)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .output()
            .context("bash cannot be started")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!(
                "{}\n{script}\n{said}{}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(said)
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Only what a page that failed has left; a page that did not has ended it itself.
        let _ = Command::new("bash")
            .args(["--noprofile", "--norc", "-c"])
            .arg("source \"$STATE\" && [ -n \"${SERVICE:-}${SIMULATORS:-}\" ] && kill ${SERVICE:-} ${SIMULATORS:-}")
            .env("STATE", self.state())
            .env_remove("SERVICE")
            .env_remove("SIMULATORS")
            .stderr(Stdio::null())
            .status();
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_shell_example_says_what_becomes_of_it() {
        let mut executed = 0;
        for path in pages().unwrap_or_default() {
            let text = fs::read_to_string(&path).unwrap_or_default();
            for (line, block) in blocks(&text) {
                match block {
                    Ok(Block::Elsewhere(commands)) => {
                        for command in commands {
                            assert!(
                                ELSEWHERE.contains(&command.as_str()),
                                "{}:{line}: {command}",
                                path.display()
                            );
                        }
                    }
                    Ok(_) => executed += 1,
                    Err(error) => panic!("{}:{line}: {error}", path.display()),
                }
            }
        }
        assert!(executed > 5, "only {executed} examples");
    }

    #[test]
    fn every_local_link_of_the_pages_leads_somewhere() {
        let mut pages = pages().unwrap();
        pages.push(place::root().join("ARCHITECTURE.md"));
        let mut followed = 0;
        for path in pages {
            let text = fs::read_to_string(&path).unwrap();
            let folder = path.parent().unwrap_or(Path::new("/"));
            for link in page::links(&text) {
                followed += 1;
                assert!(
                    folder.join(&link).exists(),
                    "{}: {link} is not there",
                    path.display()
                );
            }
        }
        assert!(followed > 30, "only {followed} links");
    }
}
