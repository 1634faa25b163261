//! One step is stopped, or marked as late.

use model::{
    clock::Timestamp,
    flow::{Graph, Route, advance},
    id::{StepKey, Token, WorkerId},
    state::StepState,
};
use sqlx::PgConnection;
use store::{Error, runs::Revoked};

use super::{activate::Event, ordinal, rows::Rows, wait};
use crate::{limits, transaction::Work};

/// Ends the step as cancelled. An attempt that runs is fenced by it.
pub(super) async fn revoke(
    connection: &mut PgConnection,
    key: StepKey,
    graph: &Graph,
    at: Timestamp,
) -> Work<Option<Revoked>> {
    let Some(step) = ordinal(key.step) else {
        return Ok(None);
    };
    let mut rows = Rows::read_run(&mut *connection, key.run).await?;
    let Some(revoked) = end(&mut rows, key, graph, at)? else {
        return Ok(None);
    };
    if let Some(worker) = revoked.worker {
        sqlx::query(
            "INSERT INTO revoked_claim (worker, run_id, step) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING",
        )
        .bind(worker.0)
        .bind(key.run.0)
        .bind(step)
        .execute(&mut *connection)
        .await?;
    }
    sqlx::query("UPDATE wait SET due_at = NULL WHERE run_id = $1 AND step = $2")
        .bind(key.run.0)
        .bind(step)
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM ask WHERE run_id = $1 AND step = $2")
        .bind(key.run.0)
        .bind(step)
        .execute(&mut *connection)
        .await?;
    rows.write(&mut *connection).await?;
    if revoked.ended.is_some() {
        wait::runs_ended(&mut *connection, &[key.run.0]).await?;
    }
    limits::release_steps(connection, &[(key.run.0, step)], at).await?;
    Ok(Some(revoked))
}

/// What follows, in memory.
fn end(
    rows: &mut Rows,
    key: StepKey,
    graph: &Graph,
    at: Timestamp,
) -> Result<Option<Revoked>, Error> {
    let (Some(run), Some(step)) = (rows.run(key.run).cloned(), rows.step(key).cloned()) else {
        return Ok(None);
    };
    let stoppable = matches!(
        step.state,
        StepState::Ready | StepState::Running | StepState::Waiting
    );
    if run.state.is_final() || !stoppable {
        return Ok(None);
    }
    let cancelled = StepState::Cancelled;
    let seq = run.seq + 1;
    rows.change_step(key, |step| {
        step.state = cancelled;
        step.seq = seq;
        step.finished_at = Some(at.0);
    });
    let mut event = Event {
        rows,
        run: key.run,
        seq,
        at,
    };
    // What is cancelled makes nothing ready.
    let next = advance(graph, key.step, cancelled, &Route::All, &mut event)?;
    for (step, state) in next.unexecuted() {
        event.end_unexecuted(step, state);
    }
    let mut tally = run.tally;
    let ended = tally
        .end(cancelled, next.unexecuted_len())
        .map_err(|error| Error::miscounted(key.run, error))?;
    rows.change_run(key.run, |run| {
        run.seq = seq;
        run.tally = tally;
        if let Some(state) = ended {
            run.state = state;
            run.finished_at = Some(at.0);
        }
    });
    let worker = step.worker.filter(|_| step.state == StepState::Running);
    Ok(Some(Revoked {
        token: Token(step.token),
        worker: worker.map(WorkerId),
        ended,
    }))
}

/// Marks a running attempt as late.
pub(super) async fn mark_late(
    connection: &mut PgConnection,
    key: StepKey,
    token: Token,
    at: Timestamp,
) -> Work<bool> {
    let Some(step) = ordinal(key.step) else {
        return Ok(false);
    };
    sqlx::query("SELECT FROM run WHERE id = $1 FOR NO KEY UPDATE")
        .bind(key.run.0)
        .execute(&mut *connection)
        .await?;
    let marked = sqlx::query(
        "UPDATE step SET late_at = $5, seq = run.seq + 1
         FROM run WHERE run.id = $1 AND step.run_id = $1 AND step.step = $2
           AND step.state = $3 AND step.token = $4",
    )
    .bind(key.run.0)
    .bind(step)
    .bind(i16::from(StepState::Running.code()))
    .bind(token.0)
    .bind(at.0)
    .execute(&mut *connection)
    .await?;
    if marked.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query("UPDATE run SET seq = seq + 1 WHERE id = $1")
        .bind(key.run.0)
        .execute(connection)
        .await?;
    Ok(true)
}
