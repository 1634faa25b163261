//! A worker takes a ready step.

use bytes::Bytes;
use model::{
    id::{Ordinal, TenantId, Token},
    state::{RunState, StepState},
};
use rusqlite::{Row, params};
use store::{
    Error, Result,
    runs::{Claim, Claimed, RunHeader},
};

use super::{maybe_time, priority, reference, run_state, step_state, text, time, trace, wait};
use crate::{
    pauses,
    transaction::{Tx, pack},
};

pub(super) fn claim(tx: &mut Tx<'_>, claim: Claim) -> Result<Option<Claimed>> {
    let Ok(id) = pack(claim.key) else {
        return Ok(None);
    };
    let step = tx.first(
        "SELECT state, token, ready_at FROM step WHERE id = ?1",
        [id],
        |row| {
            let token: i64 = row.get(1)?;
            Ok((step_state(row, 0)?, token, maybe_time(row, 2)?))
        },
    )?;
    let Some((StepState::Ready, token, ready_at)) = step else {
        return Ok(None);
    };
    if pauses::holds(tx, claim.key.run)? {
        return Ok(None);
    }
    let again = match token {
        0 => None,
        _ => wait::again(tx, id)?,
    };
    let token = Token(token + 1);
    let (mut header, input, state) = tx
        .first(
            "SELECT uuid, tenant_id, application_id, application_revision,
               configuration_revision, pins, queue, priority, log_level, created_at, expires_at,
               input, state, trace, parent_run, parent_step, part
             FROM run WHERE id = ?1",
            [claim.key.run.0],
            |row| header(row, claim),
        )?
        .ok_or_else(|| Error::Corrupt(format!("step {id} has no run")))?;
    header.input = tx.partition(header.expires_at)?.data(input)?;
    tx.know_worker(claim.worker)?;
    start_run(tx, claim, state)?;
    tx.execute(
        "UPDATE step SET state = ?2, token = ?3, worker = ?4, started_at = ?5,
           seq = (SELECT seq FROM run WHERE id = ?6)
         WHERE id = ?1",
        params![
            id,
            StepState::Running.code(),
            token.0,
            claim.worker.0,
            claim.at.0,
            claim.key.run.0
        ],
    )?;
    Ok(Some(Claimed {
        token,
        ready_at,
        again,
        header,
    }))
}

fn start_run(tx: &mut Tx<'_>, claim: Claim, state: RunState) -> Result<()> {
    match state {
        RunState::Queued => tx.execute(
            "UPDATE run SET seq = seq + 1, state = ?2, started_at = ?3 WHERE id = ?1",
            params![claim.key.run.0, RunState::Running.code(), claim.at.0],
        )?,
        _ => tx.execute(
            "UPDATE run SET seq = seq + 1 WHERE id = ?1",
            [claim.key.run.0],
        )?,
    };
    Ok(())
}

fn header(row: &Row<'_>, claim: Claim) -> rusqlite::Result<(RunHeader, i64, RunState)> {
    let header = RunHeader {
        run: claim.key.run,
        reference: reference(row, 0)?,
        tenant: TenantId(row.get(1)?),
        application: row.get(2)?,
        application_revision: row.get(3)?,
        configuration_revision: row.get(4)?,
        pins: row.get(5)?,
        queue: text(row, 6)?,
        priority: priority(row, 7)?,
        log_level: row.get(8)?,
        created_at: time(row, 9)?,
        expires_at: time(row, 10)?,
        input: Bytes::new(),
        trace: trace(row, 13)?,
        parent: wait::parent_of(row, 14)?,
        part: row.get::<_, Option<u32>>(16)?.map(Ordinal),
    };
    Ok((header, row.get(11)?, run_state(row, 12)?))
}
