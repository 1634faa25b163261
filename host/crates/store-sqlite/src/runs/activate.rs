//! The rows of steps that become ready, are claimed in the same commit, or end unexecuted.

use model::{
    clock::Timestamp,
    flow::{Arrivals, Joins, Signal},
    id::{Ordinal, RunId, StepKey, Token, WorkerId},
    state::StepState,
};
use rusqlite::params;
use store::{Error, Result};

use crate::transaction::{Tx, pack};

/// A run inside the writer's transaction, at one of its events.
pub(super) struct Event<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
    pub(super) run: RunId,
    pub(super) seq: i64,
    pub(super) at: Timestamp,
}

/// The first token of a step.
const FIRST: Token = Token(1);

impl Event<'_, '_> {
    fn id(&self, step: Ordinal) -> Result<i64> {
        pack(StepKey {
            run: self.run,
            step,
        })
    }

    /// Makes steps ready, the first of them claimed if a worker asks for one. `joined`
    /// says which have a row already.
    pub(super) fn start(
        &mut self,
        ready: &mut Vec<Ordinal>,
        worker: Option<WorkerId>,
        joined: impl Fn(Ordinal) -> bool,
    ) -> Result<Option<(Ordinal, Token)>> {
        let claimed = match (worker, ready.first()) {
            (Some(worker), Some(&first)) => {
                self.tx.know_worker(worker)?;
                self.run_now(first, worker, joined(first))?;
                ready.remove(0);
                Some((first, FIRST))
            }
            _ => None,
        };
        for &step in ready.iter() {
            self.make_ready(step, joined(step))?;
        }
        Ok(claimed)
    }

    fn run_now(&mut self, step: Ordinal, worker: WorkerId, joined: bool) -> Result<()> {
        let sql = if joined {
            "UPDATE step SET state = ?2, token = ?3, seq = ?4, worker = ?5,
               ready_at = ?6, started_at = ?6 WHERE id = ?1"
        } else {
            "INSERT INTO step (id, state, token, seq, worker, ready_at, started_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)"
        };
        let id = self.id(step)?;
        self.tx
            .execute(
                sql,
                params![
                    id,
                    StepState::Running.code(),
                    FIRST.0,
                    self.seq,
                    worker.0,
                    self.at.0
                ],
            )
            .map(drop)
    }

    fn make_ready(&mut self, step: Ordinal, joined: bool) -> Result<()> {
        let sql = if joined {
            "UPDATE step SET state = ?2, seq = ?3, ready_at = ?4 WHERE id = ?1"
        } else {
            "INSERT INTO step (id, state, token, seq, ready_at) VALUES (?1, ?2, 0, ?3, ?4)"
        };
        let id = self.id(step)?;
        self.tx
            .execute(
                sql,
                params![id, StepState::Ready.code(), self.seq, self.at.0],
            )
            .map(drop)
    }

    /// Ends a step that was never ready, in that state.
    pub(super) fn end_unexecuted(
        &mut self,
        step: Ordinal,
        state: StepState,
        joined: bool,
    ) -> Result<()> {
        let sql = if joined {
            "UPDATE step SET state = ?2, seq = ?3, finished_at = ?4 WHERE id = ?1"
        } else {
            "INSERT INTO step (id, state, token, seq, finished_at) VALUES (?1, ?2, 0, ?3, ?4)"
        };
        let id = self.id(step)?;
        self.tx
            .execute(sql, params![id, state.code(), self.seq, self.at.0])
            .map(drop)
    }
}

/// The writer is the only one that writes, so that reading the count and writing it
/// in one transaction is atomic.
impl Joins for Event<'_, '_> {
    type Error = Error;

    fn arrive(&mut self, step: Ordinal, inputs: u32, signal: Signal) -> Result<Arrivals> {
        let id = self.id(step)?;
        let counted = self.tx.first(
            "SELECT pending, live, failed FROM step WHERE id = ?1",
            [id],
            |row| {
                Ok(Arrivals {
                    pending: row.get(0)?,
                    live: row.get(1)?,
                    failed: row.get(2)?,
                })
            },
        )?;
        let (sql, arrivals) = match counted {
            Some(before) => (
                "UPDATE step SET seq = ?2, pending = ?3, live = ?4, failed = ?5 WHERE id = ?1",
                before.with(signal),
            ),
            None => (
                "INSERT INTO step (id, state, token, seq, pending, live, failed)
                 VALUES (?1, 0, 0, ?2, ?3, ?4, ?5)",
                Arrivals::none(inputs).with(signal),
            ),
        };
        self.tx.execute(
            sql,
            params![
                id,
                self.seq,
                arrivals.pending,
                arrivals.live,
                arrivals.failed
            ],
        )?;
        Ok(arrivals)
    }
}
