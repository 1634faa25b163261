//! A cluster on servers of its own: processes that answer requests, execute steps and keep order.

use std::path::{Path, PathBuf};

use crate::place;
use crate::servers::{Postgres, Redis};
use crate::service::{Plan, Service};

/// The program of the next version: with a migration more.
pub const NEXT: &str = "powerflow-next";

/// What a cluster consists of.
#[derive(Clone, Debug)]
pub struct Size {
    /// Processes that answer requests.
    pub apis: usize,
    /// Processes that execute steps.
    pub workers: usize,
    /// Processes of which one leads.
    pub schedulers: usize,
}

impl Default for Size {
    fn default() -> Self {
        Self {
            apis: 1,
            workers: 2,
            schedulers: 1,
        }
    }
}

/// Its servers and processes. Dropping it kills them.
pub struct Cluster {
    /// Processes that answer requests.
    pub apis: Vec<Service>,
    /// Processes that execute steps.
    pub workers: Vec<Service>,
    /// Processes of which one leads.
    pub schedulers: Vec<Service>,
    /// The truth.
    pub postgres: Postgres,
    /// The way to workers.
    pub redis: Redis,
    folder: PathBuf,
    settings: Vec<(String, String)>,
    program: PathBuf,
}

impl Cluster {
    /// Starts servers and processes, each with a folder of its own, and waits until they are ready.
    pub fn start(folder: &Path, size: &Size, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut cluster = Self {
            apis: Vec::new(),
            workers: Vec::new(),
            schedulers: Vec::new(),
            postgres: Postgres::start(folder)?,
            redis: Redis::start(folder)?,
            folder: folder.to_owned(),
            settings: settings
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            program: place::program("powerflow")?,
        };
        for number in 0..size.apis {
            let api = cluster.plan("api", number)?.start()?;
            cluster.apis.push(api);
        }
        for number in 0..size.workers {
            let worker = cluster.plan("worker", number)?.start()?;
            cluster.workers.push(worker);
        }
        for number in 0..size.schedulers {
            let scheduler = cluster.plan("scheduler", number)?.start()?;
            cluster.schedulers.push(scheduler);
        }
        Ok(cluster)
    }

    /// How the process of that role and number is started, again if it was ended.
    pub fn plan(&self, role: &'static str, number: usize) -> anyhow::Result<Plan> {
        let mut plan = Plan::new(self.folder.join(format!("{role}-{number}")))?;
        plan.program.clone_from(&self.program);
        plan.role = role;
        plan.settings.clone_from(&self.settings);
        plan.environment = vec![
            ("DATABASE_URL".to_owned(), self.postgres.url()),
            ("REDIS_URL".to_owned(), self.redis.url()),
        ];
        plan.password_file = Some(self.folder.join("password"));
        let key = self.folder.join("key").display().to_string();
        Ok(plan.with("data.key_file", key))
    }

    /// The first process that answers requests.
    pub fn api(&self) -> &Service {
        &self.apis[0]
    }

    /// Lets every process drain; an error unless all ended in order.
    pub fn stop(self) -> anyhow::Result<()> {
        for process in self
            .apis
            .into_iter()
            .chain(self.workers)
            .chain(self.schedulers)
        {
            process.stop()?;
        }
        Ok(())
    }
}
