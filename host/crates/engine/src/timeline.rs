//! What an application has run in a span of time: its newest runs one by one, and all of them
//! summed up, for a page that draws them.

use std::collections::HashMap;

use model::{clock::Timestamp, id::TenantId, state::RunState};
use store::{
    definitions::{Definition, Kind},
    runs::{RunFilter, RunSummary, Span, Sum},
};

use crate::{
    Engine,
    error::{Error, Fault, Result},
    tasks::unknown_state,
};

/// How many runs are listed one by one.
pub const LISTED: usize = 1_000;
/// How many parts a span is summed up in.
const PARTS: i64 = 120;
/// The longest span, in microseconds: 366 days.
const LONGEST: i64 = 366 * 86_400 * 1_000_000;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct TimelineQuery {
    /// The application.
    pub application: String,
    /// Runs accepted at this moment or later.
    pub from: Timestamp,
    /// Runs accepted before this moment.
    pub until: Timestamp,
    /// Runs on this queue.
    pub queue: Option<String>,
    /// Runs aligned with this configuration object.
    pub configuration: Option<String>,
    /// Runs in these states, by their words; empty: any.
    pub states: Vec<String>,
    /// How many runs are listed one by one, at most [`LISTED`].
    pub limit: usize,
}

/// What ran.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// The newest runs, the newest first.
    pub runs: Vec<RunSummary>,
    /// How many there are in all.
    pub total: u64,
    /// The length of a part, in microseconds.
    pub part: i64,
    /// All of them by parts and states.
    pub sums: Vec<Sum>,
}

impl Engine {
    /// What an application has run in a span of time.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such application, [`Error::Invalid`] where the span or
    /// a state is none.
    pub async fn timeline(&self, tenant: TenantId, query: &TimelineQuery) -> Result<Timeline> {
        let application = self.find(tenant, Kind::Application, &query.application);
        let application = application.await?.id;
        let length = query.until.micros_since(query.from);
        if !(1..=LONGEST).contains(&length) {
            return Err(Error::Invalid {
                what: "query",
                faults: vec![Fault {
                    code: "PF-1005".to_owned(),
                    at: "until".to_owned(),
                    message: "`until` is to be later than `from`, by 366 days at most".to_owned(),
                }],
            });
        }
        let mut states = Vec::new();
        for word in &query.states {
            states.push(RunState::from_word(word).ok_or_else(|| unknown_state(word))?);
        }
        let queue = query.queue.as_deref();
        let span = Span {
            application,
            from: query.from,
            until: query.until,
            part: (length + PARTS - 1) / PARTS,
            filter: RunFilter {
                queue: queue.map(|name| queue::canonical(name).to_owned()),
                configuration: query.configuration.clone(),
                states,
                ..RunFilter::default()
            },
        };
        let limit = query.limit.clamp(1, LISTED);
        let filter = span.runs();
        let (listed, sums) = tokio::try_join!(
            self.store.runs(tenant, &filter, None, limit),
            self.store.timeline(tenant, &span),
        )?;
        Ok(Timeline {
            runs: listed.items,
            total: sums.iter().map(|sum| sum.count).sum(),
            part: span.part,
            sums,
        })
    }

    /// The newest run of each of these applications that has one, by the application's number.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn last_runs(
        &self,
        tenant: TenantId,
        applications: &[Definition],
    ) -> Result<HashMap<i64, RunSummary>> {
        let numbers: Vec<i64> = applications.iter().map(|one| one.id).collect();
        let runs = self.store.last_runs(tenant, &numbers).await?;
        Ok(runs.into_iter().map(|run| (run.application, run)).collect())
    }
}
