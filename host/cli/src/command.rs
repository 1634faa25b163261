//! The commands, a file for each group.

pub(crate) mod application;
pub(crate) mod approval;
pub(crate) mod cache;
pub(crate) mod configuration;
pub(crate) mod limit;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod signal;
pub(crate) mod step;
pub(crate) mod syncpack;
pub(crate) mod task;
pub(crate) mod webhook;
pub(crate) mod worker;

use clap::CommandFactory as _;
use serde_json::json;

use crate::{
    arguments::{Arguments, Command},
    failure::{Exit, Failure},
    output::{facts, text, time},
    session::Session,
};

/// Does what the command line asks for.
pub(crate) async fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let session = Session::new(arguments.global);
    match arguments.command {
        Command::Application(command) => application::run(&session, command).await,
        Command::Run(command) => run::run(&session, command).await,
        Command::Task(command) => task::run(&session, command).await,
        Command::Approval(command) => approval::run(&session, command).await,
        Command::Signal(command) => signal::run(&session, command).await,
        Command::Configuration(command) => configuration::run(&session, command).await,
        Command::Schedule(command) => schedule::run(&session, command).await,
        Command::Webhook(command) => webhook::run(&session, command).await,
        Command::Step(command) => step::run(&session, command).await,
        Command::Syncpack(command) => syncpack::run(&session, command).await,
        Command::Cache(command) => cache::run(&session, command).await,
        Command::Limit(command) => limit::run(&session, command).await,
        Command::Worker(command) => worker::run(&session, command).await,
        Command::About => about(&session).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "pfctl", &mut script);
            crate::output::line(String::from_utf8_lossy(&script).trim_end());
            Ok(Exit::Success)
        }
    }
}

async fn about(session: &Session) -> Result<Exit, Failure> {
    let service = session.client()?.get(&["about"]).await?.json()?;
    let all = json!({"pfctl": env!("CARGO_PKG_VERSION"), "service": service});
    session.output.result(&all, |all| {
        let service = &all["service"];
        let mut pairs = vec![("pfctl", text(&all["pfctl"]))];
        for (name, value) in service.as_object().into_iter().flatten() {
            match name.as_str() {
                "workers" => {}
                "served" => pairs.push(("served queues", worker::served(value))),
                "started_at" => pairs.push(("started", time(value))),
                _ => pairs.push((name.as_str(), text(value))),
            }
        }
        let workers = service["workers"].as_array().map_or(&[][..], Vec::as_slice);
        format!("{}\n{}", facts(&pairs), worker::processes(workers))
    });
    Ok(Exit::Success)
}
