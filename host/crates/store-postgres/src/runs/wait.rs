//! Steps that wait and hold no worker.

use bytes::Bytes;
use model::{
    clock::Timestamp,
    id::{Ordinal, RunId, StepKey},
    state::{StepState, WaitKind},
};
use sqlx::{
    PgConnection, Row,
    postgres::{PgPool, PgRow},
};
use store::{
    Result,
    runs::{Again, ReadyStep, Suspended, Suspension},
};

use super::{code, key, ordinal, ready_step, sql_limit, step_state, time};
use crate::{asks, error::OrRefused, limits, transaction::Work};

/// The run's row is locked first, as by everybody who changes its steps.
const LOCK: &str = "SELECT FROM run WHERE id = $1 AND finished_at IS NULL FOR NO KEY UPDATE";

pub(crate) async fn lock(connection: &mut PgConnection, run: RunId) -> sqlx::Result<bool> {
    let found = sqlx::query(LOCK)
        .bind(run.0)
        .fetch_optional(connection)
        .await?;
    Ok(found.is_some())
}

pub(super) async fn suspend(
    connection: &mut PgConnection,
    suspension: &Suspension,
) -> Work<Suspended> {
    let parent = suspension.key;
    let Some(step) = ordinal(parent.step) else {
        return Ok(Suspended::Fenced);
    };
    if !lock(connection, parent.run).await? {
        return Ok(Suspended::Fenced);
    }
    let found = sqlx::query(
        "SELECT state, worker, ready_at, started_at FROM step
         WHERE run_id = $1 AND step = $2 AND token = $3",
    )
    .bind(parent.run.0)
    .bind(step)
    .bind(suspension.token.0)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(attempt) = found else {
        return Ok(Suspended::Fenced);
    };
    match step_state(&attempt, 0)? {
        StepState::Running => {}
        // It was sent before, and whether it was committed was not known.
        StepState::Waiting => return Ok(Suspended::Waiting),
        _ => return Ok(Suspended::Fenced),
    }
    record(&mut *connection, suspension, step, &attempt).await?;
    set_state(connection, parent, step, StepState::Waiting, None).await?;
    if asks::ask(&mut *connection, suspension, step).await? {
        let mut woken = wake(connection, (&[parent.run.0], &[step]), suspension.at).await?;
        return Ok(woken.pop().map_or(Suspended::Waiting, Suspended::Ready));
    }
    // Until the next attempt it needs no place.
    if suspension.ended.is_some() {
        let steps = [(parent.run.0, step)];
        limits::release_steps(connection, &steps, suspension.at).await?;
    }
    Ok(
        match count_children(connection, parent, step, suspension.at).await? {
            Some(ready) => Suspended::Ready(ready),
            None => Suspended::Waiting,
        },
    )
}

/// Keeps what the attempt has logged, how it ended if it did, and what its step waits for.
async fn record(
    connection: &mut PgConnection,
    suspension: &Suspension,
    step: i32,
    attempt: &PgRow,
) -> sqlx::Result<()> {
    let parent = suspension.key;
    if let Some(lines) = &suspension.log {
        sqlx::query(
            "INSERT INTO log (run_id, step, day, token, lines) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(parent.run.0)
        .bind(step)
        .bind(suspension.expires_at.day() as i32)
        .bind(suspension.token.0)
        .bind(&lines[..])
        .execute(&mut *connection)
        .await?;
    }
    let started_at: Option<i64> = attempt.try_get(3)?;
    if let Some(state) = suspension.ended {
        sqlx::query(
            "INSERT INTO attempt (run_id, step, token, state, worker, ready_at, started_at,
               finished_at, error)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(parent.run.0)
        .bind(step)
        .bind(suspension.token.0)
        .bind(i16::from(state.code()))
        .bind(attempt.try_get::<Option<i64>, _>(1)?)
        .bind(attempt.try_get::<Option<i64>, _>(2)?)
        .bind(started_at)
        .bind(suspension.at.0)
        .bind(suspension.error.as_deref())
        .execute(&mut *connection)
        .await?;
    }
    sqlx::query(
        "INSERT INTO wait (run_id, step, kind, since, due_at, wakes, retries, first_at, started,
           ended, wanted, detail)
         VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8, 0, $9, $10)
         ON CONFLICT (run_id, step) DO UPDATE SET kind = excluded.kind, since = excluded.since,
           due_at = excluded.due_at, retries = wait.retries + excluded.retries,
           first_at = CASE WHEN wait.kind = $11 AND wait.retries = 0 THEN excluded.first_at
             ELSE wait.first_at END,
           started = excluded.started, wanted = excluded.wanted,
           ended = CASE WHEN excluded.retries > 0 THEN 0 ELSE wait.ended END,
           detail = coalesce(excluded.detail, wait.detail)",
    )
    .bind(parent.run.0)
    .bind(step)
    .bind(i16::from(suspension.kind.code()))
    .bind(suspension.at.0)
    .bind(suspension.until.map(|until| until.0))
    .bind(i32::from(suspension.ended.is_some()))
    .bind(started_at.unwrap_or(suspension.at.0))
    .bind(suspension.children.0 as i32)
    .bind(suspension.children.1 as i32)
    .bind(suspension.detail.as_deref())
    .bind(i16::from(WaitKind::Limit.code()))
    .execute(connection)
    .await
    .map(drop)
}

/// A step that executes waits for a limit from now on. Its run is locked.
pub(crate) async fn wait_for_limit(
    connection: &mut PgConnection,
    of: StepKey,
    step: i32,
    at: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query(
        "WITH event AS (
           UPDATE run SET seq = seq + 1 WHERE id = $1 RETURNING seq
         ), waiting AS (
           UPDATE step SET state = $3, seq = event.seq FROM event
           WHERE run_id = $1 AND step = $2 RETURNING started_at
         )
         INSERT INTO wait (run_id, step, kind, since, due_at, wakes, retries, first_at, started,
           ended, wanted, detail)
         SELECT $1, $2, $4, $5, NULL, 0, 0, coalesce(started_at, $5), 0, 0, 0, NULL FROM waiting
         ON CONFLICT (run_id, step) DO UPDATE SET kind = excluded.kind, since = excluded.since,
           due_at = NULL, started = 0, wanted = 0",
    )
    .bind(of.run.0)
    .bind(step)
    .bind(i16::from(StepState::Waiting.code()))
    .bind(i16::from(WaitKind::Limit.code()))
    .bind(at.0)
    .execute(connection)
    .await
    .map(drop)
}

/// Each change of a step is an event of its run, whose row is locked.
async fn set_state(
    connection: &mut PgConnection,
    of: StepKey,
    step: i32,
    state: StepState,
    ready_at: Option<Timestamp>,
) -> sqlx::Result<()> {
    sqlx::query(
        "WITH event AS (UPDATE run SET seq = seq + 1 WHERE id = $1 RETURNING seq)
         UPDATE step SET state = $3, ready_at = coalesce($4, ready_at), seq = event.seq
         FROM event WHERE run_id = $1 AND step = $2",
    )
    .bind(of.run.0)
    .bind(step)
    .bind(i16::from(state.code()))
    .bind(ready_at.map(|at| at.0))
    .execute(connection)
    .await
    .map(drop)
}

/// Waits whose time has come. Those of runs that somebody else is at are left for another
/// time.
const DUE: &str = "
  SELECT w.run_id, w.step FROM wait w JOIN run r ON r.id = w.run_id
  WHERE w.due_at <= $1 ORDER BY w.due_at LIMIT $2 FOR NO KEY UPDATE OF r SKIP LOCKED";

/// Those among them that wait no more. Asked after the locks, as what is woken is.
const PAST: &str = "
  UPDATE wait SET due_at = NULL
  FROM unnest($1::bigint[], $2::integer[]) AS given (run_id, step)
  WHERE wait.run_id = given.run_id AND wait.step = given.step AND wait.due_at <= $3
    AND NOT EXISTS (SELECT FROM step s JOIN run r ON r.id = s.run_id
      WHERE s.run_id = wait.run_id AND s.step = wait.step AND s.state = $4
        AND r.finished_at IS NULL)";

const WAKE: &str = "
  WITH given AS MATERIALIZED (
    SELECT g.run_id, g.step, r.queue, r.priority, r.tenant_id,
      r.seq + row_number() OVER (PARTITION BY g.run_id ORDER BY g.step) AS seq
    FROM unnest($1::bigint[], $2::integer[]) AS g (run_id, step)
    JOIN step s ON s.run_id = g.run_id AND s.step = g.step AND s.state = $3
    JOIN run r ON r.id = g.run_id AND r.finished_at IS NULL
  ), runs AS (
    UPDATE run SET seq = last.seq
    FROM (SELECT run_id, max(seq) AS seq FROM given GROUP BY run_id) last
    WHERE run.id = last.run_id
  ), steps AS (
    UPDATE step SET state = $4, ready_at = $5, seq = given.seq
    FROM given WHERE step.run_id = given.run_id AND step.step = given.step
  ), waits AS (
    UPDATE wait SET due_at = NULL, wakes = wakes + 1
    FROM given WHERE wait.run_id = given.run_id AND wait.step = given.step
  ), asks AS (
    DELETE FROM ask USING given WHERE ask.run_id = given.run_id AND ask.step = given.step
  )
  SELECT run_id, step, queue, priority, tenant_id FROM given ORDER BY run_id, step";

/// Makes waiting steps ready; their runs are locked.
pub(crate) async fn wake(
    connection: &mut PgConnection,
    (runs, steps): (&[i64], &[i32]),
    at: Timestamp,
) -> sqlx::Result<Vec<ReadyStep>> {
    sqlx::query(WAKE)
        .bind(runs)
        .bind(steps)
        .bind(i16::from(StepState::Waiting.code()))
        .bind(i16::from(StepState::Ready.code()))
        .bind(at.0)
        .try_map(|row: PgRow| ready_step(&row))
        .fetch_all(connection)
        .await
}

pub(super) async fn wake_due(
    connection: &mut PgConnection,
    now: Timestamp,
    limit: usize,
) -> Work<Vec<ReadyStep>> {
    let due = sqlx::query(DUE)
        .bind(now.0)
        .bind(sql_limit(limit))
        .fetch_all(&mut *connection)
        .await?;
    let (mut runs, mut steps) = (Vec::with_capacity(due.len()), Vec::with_capacity(due.len()));
    for row in &due {
        runs.push(row.try_get::<i64, _>(0)?);
        steps.push(row.try_get::<i32, _>(1)?);
    }
    limits::call_due(connection, now).await?;
    let left = limit.saturating_sub(runs.len());
    for (run, step) in limits::handed(connection, left).await? {
        runs.push(run);
        steps.push(step);
    }
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    let woken = wake(connection, (&runs, &steps), now).await?;
    if woken.len() < runs.len() {
        sqlx::query(PAST)
            .bind(&runs)
            .bind(&steps)
            .bind(now.0)
            .bind(i16::from(StepState::Waiting.code()))
            .execute(connection)
            .await?;
    }
    Ok(woken)
}

pub(super) async fn next_due(pool: &PgPool) -> Result<Option<Timestamp>> {
    sqlx::query_scalar(
        "SELECT least(
           (SELECT min(due_at) FROM wait WHERE due_at IS NOT NULL),
           (SELECT min(due_at) FROM limit_key WHERE due_at IS NOT NULL),
           (SELECT min(since) FROM limit_place WHERE place = 1))",
    )
    .fetch_one(pool)
    .await
    .map(|due: Option<i64>| due.map(Timestamp))
    .or_refused()
}

/// Runs have ended: their parents are to count them.
pub(super) async fn runs_ended(connection: &mut PgConnection, runs: &[i64]) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO child_end (parent_run, parent_step, run_id)
         SELECT parent_run, parent_step, id FROM run
         WHERE id = ANY ($1) AND parent_run IS NOT NULL AND finished_at IS NOT NULL
         ON CONFLICT DO NOTHING",
    )
    .bind(runs)
    .execute(connection)
    .await
    .map(drop)
}

/// The same for those whose parents are known.
pub(crate) async fn children_ended(
    connection: &mut PgConnection,
    ends: &[(StepKey, RunId)],
) -> sqlx::Result<()> {
    let parents: Vec<i64> = ends.iter().map(|(parent, _)| parent.run.0).collect();
    let steps: Vec<i32> = ends
        .iter()
        .map(|(parent, _)| parent.step.0 as i32)
        .collect();
    let runs: Vec<i64> = ends.iter().map(|(_, run)| run.0).collect();
    sqlx::query(
        "INSERT INTO child_end (parent_run, parent_step, run_id)
         SELECT * FROM unnest($1::bigint[], $2::integer[], $3::bigint[])
         ON CONFLICT DO NOTHING",
    )
    .bind(parents)
    .bind(steps)
    .bind(runs)
    .execute(connection)
    .await
    .map(drop)
}

pub(super) async fn settle(
    connection: &mut PgConnection,
    parent: StepKey,
    at: Timestamp,
) -> Work<Option<ReadyStep>> {
    let Some(step) = ordinal(parent.step) else {
        return Ok(None);
    };
    let unfinished = lock(connection, parent.run).await?;
    let state = sqlx::query("SELECT state FROM step WHERE run_id = $1 AND step = $2")
        .bind(parent.run.0)
        .bind(step)
        .try_map(|row: PgRow| step_state(&row, 0))
        .fetch_optional(&mut *connection)
        .await?;
    match state {
        Some(StepState::Waiting) if unfinished => {
            Ok(count_children(connection, parent, step, at).await?)
        }
        // It counts them when it waits for them.
        Some(StepState::Running | StepState::Ready) if unfinished => Ok(None),
        // Nobody does any more.
        _ => {
            take_ends(connection, parent, step).await?;
            Ok(None)
        }
    }
}

async fn take_ends(connection: &mut PgConnection, parent: StepKey, step: i32) -> sqlx::Result<i32> {
    let taken = sqlx::query("DELETE FROM child_end WHERE parent_run = $1 AND parent_step = $2")
        .bind(parent.run.0)
        .bind(step)
        .execute(connection)
        .await?;
    Ok(taken.rows_affected() as i32)
}

/// Counts the children of a waiting step that have ended, and wakes it for the last that it
/// waits for.
async fn count_children(
    connection: &mut PgConnection,
    parent: StepKey,
    step: i32,
    at: Timestamp,
) -> sqlx::Result<Option<ReadyStep>> {
    let ended = take_ends(connection, parent, step).await?;
    let enough: Option<bool> = sqlx::query_scalar(
        "UPDATE wait SET ended = ended + $3 WHERE run_id = $1 AND step = $2
         RETURNING wanted > 0 AND ended >= wanted",
    )
    .bind(parent.run.0)
    .bind(step)
    .bind(ended)
    .fetch_optional(&mut *connection)
    .await?;
    if enough != Some(true) {
        return Ok(None);
    }
    let mut woken = wake(connection, (&[parent.run.0], &[step]), at).await?;
    Ok(woken.pop())
}

pub(super) async fn unsettled(
    pool: &PgPool,
    after: Option<StepKey>,
    limit: usize,
) -> Result<Vec<StepKey>> {
    sqlx::query(
        "SELECT DISTINCT parent_run, parent_step FROM child_end
         WHERE (parent_run, parent_step) > ($2, $3) ORDER BY 1, 2 LIMIT $1",
    )
    .bind(sql_limit(limit))
    .bind(after.map_or(0, |step| step.run.0))
    .bind(after.map_or(-1, |step| step.step.0 as i32))
    .try_map(|row: PgRow| key(&row, 0))
    .fetch_all(pool)
    .await
    .or_refused()
}

pub(crate) fn wait_kind(row: &PgRow, column: usize) -> sqlx::Result<WaitKind> {
    let code = code(row, column)?;
    WaitKind::from_code(code).ok_or_else(|| super::unknown(column, &format!("wait {code}")))
}

pub(crate) fn bytes(row: &PgRow, column: usize) -> sqlx::Result<Option<Bytes>> {
    let bytes = row.try_get::<Option<&[u8]>, _>(column)?;
    Ok(bytes.map(Bytes::copy_from_slice))
}

/// What is left of the attempts before, of steps that were claimed before.
pub(crate) async fn again(
    connection: &mut PgConnection,
    steps: &[StepKey],
) -> sqlx::Result<Vec<(StepKey, Again)>> {
    let runs: Vec<i64> = steps.iter().map(|key| key.run.0).collect();
    let ordinals: Vec<i32> = steps.iter().map(|key| key.step.0 as i32).collect();
    sqlx::query(
        "SELECT run_id, step, kind, detail, wakes, retries, started, ended, first_at
         FROM unnest($1::bigint[], $2::integer[]) AS wanted (run_id, step)
         JOIN wait USING (run_id, step)",
    )
    .bind(runs)
    .bind(ordinals)
    .try_map(|row: PgRow| {
        let again = Again {
            kind: wait_kind(&row, 2)?,
            detail: bytes(&row, 3)?,
            wakes: row.try_get(4)?,
            retries: row.try_get::<i32, _>(5)? as u32,
            children: (
                row.try_get::<i32, _>(6)? as u32,
                row.try_get::<i32, _>(7)? as u32,
            ),
            first_at: time(&row, 8)?,
        };
        Ok((key(&row, 0)?, again))
    })
    .fetch_all(connection)
    .await
}

/// The step that started a run.
pub(super) fn parent_of(row: &PgRow, column: usize) -> sqlx::Result<Option<StepKey>> {
    let run: Option<i64> = row.try_get(column)?;
    let step: Option<i32> = row.try_get(column + 1)?;
    Ok(run.zip(step).map(|(run, step)| StepKey {
        run: RunId(run),
        step: Ordinal(step as u32),
    }))
}
