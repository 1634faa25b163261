//! The running service: one process that does everything, or a cluster on servers of its own.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;

use anyhow::Context;
use harness::cluster::{Cluster, Size};
use harness::process::Process;
use harness::service::{self, Service};

use crate::services;

/// What the service is to consist of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One process with the embedded store.
    #[default]
    Single,
    /// PostgreSQL, Redis, one api, two workers, one scheduler.
    Cluster,
}

/// The running service.
pub(crate) enum Running {
    Single(Box<Service>),
    Cluster(Box<Cluster>),
}

/// The numbers of the servers of a cluster. They are kept from the terminal's Ctrl-C, so that the
/// service can still store what it ends; whoever leaves in a hurry ends them by these.
static SERVERS: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// Ends servers that would otherwise remain when this process exits on the spot.
pub(crate) fn end_servers() {
    let servers = SERVERS.lock().map(|list| list.clone()).unwrap_or_default();
    for id in servers {
        // PostgreSQL takes it for "at once, but in order"; Redis has nothing to keep.
        let _ = std::process::Command::new("kill")
            .args(["-s", "INT", &id.to_string()])
            .status();
    }
}

impl Running {
    /// Starts it and waits until it is ready.
    pub(crate) fn start(shape: Shape, folder: &Path, port: Option<u16>) -> anyhow::Result<Self> {
        match shape {
            Shape::Single => {
                eprintln!("Starting the service …");
                let mut plan = service::Plan::new(folder)?;
                plan.port = port;
                plan.generated_password = true;
                Ok(Self::Single(Box::new(plan.start()?)))
            }
            Shape::Cluster => {
                services::add_postgres()?;
                services::add_redis()?;
                eprintln!("Starting PostgreSQL, Redis, an api, two workers and a scheduler …");
                let others = Size {
                    apis: 0,
                    ..Size::default()
                };
                let mut cluster = Cluster::start(folder, &others, &[])?;
                if let Ok(mut servers) = SERVERS.lock() {
                    *servers = vec![
                        cluster.postgres.process()?.id(),
                        cluster.redis.process()?.id(),
                    ];
                }
                let mut plan = cluster.plan("api", 0)?;
                plan.port = port;
                cluster.apis.push(plan.start()?);
                Ok(Self::Cluster(Box::new(cluster)))
            }
        }
    }

    /// The process that answers requests.
    pub(crate) fn api(&self) -> anyhow::Result<&Service> {
        match self {
            Self::Single(service) => Ok(service),
            Self::Cluster(cluster) => cluster.apis.first().context("the cluster has no api"),
        }
    }

    /// An error when a part of it has ended that it cannot do without.
    pub(crate) fn expect_running(&mut self) -> anyhow::Result<()> {
        if let Self::Cluster(cluster) = self {
            // The user is invited to kill them.
            let Cluster {
                workers,
                schedulers,
                ..
            } = &mut **cluster;
            for (role, services) in [("worker", workers), ("scheduler", schedulers)] {
                services.retain_mut(|one| {
                    let process = one.process();
                    let runs = process.expect_running().is_ok();
                    if !runs {
                        eprintln!("The {role} with process {} has ended", process.id());
                    }
                    runs
                });
            }
        }
        for (_, process, _) in self.processes()? {
            process.expect_running()?;
        }
        Ok(())
    }

    /// Its processes: what each does, and the URL of its health, or of what it serves.
    fn processes(&mut self) -> anyhow::Result<Vec<(&'static str, &mut Process, String)>> {
        let mut all = Vec::new();
        let mut add = |role, service| {
            let service: &mut Service = service;
            let url = service.url().to_owned();
            all.push((role, service.process(), url));
        };
        match self {
            Self::Single(service) => add("all", service),
            Self::Cluster(cluster) => {
                let Cluster {
                    apis,
                    workers,
                    schedulers,
                    postgres,
                    redis,
                    ..
                } = &mut **cluster;
                let services = [
                    ("api", apis),
                    ("worker", workers),
                    ("scheduler", schedulers),
                ];
                for (role, services) in services {
                    for service in services {
                        add(role, service);
                    }
                }
                let url = postgres.url();
                all.push(("postgres", postgres.process()?, url));
                let url = redis.url();
                all.push(("redis", redis.process()?, url));
            }
        }
        Ok(all)
    }

    /// What runs where, a line each.
    pub(crate) fn places(&mut self) -> anyhow::Result<String> {
        let mut text = String::new();
        for (role, process, url) in self.processes()? {
            let shown = match role {
                "worker" | "scheduler" => format!("{url}/readyz"),
                _ => url,
            };
            writeln!(text, "  {role:<10}  process {:<7}  {shown}", process.id())?;
        }
        Ok(text)
    }

    /// Stops it; an error unless every part ended in order.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        match self {
            Self::Single(service) => service.stop(),
            Self::Cluster(cluster) => {
                let Cluster {
                    apis,
                    workers,
                    schedulers,
                    mut postgres,
                    ..
                } = *cluster;
                for service in apis.into_iter().chain(workers).chain(schedulers) {
                    service.stop()?;
                }
                // Redis has nothing to keep, and ends when it is dropped.
                postgres.stop()
            }
        }
    }
}
