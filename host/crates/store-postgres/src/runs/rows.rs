//! The rows of a batch's runs and steps: read once under the runs' locks, changed in
//! memory item by item, written once.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::{self, Write},
};

use bytes::Bytes;
use futures::TryStreamExt;
use model::{
    flow::Tally,
    id::{Ordinal, RunId, StepKey, Token, WorkerId},
    state::{RunState, StepState},
};
use sqlx::{Either, Executor, PgConnection, Row, postgres::PgRow};
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
    /// Whether it may start no step now.
    pub(crate) paused: bool,
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
    /// Runs that have ended, with the steps that started them.
    pub(crate) child_ends: Vec<(StepKey, RunId)>,
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
    child_ends: usize,
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

    /// Nothing but numbers comes into the text.
    fn into_sql(mut self) -> String {
        self.runs.sort_unstable();
        self.runs.dedup();
        self.steps.sort_unstable();
        self.steps.dedup();
        self.joins.sort_unstable();
        self.joins.dedup();
        let mut sql = "BEGIN; EXECUTE lock_runs (".to_owned();
        array(&mut sql, &self.runs);
        sql.push_str(if self.joins.is_empty() {
            "); EXECUTE read_steps ("
        } else {
            "); EXECUTE read_steps_and_joins ("
        });
        let (runs, steps): (Vec<i64>, Vec<i32>) = self.steps.into_iter().unzip();
        array(&mut sql, &runs);
        sql.push_str(", ");
        array(&mut sql, &steps);
        if !self.joins.is_empty() {
            sql.push_str(", ");
            array(&mut sql, &self.joins);
        }
        sql.push(')');
        sql
    }
}

/// Numbers as PostgreSQL writes an array of them.
fn array(sql: &mut String, numbers: &[impl fmt::Display]) {
    sql.push_str("'{");
    for (index, number) in numbers.iter().enumerate() {
        if index > 0 {
            sql.push(',');
        }
        // Writing to a string does not fail.
        let _ = write!(sql, "{number}");
    }
    sql.push_str("}'");
}

/// What a lane's connection prepares: [`Rows::read`] then asks for all of it in one message,
/// which the extended protocol, as sqlx speaks it, would take a round trip each for.
///
/// Runs are locked in the order of their numbers, so that no two transactions wait for each
/// other. Steps are read by a statement of its own after the locks: it sees what those
/// committed who held them.
pub(crate) const PREPARE: &str = "
  PREPARE lock_runs (bigint[]) AS
  SELECT id, seq, state, remaining, failed, warned, cancelled, started_at, finished_at,
    expires_at, EXISTS (
      SELECT FROM pause p WHERE p.tenant_id = run.tenant_id
        AND p.application_id IN (0, run.application_id) AND p.queue IN ('', run.queue))
  FROM run WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE;

  PREPARE read_steps (bigint[], integer[]) AS
  SELECT run_id, step, state, token, seq, worker, ready_at, started_at, finished_at,
    pending, live, failed
  FROM unnest($1, $2) AS wanted (run_id, step)
  JOIN step USING (run_id, step);

  -- The same, and the joins that wait for more signals.
  PREPARE read_steps_and_joins (bigint[], integer[], bigint[]) AS
  SELECT run_id, step, state, token, seq, worker, ready_at, started_at, finished_at,
    pending, live, failed
  FROM unnest($1, $2) AS wanted (run_id, step)
  JOIN step USING (run_id, step)
  UNION ALL
  SELECT run_id, step, state, token, seq, worker, ready_at, started_at, finished_at,
    pending, live, failed
  FROM step WHERE run_id = ANY ($3) AND state = 0;";

impl Rows {
    /// Begins a transaction, locks the runs and reads what is wanted of them: one round trip.
    pub(crate) async fn read(connection: &mut PgConnection, wanted: Wanted) -> sqlx::Result<Self> {
        let sql = wanted.into_sql();
        let mut rows = Self::default();
        // Which of the statements has answered last.
        let mut answered = 0;
        let mut found = connection.fetch_many(&*sql);
        while let Some(one) = found.try_next().await? {
            match one {
                Either::Left(_) => answered += 1,
                Either::Right(row) if answered == 1 => {
                    rows.runs.insert(RunId(row.try_get(0)?), run_row(&row)?);
                }
                Either::Right(row) => {
                    let key = StepKey {
                        run: RunId(row.try_get(0)?),
                        step: Ordinal(row.try_get::<i32, _>(1)? as u32),
                    };
                    rows.steps.insert(key, step_row(&row)?);
                }
            }
        }
        Ok(rows)
    }

    /// Locks a run and reads it with all of its steps, inside a transaction of any
    /// connection: the second statement sees what those committed who held the lock.
    pub(crate) async fn read_run(connection: &mut PgConnection, run: RunId) -> sqlx::Result<Self> {
        let mut rows = Self::default();
        let found = sqlx::query(
            "SELECT id, seq, state, remaining, failed, warned, cancelled, started_at,
               finished_at, expires_at, false
             FROM run WHERE id = $1 FOR NO KEY UPDATE",
        )
        .bind(run.0)
        .fetch_optional(&mut *connection)
        .await?;
        let Some(found) = found else { return Ok(rows) };
        rows.runs.insert(run, run_row(&found)?);
        let steps = sqlx::query(
            "SELECT run_id, step, state, token, seq, worker, ready_at, started_at, finished_at,
               pending, live, failed
             FROM step WHERE run_id = $1",
        )
        .bind(run.0)
        .fetch_all(connection)
        .await?;
        for row in &steps {
            let step = Ordinal(row.try_get::<i32, _>(1)? as u32);
            rows.steps.insert(StepKey { run, step }, step_row(row)?);
        }
        Ok(rows)
    }

    /// A run that was inserted just now, with steps that have not ended.
    pub(crate) fn accepted(&mut self, run: RunId, steps: usize, day: i64) {
        let row = RunRow {
            seq: 1,
            state: RunState::Queued,
            tally: Tally {
                remaining: steps as u32,
                ..Tally::default()
            },
            started_at: None,
            finished_at: None,
            day,
            paused: false,
            changed: false,
        };
        self.runs.insert(run, row);
    }

    /// A step that was inserted just now and is ready.
    pub(crate) fn accepted_step(&mut self, key: StepKey, at: i64) {
        let row = StepRow {
            state: StepState::Ready,
            seq: 1,
            ready_at: Some(at),
            stored: true,
            ..StepRow::new()
        };
        self.steps.insert(key, row);
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
        self.undo.child_ends = self.child_ends.len();
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
            self.child_ends.truncate(self.undo.child_ends);
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
        paused: row.try_get(10)?,
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
