//! Servers that tests start for themselves: their programs, installed where they are
//! missing.

use std::process::Command;

use anyhow::bail;

use crate::report;

/// PostgreSQL's programs, wherever the distribution puts them.
pub(crate) fn add_postgres() -> anyhow::Result<()> {
    let there = || {
        std::fs::read_dir("/usr/lib/postgresql").is_ok_and(|versions| {
            versions
                .filter_map(Result::ok)
                .any(|version| version.path().join("bin/initdb").is_file())
        })
    };
    let missing =
        "PostgreSQL's server programs are needed by tests; install PostgreSQL 14 or later";
    if there() {
        return Ok(());
    }
    install("postgresql", missing)?;
    if !there() {
        bail!(missing);
    }
    Ok(())
}

/// `redis-server` and `redis-cli`, 6.2 or later.
pub(crate) fn add_redis() -> anyhow::Result<()> {
    let there = |program| report::output(Command::new(program).arg("--version")).is_ok();
    if there("redis-server") && there("redis-cli") {
        return Ok(());
    }
    let missing = "redis-server and redis-cli are needed by tests; install Redis 6.2 or later";
    install("redis-server", missing)?;
    if !there("redis-server") || !there("redis-cli") {
        bail!(missing);
    }
    Ok(())
}

/// libfaketime, which lets a process believe in another time of day.
pub(crate) fn add_faketime() -> anyhow::Result<()> {
    let there = || {
        std::fs::read_dir("/usr/lib").is_ok_and(|folders| {
            folders
                .filter_map(Result::ok)
                .any(|folder| folder.path().join("faketime/libfaketimeMT.so.1").is_file())
        })
    };
    if there() {
        return Ok(());
    }
    let missing = "libfaketime is needed by tests; install it";
    install("libfaketime", missing)?;
    if !there() {
        bail!(missing);
    }
    Ok(())
}

/// Installs the browser that the pages are tested in, where there is none.
pub(crate) fn add_chromium() -> anyhow::Result<()> {
    let there = || report::output(Command::new("chromium").arg("--version")).is_ok();
    if there() {
        return Ok(());
    }
    let missing = "Chromium is needed to test the browser UI; install it";
    install("chromium", missing)?;
    if !there() {
        bail!(missing);
    }
    Ok(())
}

/// Installs a package of the distribution.
fn install(package: &str, missing: &str) -> anyhow::Result<()> {
    if report::output(Command::new("apt-get").arg("--version")).is_err() {
        bail!("{missing}");
    }
    eprintln!("Installing {package} …");
    let root = report::output(Command::new("id").arg("-u"))?.trim() == "0";
    let apt_get = |arguments: &[&str]| {
        let mut command = if root {
            Command::new("apt-get")
        } else {
            let mut command = Command::new("sudo");
            // Without a terminal it must fail rather than ask.
            command.args(["--non-interactive", "apt-get"]);
            command
        };
        command.env("DEBIAN_FRONTEND", "noninteractive");
        report::run(command.args(arguments))
    };
    let install = ["install", "--yes", "--no-install-recommends", package];
    // The lists of packages may be old, or not there.
    if apt_get(&install).is_err() {
        apt_get(&["update"])?;
        apt_get(&install)?;
    }
    Ok(())
}
