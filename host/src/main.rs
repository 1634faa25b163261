//! `powerflow`: arguments in, one role started, an exit code out. What a role does
//! is in its own file; this one decides nothing but which.

mod arguments;
mod backends;
mod clock;
mod memory;
mod serve;
mod shutdown;
mod telemetry;
mod traces;

use std::{env, process::ExitCode};

use anyhow::Context;
use clap::Parser;
use config::{Settings, reference};
use engine::Role;

use crate::arguments::{Arguments, Command, ConfigCommand, Form, Sources};

fn main() -> ExitCode {
    let arguments = Arguments::try_parse().unwrap_or_else(|error| arguments::exit(&error));
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("powerflow: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Serve(sources) => return serve(&sources, Role::All),
        Command::Api(sources) => return serve(&sources, Role::Api),
        Command::Worker(sources) => return serve(&sources, Role::Worker),
        Command::Scheduler(sources) => return serve(&sources, Role::Scheduler),
        Command::Config {
            command: ConfigCommand::Check(sources),
        } => {
            let Some(settings) = load(&sources) else {
                return Ok(ExitCode::from(2));
            };
            print!("{}", settings.report());
        }
        Command::Config {
            command: ConfigCommand::Reference { form },
        } => match form {
            Form::Markdown => print!("{}", reference::markdown()),
            Form::Example => print!("{}", reference::example()),
            Form::Schema => print!("{}", reference::schema()),
        },
        Command::Version => println!("powerflow {}", env!("CARGO_PKG_VERSION")),
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs the service, or a part of it.
fn serve(sources: &Sources, role: Role) -> anyhow::Result<ExitCode> {
    let Some(settings) = load(sources) else {
        return Ok(ExitCode::from(2));
    };
    if role != Role::All && settings.store.database_url.is_none() {
        eprintln!(
            "powerflow: `powerflow {}` shares its store and queue with other processes: set store.database_url (DATABASE_URL) and queue.redis_url (REDIS_URL), or run everything in one process with `powerflow serve`",
            role.word()
        );
        return Ok(ExitCode::from(2));
    }
    telemetry::start(&settings.log)?;
    // Steps execute on threads of their own, so that what they do cannot starve the API.
    let mut guests = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = settings.worker.threads {
        guests.worker_threads(threads.get() as usize);
    }
    let guests = guests
        .thread_name("powerflow-guest")
        .enable_all()
        .build()
        .context("the threads for steps cannot be started")?;
    let threads = tokio::runtime::Builder::new_multi_thread()
        .thread_name("powerflow-api")
        .enable_all()
        .build()
        .context("the threads for the API cannot be started")?;
    let served = threads.block_on(serve::serve(settings, role, guests.handle().clone()));
    guests.shutdown_background();
    served?;
    Ok(ExitCode::SUCCESS)
}

/// The settings; `None` when the problems were printed instead.
fn load(sources: &Sources) -> Option<Settings> {
    let path = sources.file();
    match Settings::load(path.as_deref(), env::vars_os(), &sources.settings) {
        Ok(settings) => Some(settings),
        Err(problems) => {
            for problem in &problems {
                eprintln!("{problem}");
            }
            let (count, noun) = match problems.len() {
                1 => (1, "problem"),
                count => (count, "problems"),
            };
            eprintln!("powerflow: {count} {noun} in the settings; nothing was started");
            None
        }
    }
}
