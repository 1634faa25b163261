//! What a step may ask while it executes.

use std::cell::{OnceCell, RefCell};

use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    cache::Cache,
    document::{Document, Json, parse_as, quoted},
    error::{Error, Result},
    log::Log,
};

/// The surroundings of one execution: the data of connected steps, the run, the log
/// and the cache. What a step does not ask for is not parsed.
#[derive(Debug)]
pub struct Context {
    data: RefCell<String>,
    inputs: OnceCell<Result<Document>>,
    run_text: String,
    run: OnceCell<Result<Run>>,
}

/// The run that a step belongs to.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Run {
    /// The run's id, `isapp-…`.
    pub run_id: String,
    /// The step's id in this run, `istask-…`.
    pub task_id: String,
    /// The application's name.
    pub application: String,
    /// The step's name in the application.
    pub step: String,
    /// The name of the aligned configuration object.
    #[serde(default)]
    pub configuration: Option<String>,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// The same for each attempt of this step in this run: pass it to a system that
    /// can tell a repeated request.
    pub idempotency_key: String,
    /// 10 debug, 20 info, 25 flow, 30 warning, 40 error.
    pub log_level: u32,
    /// The tenant's name.
    pub tenant: String,
}

impl Context {
    pub(crate) fn new(data: String, run: String) -> Self {
        Self {
            data: RefCell::new(data),
            inputs: OnceCell::new(),
            run_text: run,
            run: OnceCell::new(),
        }
    }

    /// The data of the connected step called `step`.
    ///
    /// # Errors
    /// Permanent when no such step is connected or its data does not fit `T`.
    pub fn data<T: DeserializeOwned>(&self, step: &str) -> Result<T> {
        parse_as(&format!("the data of step \"{step}\""), self.raw(step)?)
    }

    /// The same without parsing it.
    pub fn raw(&self, step: &str) -> Result<Json<'_>> {
        let inputs = self.inputs()?;
        inputs.get(step).ok_or_else(|| {
            let connected = quoted(inputs.names());
            let connected = if connected.is_empty() {
                "none is".to_owned()
            } else {
                format!("connected: {connected}")
            };
            Error::permanent(format!(
                "no step \"{step}\" is connected to this one ({connected})"
            ))
            .with_code("input")
        })
    }

    /// The data of the one connected step, whatever its name.
    ///
    /// # Errors
    /// Permanent when none or several steps are connected, or the data does not fit `T`.
    pub fn only_input<T: DeserializeOwned>(&self) -> Result<T> {
        parse_as("the data of the connected step", self.only_raw()?)
    }

    /// The same without parsing it.
    pub fn only_raw(&self) -> Result<Json<'_>> {
        let inputs = self.inputs()?;
        let mut members = inputs.iter();
        match (members.next(), members.len()) {
            (Some((_, json)), 0) => Ok(json),
            (None, _) => Err(Error::permanent(
                "this step reads the data of an earlier one, and none is connected",
            )
            .with_code("input")),
            (Some(_), _) => Err(Error::permanent(format!(
                "this step reads the data of one step, and several are connected: {}",
                quoted(inputs.names())
            ))
            .with_code("input")),
        }
    }

    /// The names of the connected steps.
    pub fn connected(&self) -> Result<Vec<&str>> {
        Ok(self.inputs()?.names().collect())
    }

    /// The run that this execution belongs to.
    ///
    /// # Errors
    /// Permanent when the host describes it in another way than this SDK reads it: a step
    /// that took made-up values for an idempotency key could do its work twice.
    pub fn run(&self) -> Result<&Run> {
        let read = || {
            serde_json::from_str(&self.run_text).map_err(|error| {
                Error::permanent(format!(
                    "the host describes the run in a way that this SyncPack's SDK ({}) does not read: {error}",
                    env!("CARGO_PKG_VERSION")
                ))
                .with_code("context")
            })
        };
        self.run.get_or_init(read).as_ref().map_err(Clone::clone)
    }

    /// The log of this step. The macros [`info!`](crate::info!) and its siblings format
    /// only what the run's log level lets through; where that cannot be read, everything,
    /// and the host drops what is too much.
    pub fn log(&self) -> Log {
        Log::new(self.run().map_or(0, |run| run.log_level))
    }

    /// The cache that all runs share; needs a grant of kind `cache`.
    pub fn cache(&self) -> Cache {
        Cache::new()
    }

    fn inputs(&self) -> Result<&Document> {
        let found = self
            .inputs
            .get_or_init(|| Document::new("data of earlier steps", self.data.take()));
        found.as_ref().map_err(Clone::clone)
    }
}
