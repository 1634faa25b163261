//! A run is accepted.

use model::{
    flow::accepted_state,
    id::{Ordinal, RunId, StepKey},
    state::{RunState, StepState},
    trace::Context,
};
use rusqlite::params;
use store::{
    Error, Result,
    runs::{Completed, Idempotency, KeptStep, NewRun, Parent, Submitted},
};

use super::{activate::Event, complete, reference};
use crate::transaction::{Tx, pack};

pub(crate) fn submit(tx: &mut Tx<'_>, new: &NewRun) -> Result<Submitted> {
    if let Some(parent) = &new.parent
        && !runs(tx, parent)?
    {
        return Ok(Submitted::Orphan);
    }
    if let Some(idempotency) = &new.idempotency
        && let Some(existing) = existing(tx, new, idempotency)?
    {
        return Ok(existing);
    }
    let run = tx.next_run()?;
    let input = tx
        .partition(new.expires_at)?
        .append(Some(&new.input), None)?;
    let mut ready: Vec<_> = new.graph.roots().collect();
    insert(tx, run, new, input, ready.is_empty())?;
    let claimed = Event {
        tx,
        run,
        seq: 1,
        at: new.created_at,
    }
    .start(
        &mut ready,
        new.claim.filter(|_| new.kept.is_empty()),
        |_| false,
    )?;
    for kept in &new.kept {
        keep(tx, run, new, kept, &mut ready)?;
    }
    Ok(Submitted::New {
        run,
        claimed,
        ready,
    })
}

/// Ends a step with the result of another run.
fn keep(
    tx: &mut Tx<'_>,
    run: RunId,
    new: &NewRun,
    kept: &KeptStep,
    ready: &mut Vec<Ordinal>,
) -> Result<()> {
    let step = kept.step;
    let misplaced = || Error::Internal(format!("step {} is kept before its time", step.0));
    let begun = tx.execute(
        "UPDATE step SET state = ?2 WHERE id = ?1 AND state = ?3",
        params![
            pack(StepKey { run, step })?,
            StepState::Running.code(),
            StepState::Ready.code()
        ],
    )?;
    if begun != 1 {
        return Err(misplaced());
    }
    match complete::complete(tx, &new.end_of(run, kept))? {
        Completed::Stored { ready: next, .. } => {
            ready.retain(|one| *one != step);
            ready.extend(next);
            Ok(())
        }
        Completed::Fenced => Err(misplaced()),
    }
}

/// Whether the attempt is its step's newest and still runs.
fn runs(tx: &mut Tx<'_>, parent: &Parent) -> Result<bool> {
    let Ok(id) = pack(parent.key) else {
        return Ok(false);
    };
    let found = tx.first(
        "SELECT 1 FROM step WHERE id = ?1 AND state = ?2 AND token = ?3",
        params![id, StepState::Running.code(), parent.token.0],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

fn existing(tx: &mut Tx<'_>, new: &NewRun, idempotency: &Idempotency) -> Result<Option<Submitted>> {
    let found = tx.first(
        "SELECT id, uuid, idempotency_digest FROM run
         WHERE tenant_id = ?1 AND idempotency_key = ?2",
        params![new.tenant.0, idempotency.key],
        |row| {
            Ok((
                RunId(row.get(0)?),
                reference(row, 1)?,
                row.get::<_, [u8; 16]>(2)?,
            ))
        },
    )?;
    match found {
        None => Ok(None),
        Some((run, reference, digest)) if digest == idempotency.digest => {
            Ok(Some(Submitted::Existing { run, reference }))
        }
        Some(_) => Err(Error::KeyReused(idempotency.key.clone())),
    }
}

fn insert(tx: &mut Tx<'_>, run: RunId, new: &NewRun, input: i64, idle: bool) -> Result<()> {
    let steps = new.graph.len() as i64;
    // A plan without steps has ended when it is accepted.
    let claims = new.claim.is_some() && new.kept.is_empty();
    let state = accepted_state(new.graph.len(), claims && !idle);
    let at = |reached: bool| reached.then_some(new.created_at.0);
    let (started_at, finished_at) = (at(state == RunState::Running), at(state.is_final()));
    tx.execute(
        "INSERT INTO run (id, state, seq, remaining, started_at, finished_at, expires_at, input,
           tenant_id, uuid, application_id, application_revision, configuration_revision, pins,
           queue, priority, log_level, created_at, steps, started_by, parent_run, parent_step,
           idempotency_key, idempotency_digest, trace, part)
         VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
           ?3, ?18, ?19, ?20, ?21, ?22, ?23, ?24)",
        params![
            run.0,
            state.code(),
            steps,
            started_at,
            finished_at,
            new.expires_at.0,
            input,
            new.tenant.0,
            new.reference.uuid().as_bytes(),
            new.application,
            new.application_revision,
            new.configuration_revision,
            new.pins,
            new.queue,
            new.priority as u8,
            new.log_level,
            new.created_at.0,
            new.trigger,
            new.parent.map(|parent| parent.key.run.0),
            new.parent.map(|parent| parent.key.step.0),
            new.idempotency.as_ref().map(|idempotency| &idempotency.key),
            new.idempotency
                .as_ref()
                .map(|idempotency| &idempotency.digest),
            new.trace.as_ref().map(Context::to_bytes),
            new.part.map(|part| part.0),
        ],
    )
    .map(drop)
}
