//! `cargo xtask demo`: the incident example, from nothing to incidents in the simulator.

mod outcome;
mod running;
mod stage;

use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use harness::packs::INCIDENT_SYNC;
use harness::place;
use harness::service::ADMIN;

pub(crate) use self::running::Shape;
pub(crate) use self::stage::Stage;
use crate::build;

/// The example's application.
pub(crate) const APPLICATION: &str = "create_or_update_servicenow_incident_from_sl1_event";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Stop everything at the end; exit code 0 only if the example produced its result
    #[arg(long)]
    once: bool,
    /// As a cluster: PostgreSQL, Redis, an api, two workers and a scheduler, each a process
    #[arg(long)]
    cluster: bool,
    /// Where the service listens [default: a free port]
    #[arg(long)]
    port: Option<u16>,
    /// How many events to synchronise
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=5_000))]
    events: u16,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    // Whoever names a folder of programs has built them.
    if std::env::var_os(place::PROGRAMS).is_none() {
        build::programs()?;
    }
    build::packs()?;
    let stopped = stop_signal()?;
    let shape = if options.cluster {
        Shape::Cluster
    } else {
        Shape::Single
    };
    let mut stage = Stage::set(shape, options.port, usize::from(options.events))?;
    match perform(&mut stage) {
        Ok(()) => {}
        Err(error) => {
            eprintln!("\nThe example did not produce its result: {error:#}");
            eprintln!("The logs are in {}", stage.keep().display());
            return Ok(ExitCode::FAILURE);
        }
    }
    if options.once {
        if shape == Shape::Cluster {
            println!("\n{}", stage.running.places()?);
        }
        stage.stop()?;
        return Ok(ExitCode::SUCCESS);
    }
    println!("{}", next(&mut stage, shape)?);
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(Duration::from_millis(200)) {
        stage.expect_running()?;
    }
    eprintln!("Stopping, and deleting the demonstration's data …");
    stage.stop()?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the events and judges what the simulators hold then.
pub(crate) fn perform(stage: &mut Stage) -> anyhow::Result<()> {
    let outcome = stage.synchronise()?;
    println!("\n{}", outcome.table());
    println!("{}", outcome.summary());
    outcome.judge()
}

/// Told when the user wants to stop. The children get Ctrl-C of a terminal as well and end with it.
fn stop_signal() -> anyhow::Result<mpsc::Receiver<()>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    ctrlc::set_handler(move || {
        // The second time, or when nobody will ask any more, it is meant at once.
        if sender.try_send(()).is_err() {
            running::end_servers();
            std::process::exit(130);
        }
    })
    .context("signals cannot be listened to")?;
    Ok(receiver)
}

fn next(stage: &mut Stage, shape: Shape) -> anyhow::Result<String> {
    let places = match shape {
        Shape::Single => String::new(),
        Shape::Cluster => format!("{}\n", stage.running.places()?),
    };
    let more = match shape {
        Shape::Single => String::new(),
        Shape::Cluster => "
  pfctl worker list
  pfctl worker set ID --slots 8     # ID from the list: at once, without a restart
  kill -9 PROCESS                   # of a worker, while runs go on: the other takes over"
            .to_owned(),
    };
    let service = stage.service()?;
    let url = service.url();
    Ok(format!(
        "\
PowerFlow runs at {url}
{places}\
\x20 API page    {url}/docs/api
  user        {ADMIN}
  password    {password}
  ServiceNow  {servicenow} (simulator, user and password `simulator`)
  SL1         {sl1} (simulator, the same)
  logs        {logs}

Try next, in another terminal:

  export PFCTL_URL={url} PFCTL_USER={ADMIN} PFCTL_PASSWORD={password}
  export PATH={programs}:$PATH PARAMS={params}
  export SERVICENOW={servicenow} SL1={sl1}
  pfctl application list
  pfctl syncpack show {pack}
  pfctl run list
  pfctl application run {APPLICATION} --params \"$PARAMS\" --follow{more}

host/docs/getting-started.md has the lines to write an event of your own, and to start the simulators
and a service by hand.

Ctrl-C stops the service and the simulators and deletes all their data and logs.",
        password = service.password(),
        servicenow = stage.simulators.servicenow_url(),
        sl1 = stage.simulators.sl1_url(),
        logs = stage.folder().display(),
        programs = stage.programs.display(),
        pack = INCIDENT_SYNC.name,
        params = stage.sample().display(),
    ))
}
