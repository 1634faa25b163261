//! Work on many runs: cancel, retry or replay all that fit. It is recorded when it is asked for, and
//! done by the leading process, a part at a time, from the newest run to the oldest; whoever leads
//! after a restart goes on where it stands. What a part starts has a key of the work and the run, so
//! that a part which is done twice starts nothing twice.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use model::{
    clock::Timestamp,
    id::{RunId, RunRef, TenantId},
    state::RunState,
};
use serde::{Deserialize, Serialize};
use store::{
    Page,
    bulk::{Advance, Bulk, NewBulk},
    definitions::Kind,
    runs::{RunFilter, RunSummary},
};

use crate::{
    Engine,
    error::{Error, Fault, Result},
    retry::RetryQuery,
    view::Caller,
};

/// How many runs are one part.
const PART: usize = 100;
/// How many of them at a time.
const TOGETHER: usize = 16;
/// How often the leader of a cluster looks for work that other processes took.
const LOOK: Duration = Duration::from_secs(2);
/// How long it lets others pass when too much waits.
const LET_PASS: Duration = Duration::from_millis(500);
/// How many reasons are kept why runs were left out.
const NAMED: usize = 20;
/// A fault in what is asked for.
const FAULT: &str = "PF-1011";
/// How many pieces of work are forgotten in one commit.
const FORGET: usize = 500;

/// What is done to each run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BulkAction {
    /// It is cancelled, unless it has ended.
    Cancel,
    /// It is retried, if it has ended: what did not succeed runs again.
    Retry,
    /// It is replayed, if it has ended.
    Replay,
}

impl BulkAction {
    /// Every action with its word.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("cancel", Self::Cancel),
        ("retry", Self::Retry),
        ("replay", Self::Replay),
    ];

    /// Its word.
    pub fn word(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(_, one)| *one == self);
        found.map_or("", |(word, _)| word)
    }

    /// The states of runs that it can be done to.
    fn states(self) -> impl Iterator<Item = RunState> {
        let ended = self != Self::Cancel;
        let all = RunState::ALL.iter().copied();
        all.filter(move |state| state.is_final() == ended)
    }
}

/// What is done, and to which runs: those that fit everything that is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkQuery {
    /// What.
    pub action: BulkAction,
    /// Runs of this application.
    #[serde(default)]
    pub application: Option<String>,
    /// Runs on this queue.
    #[serde(default)]
    pub queue: Option<String>,
    /// Runs aligned with this configuration object.
    #[serde(default)]
    pub configuration: Option<String>,
    /// Runs in these states, by their words; empty: all that have not ended, or, where it takes
    /// ended ones, those that failed.
    #[serde(default)]
    pub states: Vec<String>,
    /// Runs accepted at this moment or later.
    #[serde(default)]
    pub from: Option<Timestamp>,
    /// Runs accepted before this moment.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Runs with dead letters.
    #[serde(default)]
    pub dead_letters: bool,
    /// Retry with the newest revision of the application.
    #[serde(default)]
    pub newest: bool,
}

/// What is stored of it: the application as it was named then.
#[derive(Serialize, Deserialize)]
struct Stored {
    query: BulkQuery,
    application: Option<i64>,
}

/// Why a run was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkProblem {
    /// The run.
    pub run: String,
    /// Why.
    pub message: String,
}

/// Work as it stands.
#[derive(Clone, Debug)]
pub struct BulkDetail {
    /// As it is stored.
    pub bulk: Bulk,
    /// What was asked for.
    pub query: Option<BulkQuery>,
    /// Why runs were left out, of the first.
    pub problems: Vec<BulkProblem>,
}

enum Done {
    Well,
    LeftOut(BulkProblem),
    Later(Error),
}

impl BulkQuery {
    fn filter(&self, application: Option<i64>) -> std::result::Result<RunFilter, Vec<Fault>> {
        let mut faults = Vec::new();
        let allowed: Vec<RunState> = self.action.states().collect();
        let mut states = Vec::new();
        for (at, word) in self.states.iter().enumerate() {
            match RunState::from_word(word) {
                Some(state) if allowed.contains(&state) => states.push(state),
                Some(_) => faults.push(fault(
                    &format!("/states/{at}"),
                    format!(
                        "a run that is {word} cannot be the one to {}",
                        self.action.word()
                    ),
                )),
                None => faults.push(fault(
                    &format!("/states/{at}"),
                    format!("`{word}` is no state of a run"),
                )),
            }
        }
        if let (Some(from), Some(until)) = (self.from, self.until)
            && from >= until
        {
            faults.push(fault("/until", "it is not after `from`".to_owned()));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        if states.is_empty() {
            states = match self.action {
                BulkAction::Cancel => allowed,
                BulkAction::Retry | BulkAction::Replay => vec![RunState::Failed],
            };
        }
        Ok(RunFilter {
            application,
            queue: self
                .queue
                .as_deref()
                .map(|name| queue::canonical(name).to_owned()),
            configuration: self.configuration.clone(),
            states,
            from: self.from,
            until: self.until,
            // Who started them fails with them, and is the one to be retried.
            top: self.action != BulkAction::Cancel,
            dead: self.dead_letters,
        })
    }
}

fn fault(at: &str, message: String) -> Fault {
    Fault {
        code: FAULT.to_owned(),
        at: at.to_owned(),
        message,
    }
}

fn detailed(bulk: Bulk) -> BulkDetail {
    let stored: Option<Stored> = serde_json::from_str(&bulk.request).ok();
    BulkDetail {
        query: stored.map(|stored| stored.query),
        problems: serde_json::from_str(&bulk.problems).unwrap_or_default(),
        bulk,
    }
}

impl Engine {
    /// What is asked for, as the store takes it, and how many runs there are.
    async fn look_at_bulk(
        &self,
        tenant: TenantId,
        query: &BulkQuery,
    ) -> Result<(Option<i64>, RunId, u64)> {
        let application = match &query.application {
            Some(name) => Some(self.find(tenant, Kind::Application, name).await?.id),
            None => None,
        };
        let filter = query.filter(application).map_err(|faults| Error::Invalid {
            what: "request about many runs",
            faults,
        })?;
        let all = RunFilter::default();
        let newest = self.store.runs(tenant, &all, None, 1).await?.items;
        let below = RunId(newest.first().map_or(0, |run| run.run.0 + 1));
        let count = self.store.count_runs(tenant, &filter, below).await?;
        Ok((application, below, count))
    }

    /// How many runs it would be done to.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every fault of the request, [`Error::NotFound`].
    pub async fn preview_bulk(&self, tenant: TenantId, query: &BulkQuery) -> Result<u64> {
        let (_, _, count) = self.look_at_bulk(tenant, query).await?;
        Ok(count)
    }

    /// Has it done to all runs that fit now.
    ///
    /// # Errors
    /// As [`Engine::preview_bulk`].
    pub async fn start_bulk(&self, caller: &Caller, query: BulkQuery) -> Result<BulkDetail> {
        let (application, below, total) = self.look_at_bulk(caller.tenant, &query).await?;
        let request = serde_json::to_string(&Stored { query, application })
            .map_err(|error| Error::Internal(error.to_string()))?;
        let bulk = self
            .store
            .add_bulk(NewBulk {
                tenant: caller.tenant,
                request,
                cursor: below,
                total,
                by: caller.name.clone(),
                at: self.now(),
            })
            .await?;
        self.bulk_asked.notify_one();
        Ok(detailed(bulk))
    }

    /// Work of that number.
    pub async fn bulk(&self, tenant: TenantId, number: &str) -> Result<BulkDetail> {
        let missing = || Error::not_found("work on many runs", number);
        let id = number.parse().map_err(|_| missing())?;
        let found = self.store.bulk(tenant, id).await?;
        Ok(detailed(found.ok_or_else(missing)?))
    }

    /// Work, the newest first.
    pub async fn bulks(
        &self,
        tenant: TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<BulkDetail>> {
        let before = match after {
            None => None,
            Some(after) => Some(
                after
                    .parse()
                    .map_err(|_| Error::Position(after.to_owned()))?,
            ),
        };
        let page = self
            .store
            .bulks(tenant, before, limit.clamp(1, 200))
            .await?;
        Ok(Page {
            items: page.items.into_iter().map(detailed).collect(),
            next: page.next,
        })
    }

    /// Stops work; what was done stays done.
    ///
    /// # Errors
    /// [`Error::RunState`] when it has ended.
    pub async fn stop_bulk(&self, caller: &Caller, number: &str) -> Result<BulkDetail> {
        let found = self.bulk(caller.tenant, number).await?;
        let now = self.now();
        let id = found.bulk.id;
        if !self.store.stop_bulk(caller.tenant, id, now).await? {
            return Err(Error::RunState(format!(
                "{number} is {} already",
                self.bulk(caller.tenant, number).await?.bulk.state.word()
            )));
        }
        self.bulk(caller.tenant, number).await
    }

    /// Does what was asked for while this process leads, until the engine drains.
    pub(crate) async fn keep_bulks(&self) {
        loop {
            if !self.scheduler.is_leading() {
                tokio::select! {
                    biased;
                    () = self.draining.cancelled() => return,
                    () = tokio::time::sleep(LOOK) => {}
                }
                continue;
            }
            if self.draining.is_cancelled() {
                return;
            }
            let pause = match self.do_part().await {
                Ok(true) => continue,
                // An idle service asks its store nothing: nobody else can be asked.
                Ok(false) if self.settings.exclusive => Duration::MAX,
                Ok(false) => LOOK,
                Err(error) => {
                    tracing::debug!(%error, "work on many runs waits");
                    LET_PASS
                }
            };
            tokio::select! {
                biased;
                () = self.bulk_asked.notified() => {}
                () = tokio::time::sleep(pause) => {}
                () = self.draining.cancelled() => return,
            }
        }
    }

    /// Does a part of the oldest work. Says whether there was some.
    async fn do_part(&self) -> Result<bool> {
        let Some(bulk) = self.store.open_bulk().await? else {
            return Ok(false);
        };
        let Ok(Stored { query, application }) = serde_json::from_str::<Stored>(&bulk.request)
        else {
            // Asked for by a version that knows more than this one.
            let problem = BulkProblem {
                run: String::new(),
                message: "this version of PowerFlow cannot read what was asked for".to_owned(),
            };
            return self
                .advance(&bulk, bulk.cursor, 0, vec![problem], true)
                .await;
        };
        let filter = query
            .filter(application)
            .map_err(|_| Error::Internal("work on many runs cannot be read".to_owned()))?;
        let page = self
            .store
            .runs(bulk.tenant, &filter, Some(bulk.cursor), PART)
            .await?;
        let caller = Caller {
            name: bulk.by.clone(),
            tenant: bulk.tenant,
            trace: None,
        };
        let work = page
            .items
            .iter()
            .map(|run| self.do_one(&caller, &bulk, &query, run));
        let work: Vec<_> = work.collect();
        let results: Vec<Done> = stream::iter(work).buffered(TOGETHER).collect().await;
        let (mut to, mut done, mut left_out, mut later) = (bulk.cursor, 0, Vec::new(), None);
        for (run, result) in page.items.iter().zip(results) {
            match result {
                Done::Well => done += 1,
                Done::LeftOut(problem) => left_out.push(problem),
                // What comes behind it may be done already: it will be found so.
                Done::Later(error) => {
                    later = Some(error);
                    break;
                }
            }
            to = run.run;
        }
        let ended = later.is_none() && page.next.is_none();
        if to != bulk.cursor || ended {
            self.advance(&bulk, to, done, left_out, ended).await?;
        }
        later.map_or(Ok(true), Err)
    }

    async fn advance(
        &self,
        bulk: &Bulk,
        to: RunId,
        done: u64,
        left_out: Vec<BulkProblem>,
        ended: bool,
    ) -> Result<bool> {
        let skipped = left_out.len() as u64;
        let mut problems: Vec<BulkProblem> =
            serde_json::from_str(&bulk.problems).unwrap_or_default();
        problems.extend(left_out);
        problems.truncate(NAMED);
        // Where somebody else did it meanwhile, or stopped it, nothing changes.
        self.store
            .advance_bulk(Advance {
                id: bulk.id,
                from: bulk.cursor,
                to,
                done,
                skipped,
                problems: serde_json::to_string(&problems)
                    .map_err(|error| Error::Internal(error.to_string()))?,
                ended,
                at: self.now(),
            })
            .await?;
        if ended {
            tracing::info!(bulk = bulk.id, by = bulk.by, "work on many runs has ended");
        }
        Ok(true)
    }

    async fn do_one(
        &self,
        caller: &Caller,
        bulk: &Bulk,
        query: &BulkQuery,
        run: &RunSummary,
    ) -> Done {
        let key = || Some(key_of(bulk, run.reference));
        let done = match query.action {
            BulkAction::Cancel => self.cancel(caller, run.reference).await,
            BulkAction::Retry => {
                let asked = RetryQuery {
                    newest: query.newest,
                    ..RetryQuery::default()
                };
                let retried = self.retry_as(caller, run.reference, &asked, key());
                retried.await.map(drop)
            }
            BulkAction::Replay => {
                let replayed = self.replay_as(caller, run.reference, key());
                replayed.await.map(drop)
            }
        };
        match done {
            Ok(()) => Done::Well,
            Err(error) if error.is_retryable() => Done::Later(error),
            Err(error) => Done::LeftOut(BulkProblem {
                run: run.reference.to_string(),
                message: error.to_string(),
            }),
        }
    }

    /// Forgets work that ended long ago.
    pub(crate) async fn forget_bulks(&self) -> Result<()> {
        let kept = self.settings.result_expires.as_micros() as i64;
        let before = self.now().plus_micros(-kept);
        while self.store.forget_bulks(before, FORGET).await? == FORGET {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

/// The key of what the work starts for a run.
fn key_of(bulk: &Bulk, run: RunRef) -> String {
    format!("bulk/{}/{run}", bulk.id)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
#[path = "bulk_tests.rs"]
mod tests;
