//! `cargo xtask demo`: the incident example, from nothing to incidents in the simulator.

mod outcome;
mod stage;

use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use harness::packs::INCIDENT_SYNC;
use harness::service::ADMIN;

pub(crate) use self::stage::Stage;
use crate::build;

/// The example's application.
pub(crate) const APPLICATION: &str = "create_or_update_servicenow_incident_from_sl1_event";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Stop everything at the end; exit code 0 only if the example produced its result
    #[arg(long)]
    once: bool,
    /// Where the service listens [default: a free port]
    #[arg(long)]
    port: Option<u16>,
    /// How many events to synchronise
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=5_000))]
    events: u16,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    build::programs()?;
    build::packs()?;
    let stopped = stop_signal()?;
    let mut stage = Stage::set(options.port, usize::from(options.events))?;
    match perform(&mut stage) {
        Ok(()) => {}
        Err(error) => {
            eprintln!("\nThe example did not produce its result: {error:#}");
            eprintln!("The logs are in {}", stage.keep().display());
            return Ok(ExitCode::FAILURE);
        }
    }
    if options.once {
        stage.stop()?;
        return Ok(ExitCode::SUCCESS);
    }
    println!("{}", next(&stage));
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(Duration::from_millis(200)) {
        stage.expect_running()?;
    }
    eprintln!("Stopping …");
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
            std::process::exit(130);
        }
    })
    .context("signals cannot be listened to")?;
    Ok(receiver)
}

fn next(stage: &Stage) -> String {
    let url = stage.service.url();
    format!(
        "\
PowerFlow runs at {url}
  API page    {url}/docs/api
  user        {ADMIN}
  password    {password}
  ServiceNow  {servicenow} (simulator, user and password `simulator`)
  SL1         {sl1} (simulator, the same)
  logs        {logs}

Try next, in another terminal:

  export PFCTL_URL={url} PFCTL_USER={ADMIN} PFCTL_PASSWORD={password}
  export PATH={programs}:$PATH PARAMS={params}
  pfctl application list
  pfctl syncpack show {pack}
  pfctl run list
  pfctl application run {APPLICATION} --params \"$PARAMS\" --follow

Ctrl-C stops the service and the simulators.",
        password = stage.service.password(),
        servicenow = stage.simulators.servicenow_url(),
        sl1 = stage.simulators.sl1_url(),
        logs = stage.folder().display(),
        programs = stage.programs.display(),
        pack = INCIDENT_SYNC.name,
        params = stage.sample().display(),
    )
}
