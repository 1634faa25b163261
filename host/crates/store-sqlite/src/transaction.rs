//! The writer's transaction: prepared statements, partitions and what the writer
//! remembers between items.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use model::{
    clock::Timestamp,
    id::{Ordinal, RunId, StepKey, WorkerId},
};
use rusqlite::{Connection, Params, Row, Statement, params};
use store::{Error, Result};

use crate::{error::OrRefused, partition::Partition};

/// Bits of a step's key below the run's number.
pub(crate) const STEP_BITS: u32 = 24;
/// The first run number that has no step keys any more: 5 × 10¹¹ runs.
const RUN_LIMIT: i64 = 1 << (63 - STEP_BITS);

/// A step's row: the run's number and the ordinal in one integer.
#[inline]
pub(crate) fn pack(key: StepKey) -> Result<i64> {
    if (1..RUN_LIMIT).contains(&key.run.0) && key.step.0 <= Ordinal::MAX {
        Ok(key.run.0 << STEP_BITS | (i64::from(key.step.0) + 1))
    } else {
        Err(Error::Missing(format!(
            "step {} of run {}",
            key.step.0, key.run.0
        )))
    }
}

/// The step of a row.
#[inline]
pub(crate) const fn unpack(id: i64) -> StepKey {
    StepKey {
        run: RunId(id >> STEP_BITS),
        step: Ordinal(((id & ((1 << STEP_BITS) - 1)) as u32).wrapping_sub(1)),
    }
}

/// The first and the last row that a step of the run can have. Empty for a number
/// that no run has.
#[inline]
pub(crate) const fn step_range(run: RunId) -> (i64, i64) {
    if run.0 < 1 || run.0 >= RUN_LIMIT {
        return (0, -1);
    }
    let base = run.0 << STEP_BITS;
    (base + 1, base | ((1 << STEP_BITS) - 1))
}

/// What items of the writer work on.
pub(crate) struct Tx<'c> {
    pub(crate) connection: &'c Connection,
    /// By the address of their text, which is static: no text is hashed on the hot path.
    statements: HashMap<(usize, usize), Statement<'c>>,
    partitions: HashMap<i64, Partition<'c>>,
    /// Workers that have a row.
    workers: HashSet<WorkerId>,
    /// Whether anything is paused, once that was asked.
    pub(crate) any_pause: Option<bool>,
    /// The number of the next run. Numbers of a transaction that failed are lost.
    next_run: i64,
}

impl<'c> Tx<'c> {
    /// Reads what is remembered between transactions.
    pub(crate) fn new(connection: &'c Connection) -> Result<Self> {
        let last: i64 = connection
            .query_row(
                "SELECT max(coalesce((SELECT max(id) FROM run), 0),
                        coalesce((SELECT value FROM high_water WHERE name = 'run'), 0))",
                [],
                |row| row.get(0),
            )
            .or_refused()?;
        Ok(Self {
            connection,
            statements: HashMap::new(),
            partitions: HashMap::new(),
            workers: HashSet::new(),
            any_pause: None,
            next_run: last + 1,
        })
    }

    /// Forgets what a transaction that was rolled back may have made.
    pub(crate) fn forget(&mut self) {
        self.partitions.clear();
        self.workers.clear();
        self.any_pause = None;
    }

    #[inline]
    fn statement(&mut self, sql: &'static str) -> Result<&mut Statement<'c>> {
        match self.statements.entry((sql.as_ptr() as usize, sql.len())) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(self.connection.prepare(sql).or_refused()?)),
        }
    }

    /// Executes a statement; answers how many rows it changed.
    #[inline]
    pub(crate) fn execute(&mut self, sql: &'static str, params: impl Params) -> Result<usize> {
        self.statement(sql)?.execute(params).or_refused()
    }

    /// The first row that a query answers.
    #[inline]
    pub(crate) fn first<T>(
        &mut self,
        sql: &'static str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        let mut rows = self.statement(sql)?.query(params).or_refused()?;
        match rows.next().or_refused()? {
            Some(row) => read(row).map(Some).or_refused(),
            None => Ok(None),
        }
    }

    /// All rows that a query answers.
    pub(crate) fn all<T>(
        &mut self,
        sql: &'static str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        self.statement(sql)?
            .query_map(params, read)
            .and_then(Iterator::collect)
            .or_refused()
    }

    /// The row that the last insertion made.
    #[inline]
    pub(crate) fn inserted(&self) -> i64 {
        self.connection.last_insert_rowid()
    }

    /// A number for a new run.
    pub(crate) fn next_run(&mut self) -> Result<RunId> {
        let number = self.next_run;
        if number >= RUN_LIMIT {
            return Err(Error::Internal(format!("run numbers end at {RUN_LIMIT}")));
        }
        self.next_run += 1;
        Ok(RunId(number))
    }

    /// The partition of runs that expire on that day; made if there is none.
    pub(crate) fn partition(&mut self, expires_at: Timestamp) -> Result<&mut Partition<'c>> {
        match self.partitions.entry(expires_at.day()) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let partition = Partition::open(self.connection, expires_at.day())?;
                Ok(entry.insert(partition))
            }
        }
    }

    /// Forgets the statements of a partition that is being dropped.
    pub(crate) fn forget_partition(&mut self, day: i64) {
        self.partitions.remove(&day);
    }

    /// Forgets workers whose rows are being deleted.
    pub(crate) fn forget_workers(&mut self) {
        self.workers.clear();
    }

    /// Makes sure that the worker of a claim has a row, so that [`crate::runs::reclaim`]
    /// finds the claim: one whose lease ended so long ago that its row is gone gets one
    /// with an ended lease.
    #[inline]
    pub(crate) fn know_worker(&mut self, worker: WorkerId) -> Result<()> {
        if self.workers.contains(&worker) {
            return Ok(());
        }
        self.execute(
            "INSERT OR IGNORE INTO worker
               (id, host, pid, version, queues, slots, started_at, lease_until)
             VALUES (?1, '', 0, '', '[]', 0, 0, 0)",
            params![worker.0],
        )?;
        self.workers.insert(worker);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_packing_and_stays_in_its_runs_range() {
        for run in [1, 2, 1 << 38, RUN_LIMIT - 1] {
            for step in [0, 1, Ordinal::MAX] {
                let key = StepKey {
                    run: RunId(run),
                    step: Ordinal(step),
                };
                let id = pack(key).unwrap();
                assert_eq!(unpack(id), key);
                let (low, high) = step_range(key.run);
                assert!((low..=high).contains(&id), "{run} {step}");
            }
        }
    }

    #[test]
    fn numbers_beyond_the_limit_are_refused() {
        for (run, step) in [(0, 0), (-1, 0), (RUN_LIMIT, 0), (1, Ordinal::MAX + 1)] {
            let key = StepKey {
                run: RunId(run),
                step: Ordinal(step),
            };
            assert!(pack(key).is_err(), "{run} {step}");
        }
    }
}
