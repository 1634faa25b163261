//! `pfctl syncpack build`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use syncpack::{
    Archive,
    source::{Component, Folder, assemble},
};

use super::describe::describe;
use crate::{
    command::syncpack::grants::{Asked, flags, remark},
    failure::{Exit, Failure},
    file,
    output::warning_line,
    progress,
    session::Session,
    shell,
};

/// What to build.
#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The source folder, with meta.json
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The file to write [default: NAME-VERSION.wasm]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Where cargo puts what it makes
    #[arg(long, value_name = "FOLDER")]
    target_dir: Option<PathBuf>,
    /// Use only what is already downloaded
    #[arg(long)]
    offline: bool,
    /// Do not add the compiler's target for WebAssembly where it is missing
    #[arg(long)]
    no_add_target: bool,
}

/// Builds the file and prints its name.
pub(crate) async fn run(session: &Session, build: &Build) -> Result<Exit, Failure> {
    let folder = Folder::load(&build.folder)?;
    let component = compile(session, build, &folder).await?;
    let spinner = progress::spinner(session.output.json, "asking it for its steps");
    let description = describe(&component).await;
    spinner.finish_and_clear();
    let file = assemble(&folder, &component, &description?)?;
    let archive = Archive::read(&file)?;
    let path = build.output.clone().unwrap_or_else(|| {
        PathBuf::from(format!("{}-{}.wasm", folder.meta.name, folder.meta.version))
    });
    file::write(&path, &file)?;
    for warning in &archive.warnings {
        let line = warning_line(warning.code, &warning.path, &warning.message);
        session.output.remark(&line);
    }
    let steps: Vec<_> = archive
        .metadata
        .manifest
        .steps
        .iter()
        .map(|step| step.name.clone())
        .collect();
    let report = json!({
        "file": path, "name": folder.meta.name, "version": folder.meta.version,
        "size": file.len(), "digest": archive.digest, "steps": steps,
    });
    session
        .output
        .result(&report, |_| path.display().to_string());
    session.output.remark(&format!(
        "{} {}: {} kB, steps: {}",
        folder.meta.name,
        folder.meta.version,
        file.len().div_ceil(1000),
        steps.join(", ")
    ));
    let manifest = serde_json::to_value(&archive.metadata.manifest).unwrap_or_default();
    let asked = Asked::all(&manifest, &serde_json::Value::Null);
    session.output.remark(&format!(
        "next: pfctl syncpack upload {} --activate{}",
        shell::path(&path),
        flags(&asked)
    ));
    if let Some(remark) = remark(&asked) {
        session.output.remark(&remark);
    }
    Ok(Exit::Success)
}

async fn compile(session: &Session, build: &Build, folder: &Folder) -> Result<Vec<u8>, Failure> {
    let root = match &folder.component {
        Component::Prebuilt(path) => return file::bytes(path),
        Component::Cargo => folder.root.clone(),
    };
    let options = syncpack::build::Options {
        target_dir: build.target_dir.clone(),
        offline: build.offline,
        add_target: !build.no_add_target,
        inside_cargo: false,
    };
    let spinner = progress::spinner(session.output.json, "compiling");
    let shown = spinner.clone();
    let work = tokio::task::spawn_blocking(move || {
        let said = |line: &str| shown.set_message(line.trim().chars().take(70).collect::<String>());
        syncpack::build::build(&root, &options, &said)
    });
    let done = work.await;
    spinner.finish_and_clear();
    match done {
        Ok(component) => Ok(component?),
        Err(error) => Err(Failure::local(format!("the build was broken off: {error}"))),
    }
}
