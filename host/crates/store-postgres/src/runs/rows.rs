//! The rows of a batch's runs and steps: read once under the runs' locks, changed in
//! memory item by item, written once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use model::{
    flow::Tally,
    id::{Ordinal, RunId, StepKey, Token, WorkerId},
    state::{RunState, StepState},
};
use sqlx::{PgConnection, Row, postgres::PgRow};
use store::Result;

use super::{run_state, step_state};

/// What a run's events change.
#[derive(Clone, Debug)]
pub(crate) struct RunRow {
    pub(crate) seq: i64,
    pub(crate) state: RunState,
    pub(crate) tally: Tally,
    pub(crate) started_at: Option<i64>,
    pub(crate) finished_at: Option<i64>,
    /// The day of its payload partition.
    pub(crate) day: i64,
    pub(super) changed: bool,
}

/// A step.
#[derive(Clone, Debug)]
pub(crate) struct StepRow {
    pub(crate) state: StepState,
    pub(crate) token: i64,
    pub(crate) seq: i64,
    pub(crate) worker: Option<i64>,
    pub(crate) ready_at: Option<i64>,
    pub(crate) started_at: Option<i64>,
    pub(crate) finished_at: Option<i64>,
    pub(crate) pending: u32,
    pub(crate) live: u32,
    pub(crate) failed: u32,
    /// Whether there is a row to update.
    pub(super) stored: bool,
    pub(super) changed: bool,
}

impl StepRow {
    /// A step that nothing has reached yet.
    pub(crate) fn new() -> Self {
        Self {
            state: StepState::Pending,
            token: 0,
            seq: 0,
            worker: None,
            ready_at: None,
            started_at: None,
            finished_at: None,
            pending: 0,
            live: 0,
            failed: 0,
            stored: false,
            changed: false,
        }
    }

    /// Whether this attempt is the newest and still runs.
    pub(crate) fn is_run_by(&self, token: Token) -> bool {
        self.state == StepState::Running && self.token == token.0
    }
}

/// An output or error, to be stored.
#[derive(Debug)]
pub(crate) struct Payload {
    pub(crate) key: StepKey,
    pub(crate) day: i64,
    pub(crate) data: Option<Bytes>,
    pub(crate) error: Option<Bytes>,
}

/// Log lines of an attempt, to be stored.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    pub(crate) key: StepKey,
    pub(crate) token: Token,
    pub(crate) day: i64,
    pub(crate) lines: Bytes,
}

/// What a batch has read and is going to write.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(super) runs: BTreeMap<RunId, RunRow>,
    pub(super) steps: BTreeMap<StepKey, StepRow>,
    pub(crate) payloads: Vec<Payload>,
    pub(crate) logs: Vec<Chunk>,
    /// Workers that claimed.
    pub(crate) workers: BTreeSet<WorkerId>,
    undo: Undo,
}

/// What rows were before an item changed them.
#[derive(Debug, Default)]
struct Undo {
    runs: HashMap<RunId, RunRow>,
    steps: HashMap<StepKey, Option<StepRow>>,
    payloads: usize,
    logs: usize,
}

/// What a batch needs to read.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    runs: Vec<i64>,
    steps: Vec<(i64, i32)>,
    /// Runs whose joins may be counted.
    joins: Vec<i64>,
}

impl Wanted {
    /// This step and its run.
    pub(crate) fn step(&mut self, key: StepKey) {
        // A number beyond names no row.
        if let Ok(step) = i32::try_from(key.step.0) {
            self.runs.push(key.run.0);
            self.steps.push((key.run.0, step));
        }
    }

    /// The joins of a run that have been signalled.
    pub(crate) fn joins(&mut self, run: RunId) {
        self.joins.push(run.0);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }
}

/// Locked in the order of their numbers, so that no two transactions wait for each other.
const LOCK_RUNS: &str = "
  SELECT id, seq, state, remaining, failed, warned, cancelled, started_at, finished_at,
    expires_at
  FROM run WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE";

/// A statement of its own after the locks: it sees what those committed who held them.
const READ_STEPS: &str = "
  SELECT run_id, step, state, token, seq, worker, ready_at, started_at, finished_at,
    pending, live, failed
  FROM unnest($1::bigint[], $2::integer[]) AS wanted (run_id, step)
  JOIN step USING (run_id, step)";

/// The same, and the joins that wait for more signals.
const READ_STEPS_AND_JOINS: &str = "
  SELECT run_id, step, state, token, seq, worker, ready_at, started_at, finished_at,
    pending, live, failed
  FROM unnest($1::bigint[], $2::integer[]) AS wanted (run_id, step)
  JOIN step USING (run_id, step)
  UNION ALL
  SELECT run_id, step, state, token, seq, worker, ready_at, started_at, finished_at,
    pending, live, failed
  FROM step WHERE run_id = ANY ($3) AND state = 0";

impl Rows {
    /// Locks the runs and reads what is wanted of them.
    pub(crate) async fn read(
        connection: &mut PgConnection,
        mut wanted: Wanted,
    ) -> sqlx::Result<Self> {
        wanted.runs.sort_unstable();
        wanted.runs.dedup();
        wanted.steps.sort_unstable();
        wanted.steps.dedup();
        wanted.joins.sort_unstable();
        wanted.joins.dedup();
        let found = sqlx::query(LOCK_RUNS)
            .bind(&wanted.runs)
            .fetch_all(&mut *connection)
            .await?;
        let mut rows = Self::default();
        for row in &found {
            rows.runs.insert(RunId(row.try_get(0)?), run_row(row)?);
        }
        if rows.runs.is_empty() {
            return Ok(rows);
        }
        let (runs, steps): (Vec<i64>, Vec<i32>) = wanted.steps.into_iter().unzip();
        let found = if wanted.joins.is_empty() {
            sqlx::query(READ_STEPS).bind(runs).bind(steps)
        } else {
            sqlx::query(READ_STEPS_AND_JOINS)
                .bind(runs)
                .bind(steps)
                .bind(wanted.joins)
        }
        .fetch_all(connection)
        .await?;
        for row in &found {
            let key = StepKey {
                run: RunId(row.try_get(0)?),
                step: Ordinal(row.try_get::<i32, _>(1)? as u32),
            };
            rows.steps.insert(key, step_row(row)?);
        }
        Ok(rows)
    }

    /// The run's row, if there is one.
    pub(crate) fn run(&self, run: RunId) -> Option<&RunRow> {
        self.runs.get(&run)
    }

    /// The step's row, if there is one.
    pub(crate) fn step(&self, key: StepKey) -> Option<&StepRow> {
        self.steps.get(&key)
    }

    /// Changes a run's row.
    pub(crate) fn change_run(&mut self, run: RunId, change: impl FnOnce(&mut RunRow)) {
        if let Some(row) = self.runs.get_mut(&run) {
            self.undo.runs.entry(run).or_insert_with(|| row.clone());
            change(row);
            row.changed = true;
        }
    }

    /// Changes a step's row; makes it if there is none.
    pub(crate) fn change_step(&mut self, key: StepKey, change: impl FnOnce(&mut StepRow)) {
        let before = self.steps.get(&key);
        self.undo
            .steps
            .entry(key)
            .or_insert_with(|| before.cloned());
        let row = self.steps.entry(key).or_insert_with(StepRow::new);
        change(row);
        row.changed = true;
    }

    /// Does an item's work; what it changed is taken back when it fails.
    pub(crate) fn item<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.undo.runs.clear();
        self.undo.steps.clear();
        self.undo.payloads = self.payloads.len();
        self.undo.logs = self.logs.len();
        let answer = work(self);
        if answer.is_err() {
            for (run, row) in self.undo.runs.drain() {
                self.runs.insert(run, row);
            }
            for (key, row) in self.undo.steps.drain() {
                match row {
                    Some(row) => self.steps.insert(key, row),
                    None => self.steps.remove(&key),
                };
            }
            self.payloads.truncate(self.undo.payloads);
            self.logs.truncate(self.undo.logs);
        }
        answer
    }
}

fn run_row(row: &PgRow) -> sqlx::Result<RunRow> {
    let count = |column| row.try_get::<i32, _>(column).map(|count| count as u32);
    Ok(RunRow {
        seq: row.try_get(1)?,
        state: run_state(row, 2)?,
        tally: Tally {
            remaining: count(3)?,
            failed: count(4)?,
            warned: count(5)?,
            cancelled: count(6)?,
        },
        started_at: row.try_get(7)?,
        finished_at: row.try_get(8)?,
        day: model::clock::Timestamp(row.try_get(9)?).day(),
        changed: false,
    })
}

fn step_row(row: &PgRow) -> sqlx::Result<StepRow> {
    let count = |column| row.try_get::<i32, _>(column).map(|count| count as u32);
    Ok(StepRow {
        state: step_state(row, 2)?,
        token: row.try_get(3)?,
        seq: row.try_get(4)?,
        worker: row.try_get(5)?,
        ready_at: row.try_get(6)?,
        started_at: row.try_get(7)?,
        finished_at: row.try_get(8)?,
        pending: count(9)?,
        live: count(10)?,
        failed: count(11)?,
        stored: true,
        changed: false,
    })
}
