//! Compiles the cargo package of a source folder to a component.

mod flags;
mod places;

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use serde_json::Value;

use crate::Error;

/// The target of every component.
pub const TARGET: &str = "wasm32-wasip2";

/// Flags of the linker. The stack is part of the memory that the host maps and clears
/// for each execution: 128 KiB instead of Rust's 1 MiB. It stands before the data, so
/// that an overflow traps instead of writing over them.
pub const LINKER: [&str; 2] = ["-zstack-size=131072", "--stack-first"];

/// The profile, as environment variables of cargo.
const PROFILE: [(&str, &str); 5] = [
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s"),
    ("CARGO_PROFILE_RELEASE_LTO", "true"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
    ("CARGO_PROFILE_RELEASE_STRIP", "true"),
];

/// How to build.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where cargo puts what it makes; its own choice without it.
    pub target_dir: Option<PathBuf>,
    /// Use only what is already downloaded.
    pub offline: bool,
    /// Add the target with rustup where it is missing.
    pub add_target: bool,
    /// A build script asks: what its cargo says about the program that it builds is not
    /// meant for the component.
    pub inside_cargo: bool,
}

/// Compiles the package in `folder` and returns the component's bytes. Each line that
/// cargo says goes to `progress`.
pub fn build(
    folder: &Path,
    options: &Options,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Vec<u8>, Error> {
    let manifest = folder.join("Cargo.toml");
    let manifest = fs::canonicalize(&manifest).map_err(|source| Error::Io {
        path: manifest,
        source,
    })?;
    ensure_target(folder, options, progress)?;

    let mut cargo = cargo(folder, "build", options)?;
    cargo.args(["--release", "--target", TARGET]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    let mut flags: Vec<_> = LINKER
        .iter()
        .flat_map(|flag| ["-C".to_owned(), format!("link-arg={flag}")])
        .collect();
    flags.extend(places::remapped(folder, options)?);
    flags::add(&mut cargo, folder, &flags, options.inside_cargo)?;
    cargo.envs(PROFILE);
    let artefact = run(&mut cargo, &manifest, progress)?;
    fs::read(&artefact).map_err(|source| Error::Io {
        path: artefact,
        source,
    })
}

/// A command of cargo in the package's folder.
fn cargo(folder: &Path, command: &str, options: &Options) -> Result<Command, Error> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(folder).arg(command);
    if options.offline {
        cargo.arg("--offline");
    }
    if let Some(target_dir) = &options.target_dir {
        let absolute = std::path::absolute(target_dir).map_err(|source| Error::Io {
            path: target_dir.clone(),
            source,
        })?;
        cargo.env("CARGO_TARGET_DIR", absolute);
    }
    // A cargo that runs us, as `cargo xtask` does, must not choose how the package is compiled.
    cargo
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("CARGO_BUILD_TARGET");
    Ok(cargo)
}

/// The compiler, asked for something in the package's folder: its toolchain is chosen there.
fn rustc(folder: &Path) -> Command {
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.current_dir(folder);
    rustc
}

/// Runs cargo; returns the path of the component that it made.
fn run(
    cargo: &mut Command,
    manifest: &Path,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<PathBuf, Error> {
    let failed = |error: std::io::Error| {
        Error::Build(format!("cargo cannot be run: {error}; is Rust installed?"))
    };
    let mut child = cargo
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(Error::Build("cargo gives no output".to_owned()));
    };
    let (artefact, said) = thread::scope(|scope| {
        let talk = scope.spawn(|| {
            let mut said = Vec::new();
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                progress(&line);
                said.push(line);
            }
            said
        });
        let artefact = BufReader::new(stdout)
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| component_of(&line, manifest))
            .last();
        (artefact, talk.join().unwrap_or_default())
    });
    let status = child.wait().map_err(failed)?;
    if !status.success() {
        let from = said
            .iter()
            .position(|line| line.starts_with("error"))
            .unwrap_or(said.len().saturating_sub(20));
        return Err(Error::Build(format!(
            "cargo could not build the SyncPack:\n{}",
            said[from..].join("\n")
        )));
    }
    artefact.ok_or_else(|| {
        Error::Build(
            "cargo built no component: give Cargo.toml the lines\n[lib]\ncrate-type = [\"cdylib\"]"
                .to_owned(),
        )
    })
}

/// The component that one of cargo's messages announces for this package.
fn component_of(line: &str, manifest: &Path) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message.get("reason")?.as_str()? != "compiler-artifact"
        || Path::new(message.get("manifest_path")?.as_str()?) != manifest
    {
        return None;
    }
    let files = message.get("filenames")?.as_array()?;
    files
        .iter()
        .filter_map(Value::as_str)
        .map(PathBuf::from)
        .find(|file| {
            file.extension()
                .is_some_and(|extension| extension == "wasm")
        })
}

fn ensure_target(
    folder: &Path,
    options: &Options,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<(), Error> {
    let output = rustc(folder)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .map_err(|error| {
            Error::Build(format!("rustc cannot be run: {error}; is Rust installed?"))
        })?;
    let libraries = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() && Path::new(&libraries).is_dir() {
        return Ok(());
    }
    let missing = || {
        Error::Build(format!(
            "the compiler lacks the target {TARGET}; add it with `rustup target add {TARGET}`"
        ))
    };
    if !options.add_target {
        return Err(missing());
    }
    progress(&format!("rustup target add {TARGET}"));
    match Command::new("rustup")
        .current_dir(folder)
        .args(["target", "add", TARGET])
        .stdin(Stdio::null())
        .output()
    {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(Error::Build(format!(
                "`rustup target add {TARGET}` failed:\n{why}"
            )))
        }
        Err(_) => Err(missing()),
    }
}
