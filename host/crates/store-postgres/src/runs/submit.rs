//! Runs are accepted, a batch of them by one statement.

use std::collections::HashMap;

use model::{
    flow::accepted_state,
    id::{Ordinal, RunId, StepKey, Token},
    state::{RunState, StepState},
    trace::Context,
};
use sqlx::{PgConnection, Row};
use store::{
    Error, Result,
    runs::{Completed, NewRun, Submitted},
};

use super::{activate::FIRST, complete, rows::Rows};
use crate::uuid::Name;

/// How many runs are accepted by one statement at most, and how far the numbers of two
/// batches are apart. Never change it: numbers would come again.
pub(crate) const BATCH: usize = 256;

type Keyed = HashMap<(i64, String), (RunId, model::id::RunRef, Vec<u8>)>;

/// Accepts runs, at most [`BATCH`]; answers one by one in their order. Whether it is in
/// a transaction is the caller's affair: what is written is one statement.
///
/// `again`: the same was sent before, and whether it was committed is not known. A run
/// whose name is there is then the one that was sent.
pub(crate) async fn submit(
    connection: &mut PgConnection,
    new: &[&NewRun],
    again: bool,
) -> sqlx::Result<Vec<Result<Submitted>>> {
    let made = if again {
        made(connection, new).await?
    } else {
        HashMap::new()
    };
    let known = existing(connection, new).await?;
    let mut answers: Vec<Option<Result<Submitted>>> = Vec::with_capacity(new.len());
    let mut accepted: Vec<Accepted<'_>> = Vec::with_capacity(new.len());
    // Of equal keys in a batch the first is the run; the others are answered after it.
    let mut firsts: HashMap<(i64, &str), usize> = HashMap::new();
    let mut seconds = Vec::new();
    for (at, &run) in new.iter().enumerate() {
        answers.push(None);
        if let Some(&number) = made.get(&run.reference.uuid()) {
            answers[at] = Some(Ok(Accepted::new(at, run).answer(number)));
            continue;
        }
        if let Some(key) = &run.idempotency {
            if let Some(found) = known.get(&(run.tenant.0, key.key.clone())) {
                answers[at] = Some(answer_existing(key, found.0, found.1, &found.2));
                continue;
            }
            if let Some(&first) = firsts.get(&(run.tenant.0, &*key.key)) {
                seconds.push((at, first));
                continue;
            }
            firsts.insert((run.tenant.0, &key.key), at);
        }
        accepted.push(Accepted::new(at, run));
    }
    // Two processes with the same keys wait for each other's in one order.
    accepted.sort_by_key(|one| {
        one.run
            .idempotency
            .as_ref()
            .map(|idempotency| &idempotency.key)
    });
    let base = insert(connection, &accepted).await?;
    for (place, one) in accepted.into_iter().enumerate() {
        let at = one.at;
        answers[at] = Some(Ok(one.answer(base + place as i64)));
    }
    for (at, first) in seconds {
        if let (Some(key), Some(Ok(Submitted::New { run, .. }))) =
            (&new[at].idempotency, &answers[first])
            && let Some(idempotency) = &new[first].idempotency
        {
            let (run, reference) = (*run, new[first].reference);
            answers[at] = Some(answer_existing(key, run, reference, &idempotency.digest));
        }
    }
    Ok(answers
        .into_iter()
        .map(|answer| {
            answer.unwrap_or_else(|| Err(Error::Internal("a submit was left out".to_owned())))
        })
        .collect())
}

fn answer_existing(
    key: &store::runs::Idempotency,
    run: RunId,
    reference: model::id::RunRef,
    digest: &[u8],
) -> Result<Submitted> {
    if key.digest[..] == *digest {
        Ok(Submitted::Existing { run, reference })
    } else {
        Err(Error::KeyReused(key.key.clone()))
    }
}

/// Ends the steps of a run that has just been accepted whose results are those of another
/// run; answers what is ready then.
pub(crate) fn keep(rows: &mut Rows, new: &NewRun, accepted: Submitted) -> Result<Submitted> {
    let Submitted::New {
        run,
        claimed,
        mut ready,
    } = accepted
    else {
        return Ok(accepted);
    };
    if !new.kept.is_empty() {
        let at = new.created_at.0;
        rows.accepted(run, new.graph.len(), new.expires_at.day());
        for &step in &ready {
            rows.accepted_step(StepKey { run, step }, at);
        }
    }
    for kept in &new.kept {
        let key = StepKey {
            run,
            step: kept.step,
        };
        let misplaced = || Error::Internal(format!("step {} is kept before its time", key.step.0));
        if rows
            .step(key)
            .is_none_or(|row| row.state != StepState::Ready)
        {
            return Err(misplaced());
        }
        rows.change_step(key, |row| row.state = StepState::Running);
        match complete::complete(rows, &new.end_of(run, kept))? {
            Completed::Stored { ready: next, .. } => {
                ready.retain(|one| *one != kept.step);
                ready.extend(next);
            }
            Completed::Fenced => return Err(misplaced()),
        }
    }
    Ok(Submitted::New {
        run,
        claimed,
        ready,
    })
}

/// The number of the transaction.
pub(crate) async fn transaction(connection: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT pg_current_xact_id()::text::bigint")
        .fetch_one(connection)
        .await
}

/// The numbers of those of these runs that are there, by their names.
async fn made(
    connection: &mut PgConnection,
    new: &[&NewRun],
) -> sqlx::Result<HashMap<::uuid::Uuid, i64>> {
    let names: Vec<_> = new.iter().map(|run| Name(run.reference)).collect();
    let rows = sqlx::query("SELECT uuid, id FROM run WHERE uuid = ANY ($1)")
        .bind(names)
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get::<Name, _>(0)?.0.uuid(), row.try_get(1)?)))
        .collect()
}

/// The runs that these keys made before.
async fn existing(connection: &mut PgConnection, new: &[&NewRun]) -> sqlx::Result<Keyed> {
    let (tenants, keys): (Vec<i64>, Vec<&str>) = new
        .iter()
        .filter_map(|run| Some((run.tenant.0, &*run.idempotency.as_ref()?.key)))
        .unzip();
    if keys.is_empty() {
        return Ok(Keyed::new());
    }
    let rows = sqlx::query(
        "SELECT r.tenant_id, r.idempotency_key, r.id, r.uuid, r.idempotency_digest
         FROM unnest($1::bigint[], $2::text[]) AS wanted (tenant_id, key)
         JOIN run r ON r.tenant_id = wanted.tenant_id AND r.idempotency_key = wanted.key",
    )
    .bind(tenants)
    .bind(keys)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let key = (row.try_get(0)?, row.try_get(1)?);
            let name: Name = row.try_get(3)?;
            Ok((key, (RunId(row.try_get(2)?), name.0, row.try_get(4)?)))
        })
        .collect()
}

/// A new run and what becomes of its first steps.
struct Accepted<'n> {
    at: usize,
    run: &'n NewRun,
    claimed: Option<(Ordinal, Token)>,
    ready: Vec<Ordinal>,
}

impl<'n> Accepted<'n> {
    fn new(at: usize, run: &'n NewRun) -> Self {
        let mut ready: Vec<_> = run.graph.roots().collect();
        let claims = run.claim.is_some() && run.kept.is_empty();
        let claimed = (claims && !ready.is_empty()).then(|| (ready.remove(0), FIRST));
        Self {
            at,
            run,
            claimed,
            ready,
        }
    }

    fn answer(self, number: i64) -> Submitted {
        Submitted::New {
            run: RunId(number),
            claimed: self.claimed,
            ready: self.ready,
        }
    }

    fn state(&self) -> RunState {
        accepted_state(self.run.graph.len(), self.claimed.is_some())
    }
}

/// The number of a run is the batch's plus its place in it, so that its steps and its
/// parameters can be inserted by the same statement.
const INSERT: &str = "
  WITH batch AS MATERIALIZED (
    SELECT nextval('run_batch') * 256 AS base
  ), runs AS (
    INSERT INTO run (id, seq, state, remaining, steps, started_at, finished_at, expires_at,
      tenant_id, uuid, application_id, application_revision, configuration_revision, pins,
      queue, priority, log_level, created_at, started_by, parent_run, parent_step,
      idempotency_key, idempotency_digest, trace, part)
    SELECT base + place, 1, state, steps, steps, started_at, finished_at, expires_at,
      tenant_id, uuid, application_id, application_revision, configuration_revision, pins,
      queue, priority, log_level, created_at, started_by, parent_run, parent_step, key, digest,
      trace, part
    FROM batch, unnest($1::bigint[], $2::smallint[], $3::integer[], $4::bigint[], $5::bigint[],
        $6::bigint[], $7::bigint[], $8::uuid[], $9::bigint[], $10::bigint[], $11::bigint[],
        $12::bigint[], $13::text[], $14::smallint[], $15::smallint[], $16::bigint[],
        $17::text[], $18::bigint[], $19::integer[], $20::text[], $21::bytea[],
        $22::bytea[], $23::integer[])
      AS new (place, state, steps, started_at, finished_at, expires_at, tenant_id, uuid,
        application_id, application_revision, configuration_revision, pins, queue, priority,
        log_level, created_at, started_by, parent_run, parent_step, key, digest, trace, part)
  ), inputs AS (
    INSERT INTO payload (run_id, step, day, data)
    SELECT base + place, -1, day, data
    FROM batch, unnest($1::bigint[], $24::integer[], $25::bytea[]) AS new (place, day, data)
  ), started AS (
    INSERT INTO step (run_id, step, state, token, seq, worker, ready_at, started_at)
    SELECT base + place, step, state, token, 1, worker, ready_at, started_at
    FROM batch, unnest($26::bigint[], $27::integer[], $28::smallint[], $29::bigint[],
        $30::bigint[], $31::bigint[], $32::bigint[])
      AS new (place, step, state, token, worker, ready_at, started_at)
  ), workers AS (
    INSERT INTO worker (id, host, pid, version, queues, slots, started_at, lease_until)
    SELECT DISTINCT worker, '', 0, '', '[]', 0, 0, 0 FROM unnest($30::bigint[]) AS new (worker)
    WHERE worker IS NOT NULL
    ON CONFLICT (id) DO NOTHING
  )
  SELECT base FROM batch";

async fn insert(connection: &mut PgConnection, new: &[Accepted<'_>]) -> sqlx::Result<i64> {
    if new.is_empty() {
        return Ok(0);
    }
    let number =
        |read: fn(&NewRun) -> i64| -> Vec<i64> { new.iter().map(|one| read(one.run)).collect() };
    let maybe = |read: fn(&Accepted<'_>) -> Option<i64>| -> Vec<Option<i64>> {
        new.iter().map(read).collect()
    };
    let small = |read: fn(&Accepted<'_>) -> u8| -> Vec<i16> {
        new.iter().map(|one| i16::from(read(one))).collect()
    };
    let short =
        |read: fn(&NewRun) -> i32| -> Vec<i32> { new.iter().map(|one| read(one.run)).collect() };
    let ordinal = |read: fn(&NewRun) -> Option<Ordinal>| -> Vec<Option<i32>> {
        let each = new.iter().map(|one| read(one.run));
        each.map(|step| step.map(|step| step.0 as i32)).collect()
    };
    let steps = Steps::of(new);
    sqlx::query_scalar(INSERT)
        .bind((0..new.len() as i64).collect::<Vec<_>>())
        .bind(small(|one| one.state().code()))
        .bind(short(|run| run.graph.len() as i32))
        .bind(maybe(|one| {
            one.claimed.is_some().then_some(one.run.created_at.0)
        }))
        .bind(maybe(|one| {
            one.state().is_final().then_some(one.run.created_at.0)
        }))
        .bind(number(|run| run.expires_at.0))
        .bind(number(|run| run.tenant.0))
        .bind(
            new.iter()
                .map(|one| Name(one.run.reference))
                .collect::<Vec<_>>(),
        )
        .bind(number(|run| run.application))
        .bind(number(|run| run.application_revision))
        .bind(maybe(|one| one.run.configuration_revision))
        .bind(number(|run| run.pins))
        .bind(new.iter().map(|one| &*one.run.queue).collect::<Vec<_>>())
        .bind(small(|one| one.run.priority as u8))
        .bind(small(|one| one.run.log_level))
        .bind(number(|run| run.created_at.0))
        .bind(new.iter().map(|one| &*one.run.trigger).collect::<Vec<_>>())
        .bind(maybe(|one| one.run.parent.map(|parent| parent.key.run.0)))
        .bind(ordinal(|run| run.parent.map(|parent| parent.key.step)))
        .bind(
            new.iter()
                .map(|one| Some(&*one.run.idempotency.as_ref()?.key))
                .collect::<Vec<_>>(),
        )
        .bind(
            new.iter()
                .map(|one| Some(&one.run.idempotency.as_ref()?.digest[..]))
                .collect::<Vec<_>>(),
        )
        .bind(
            new.iter()
                .map(|one| one.run.trace.as_ref().map(Context::to_bytes))
                .collect::<Vec<_>>(),
        )
        .bind(ordinal(|run| run.part))
        .bind(short(|run| run.expires_at.day() as i32))
        .bind(new.iter().map(|one| &one.run.input[..]).collect::<Vec<_>>())
        .bind(steps.place)
        .bind(steps.step)
        .bind(steps.state)
        .bind(steps.token)
        .bind(steps.worker)
        .bind(steps.ready_at)
        .bind(steps.started_at)
        .fetch_one(connection)
        .await
}

/// The columns of the steps that runs start with.
#[derive(Default)]
struct Steps {
    place: Vec<i64>,
    step: Vec<i32>,
    state: Vec<i16>,
    token: Vec<i64>,
    worker: Vec<Option<i64>>,
    ready_at: Vec<i64>,
    started_at: Vec<Option<i64>>,
}

impl Steps {
    fn of(new: &[Accepted<'_>]) -> Self {
        let mut steps = Self::default();
        for (place, one) in new.iter().enumerate() {
            let at = one.run.created_at.0;
            let mut push = |step: Ordinal, state: StepState, token, worker, started_at| {
                steps.place.push(place as i64);
                steps.step.push(step.0 as i32);
                steps.state.push(i16::from(state.code()));
                steps.token.push(token);
                steps.worker.push(worker);
                steps.ready_at.push(at);
                steps.started_at.push(started_at);
            };
            if let (Some((step, token)), Some(worker)) = (one.claimed, one.run.claim) {
                push(step, StepState::Running, token.0, Some(worker.0), Some(at));
            }
            for &step in &one.ready {
                push(step, StepState::Ready, 0, None, None);
            }
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_statement_numbers_as_the_batch_is_large() {
        assert!(super::INSERT.contains(&format!("* {} AS base", super::BATCH)));
    }
}
