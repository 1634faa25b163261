//! A worker takes a ready step.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use model::{
    clock::Timestamp,
    id::{RunId, TenantId, Token},
    state::{RunState, StepState},
};
use sqlx::{PgConnection, Row, postgres::PgRow};
use store::{
    Result,
    runs::{Again, Claim, Claimed, RunHeader},
};

use super::{part, priority, rows::Rows, trace, wait};
use crate::{partition, uuid::Name};

/// A claim that succeeded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    token: Token,
    ready_at: Option<Timestamp>,
}

impl Taken {
    /// Whether the step was claimed before.
    pub(crate) const fn before(self) -> bool {
        self.token.0 > 1
    }
}

/// Claims the step if it is ready.
pub(crate) fn claim(rows: &mut Rows, claim: Claim) -> Option<Taken> {
    let step = rows.step(claim.key)?;
    if step.state != StepState::Ready {
        return None;
    }
    let token = Token(step.token + 1);
    let ready_at = step.ready_at.map(Timestamp);
    let run = rows.run(claim.key.run)?;
    if run.paused {
        return None;
    }
    let seq = run.seq + 1;
    rows.workers.insert(claim.worker);
    rows.change_step(claim.key, |step| {
        step.state = StepState::Running;
        step.token = token.0;
        step.seq = seq;
        step.worker = Some(claim.worker.0);
        step.started_at = Some(claim.at.0);
    });
    rows.change_run(claim.key.run, |run| {
        run.seq = seq;
        if run.state == RunState::Queued {
            run.state = RunState::Running;
            run.started_at = Some(claim.at.0);
        }
    });
    Some(Taken { token, ready_at })
}

/// The headers of runs, by the days of their partitions.
pub(crate) async fn headers(
    connection: &mut PgConnection,
    days: BTreeMap<i64, Vec<i64>>,
) -> sqlx::Result<BTreeMap<RunId, RunHeader>> {
    let mut headers = BTreeMap::new();
    for (day, runs) in days {
        // The offset keeps the payload's row from being looked for in any other way than by
        // its key, once for each run: planned while the partition was empty, the join of
        // all inputs with all runs seemed as good.
        let sql = format!(
            "SELECT r.id, r.uuid, r.tenant_id, r.application_id, r.application_revision,
               r.configuration_revision, r.pins, r.queue, r.priority, r.log_level,
               r.created_at, r.expires_at, p.data, r.trace, r.parent_run, r.parent_step,
               r.part
             FROM unnest($1::bigint[]) AS wanted (id)
             JOIN run r ON r.id = wanted.id
             CROSS JOIN LATERAL (
               SELECT data FROM {} WHERE run_id = wanted.id AND step = -1 OFFSET 0
             ) p",
            partition::payload(day)
        );
        let found = sqlx::query(&sql)
            .bind(runs)
            .fetch_all(&mut *connection)
            .await?;
        for row in &found {
            let header = header(row)?;
            headers.insert(header.run, header);
        }
    }
    Ok(headers)
}

/// The answer to a claim that succeeded.
pub(crate) fn answer(
    claim: Claim,
    taken: Taken,
    headers: &BTreeMap<RunId, RunHeader>,
    again: Option<Again>,
) -> Result<Option<Claimed>> {
    let header = headers.get(&claim.key.run).cloned().ok_or_else(|| {
        store::Error::Corrupt(format!("run {} has lost its parameters", claim.key.run.0))
    })?;
    Ok(Some(Claimed {
        token: taken.token,
        ready_at: taken.ready_at,
        again,
        header,
    }))
}

fn header(row: &PgRow) -> sqlx::Result<RunHeader> {
    Ok(RunHeader {
        run: RunId(row.try_get(0)?),
        reference: row.try_get::<Name, _>(1)?.0,
        tenant: TenantId(row.try_get(2)?),
        application: row.try_get(3)?,
        application_revision: row.try_get(4)?,
        configuration_revision: row.try_get(5)?,
        pins: row.try_get(6)?,
        queue: Arc::from(row.try_get::<&str, _>(7)?),
        priority: priority(row, 8)?,
        log_level: row.try_get::<i16, _>(9)? as u8,
        created_at: Timestamp(row.try_get(10)?),
        expires_at: Timestamp(row.try_get(11)?),
        input: Bytes::copy_from_slice(row.try_get::<Option<&[u8]>, _>(12)?.unwrap_or_default()),
        trace: trace(row, 13)?,
        parent: wait::parent_of(row, 14)?,
        part: part(row, 16)?,
    })
}
