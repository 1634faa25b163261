//! Where things are: the workspace, the programs built from it, free ports.

use std::env;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Names the folder of the built programs where it is not the one of the running program.
pub const PROGRAMS: &str = "POWERFLOW_PROGRAMS";

/// The workspace's root.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The folder that cargo builds into, of all profiles.
pub fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(given) => root().join(given),
        None => root().join("target"),
    }
}

/// The folder of the built programs: that of the running program, which tests lie below.
pub fn programs() -> anyhow::Result<PathBuf> {
    if let Some(given) = env::var_os(PROGRAMS) {
        return Ok(PathBuf::from(given));
    }
    let running = env::current_exe().context("the running program has no path")?;
    let mut folder = running
        .parent()
        .context("the running program has no folder")?;
    if folder.ends_with("deps") {
        folder = folder.parent().unwrap_or(folder);
    }
    Ok(folder.to_owned())
}

/// A built program of the workspace.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let path = programs()?.join(name);
    if !path.is_file() {
        bail!(
            "{} is not there: build it first, as `cargo xtask test` does",
            path.display()
        );
    }
    Ok(path)
}

/// A port of the loopback interface that nobody uses at the moment.
pub fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    Ok(listener.local_addr()?.port())
}
