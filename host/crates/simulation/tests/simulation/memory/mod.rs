//! A store in memory, for all processes of a simulation. Every call is one step under one
//! lock, and either does all of what it does or nothing.
#![expect(
    clippy::unnecessary_wraps,
    clippy::needless_pass_by_value,
    reason = "every call has the form that its trait gives it"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use model::{
    clock::{Clock, Timestamp},
    id::{RunId, RunRef, StepKey, TenantId, Token, WorkerId},
};
use parking_lot::Mutex;
use store::{
    accounts::{Account, Session},
    bulk::{Bulk, NewDeadLetter},
    cache::Record,
    packs::Artefact,
    pauses::Pause,
    runs::AttemptSummary,
    workers::Worker,
};

use self::{
    asks::{Asked, Kept},
    documents::{Document, Pack},
    limits::{Held, Stand},
    runs::{Chunk, Run, Step},
    schedules::Timetable,
    waits::Wait,
    webhooks::Hooked,
};
use crate::journal::{Commit, Journal};

mod asks;
mod bulk;
mod calls;
mod control;
mod documents;
mod history;
mod limits;
mod records;
mod runs;
mod schedules;
mod waits;
mod webhooks;
mod workers;

pub(crate) use calls::{Result, for_every_call};

/// The store.
#[derive(Default)]
pub(crate) struct Memory {
    state: Mutex<State>,
}

/// What it holds.
#[derive(Clone, Default)]
pub(crate) struct State {
    /// The time that processes share; `None`: each goes by its own.
    clock: Option<Arc<dyn Clock>>,
    /// Where commits are written down.
    journal: Option<Journal>,
    runs: BTreeMap<RunId, Run>,
    names: BTreeMap<RunRef, RunId>,
    keys: BTreeMap<(TenantId, String), RunId>,
    unfinished: BTreeSet<RunId>,
    last_run: i64,
    steps: BTreeMap<StepKey, Step>,
    waits: BTreeMap<StepKey, Wait>,
    child_ends: BTreeSet<(StepKey, RunId)>,
    attempts: BTreeMap<(StepKey, Token), AttemptSummary>,
    log: Vec<Chunk>,
    pin_sets: Vec<String>,
    documents: Vec<Document>,
    revisions: Vec<store::definitions::Revision>,
    packs: BTreeMap<i64, Pack>,
    last_pack: i64,
    files: BTreeMap<String, Bytes>,
    artefacts: BTreeMap<(String, String), Artefact>,
    timetables: BTreeMap<i64, Timetable>,
    last_schedule: i64,
    pauses: Vec<Pause>,
    asks: BTreeMap<StepKey, Asked>,
    bulks: BTreeMap<i64, Bulk>,
    last_bulk: i64,
    letters: BTreeMap<i64, NewDeadLetter>,
    last_letter: i64,
    webhooks: BTreeMap<i64, Hooked>,
    last_webhook: i64,
    limit_keys: BTreeMap<limits::Key, Stand>,
    limit_places: BTreeMap<(StepKey, limits::Key), Held>,
    signals: Vec<Kept>,
    cache: BTreeMap<(TenantId, String), Record>,
    accounts: BTreeMap<String, Account>,
    facts: BTreeMap<String, String>,
    sessions: BTreeMap<[u8; 32], Session>,
    workers: BTreeMap<WorkerId, Worker>,
    last_worker: i64,
    cancelled_claims: BTreeSet<(WorkerId, RunId)>,
    revoked_claims: BTreeSet<(WorkerId, StepKey)>,
    leader: Option<(WorkerId, Timestamp)>,
    generation: i64,
}

impl Memory {
    /// A store whose commits are written down there.
    pub(crate) fn journaled(journal: Journal) -> Self {
        let journal = Some(journal);
        Self {
            state: Mutex::new(State {
                journal,
                ..State::default()
            }),
        }
    }

    /// A store whose processes go by that clock, and whose commits are written down there.
    pub(crate) fn shared(clock: Arc<dyn Clock>, journal: Journal) -> Self {
        Self {
            state: Mutex::new(State {
                clock: Some(clock),
                journal: Some(journal),
                ..State::default()
            }),
        }
    }
}

impl State {
    /// Writes a commit down.
    fn note(&self, commit: Commit) {
        if let Some(journal) = &self.journal {
            journal.commit(commit);
        }
    }

    /// Does all of it or nothing.
    fn whole<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let before = self.clone();
        let done = act(self);
        if done.is_err() {
            *self = before;
        }
        done
    }
}
