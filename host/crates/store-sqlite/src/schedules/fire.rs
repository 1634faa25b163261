//! An occurrence becomes a run, or is recorded without one.

use model::clock::Timestamp;
use rusqlite::params;
use store::{
    Error, Result,
    runs::Submitted,
    schedules::{Act, Decision, Fire, Fired, MAX_WAITING, Outcome, Standing},
};

use crate::{runs::submit, transaction::Tx};

/// The runs of a schedule that have not ended, of occurrences before a moment. Only those are
/// looked at that are not older than the oldest run that has not.
pub(super) const UNFINISHED: &str = "
  SELECT o.run_uuid FROM occurrence o
  WHERE o.schedule_id = ?1 AND o.due_at < ?2
    AND o.run_id >= (SELECT min(id) FROM run WHERE finished_at IS NULL)
    AND EXISTS (SELECT 1 FROM run r WHERE r.id = o.run_id AND r.finished_at IS NULL)
  ORDER BY o.run_id LIMIT 100";

pub(super) fn fire(tx: &mut Tx<'_>, fire: &Fire) -> Result<Fired> {
    let standing = standing(tx, fire)?;
    match fire.decide(standing) {
        Decision::Nothing => Ok(Fired::Changed),
        Decision::Wait => Ok(Fired::Recorded(Outcome::Waiting)),
        Decision::MoveOn => {
            move_on(tx, fire)?;
            Ok(Fired::Already)
        }
        Decision::Record(outcome) => {
            let reason = Some(fire.reason());
            record(tx, fire, outcome, None, reason)?;
            move_on(tx, fire)?;
            Ok(Fired::Recorded(outcome))
        }
        Decision::Start => start(tx, fire),
    }
}

fn standing(tx: &mut Tx<'_>, fire: &Fire) -> Result<Option<Standing>> {
    let found = tx.first(
        "SELECT revision, enabled, next_due FROM schedule WHERE id = ?1",
        [fire.schedule],
        |row| {
            Ok(Standing {
                revision: row.get(0)?,
                enabled: row.get(1)?,
                next_due: row.get::<_, Option<i64>>(2)?.map(Timestamp),
                recorded: None,
                unfinished: false,
                waiting: 0,
            })
        },
    )?;
    let Some(mut standing) = found else {
        return Ok(None);
    };
    let code: Option<u8> = tx.first(
        "SELECT outcome FROM occurrence WHERE schedule_id = ?1 AND due_at = ?2",
        params![fire.schedule, fire.due.0],
        |row| row.get(0),
    )?;
    standing.recorded = code.map(outcome).transpose()?;
    if fire.asks_for_runs() {
        standing.unfinished = tx
            .first(UNFINISHED, [fire.schedule, i64::MAX], |_| Ok(()))?
            .is_some();
        let waiting: Option<i64> = tx.first(
            "SELECT count(*) FROM (SELECT 1 FROM occurrence
               WHERE schedule_id = ?1 AND outcome = 5 AND reason IS NOT NULL LIMIT ?2)",
            params![fire.schedule, MAX_WAITING as i64],
            |row| row.get(0),
        )?;
        standing.waiting = waiting.unwrap_or(0) as usize;
    }
    Ok(Some(standing))
}

/// The outcome of a column.
pub(super) fn outcome(code: u8) -> Result<Outcome> {
    Outcome::from_code(code)
        .ok_or_else(|| Error::Corrupt(format!("there is no outcome {code} of an occurrence")))
}

fn start(tx: &mut Tx<'_>, fire: &Fire) -> Result<Fired> {
    let Act::Start(new, _) = &fire.act else {
        return Err(Error::Internal("an occurrence has no run".to_owned()));
    };
    let Submitted::New { run, ready, .. } = submit::submit(tx, new)? else {
        return Err(Error::Internal("an occurrence's run has a key".to_owned()));
    };
    let uuid = new.reference.uuid();
    record(
        tx,
        fire,
        Outcome::Started,
        Some((run.0, uuid.as_bytes())),
        None,
    )?;
    tx.execute(
        "UPDATE schedule SET total_runs = total_runs + 1, last_run = ?2, last_run_at = ?3
         WHERE id = ?1",
        params![fire.schedule, uuid.as_bytes(), new.created_at.0],
    )?;
    move_on(tx, fire)?;
    Ok(Fired::Started { run, ready })
}

fn record(
    tx: &mut Tx<'_>,
    fire: &Fire,
    outcome: Outcome,
    run: Option<(i64, &[u8; 16])>,
    reason: Option<&str>,
) -> Result<()> {
    // One that waited has a row.
    tx.execute(
        "INSERT INTO occurrence (schedule_id, due_at, run_id, outcome, run_uuid, reason, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (schedule_id, due_at) DO UPDATE SET run_id = ?3, outcome = ?4,
           run_uuid = ?5, reason = ?6, at = ?7",
        params![
            fire.schedule,
            fire.due.0,
            run.map(|(id, _)| id),
            outcome as u8,
            run.map(|(_, uuid)| uuid),
            reason,
            fire.at.0,
        ],
    )
    .map(drop)
}

fn move_on(tx: &mut Tx<'_>, fire: &Fire) -> Result<()> {
    let Some(next) = fire.next() else {
        return Ok(());
    };
    tx.execute(
        "UPDATE schedule SET next_due = ?2 WHERE id = ?1",
        params![fire.schedule, next.map(|next| next.0)],
    )
    .map(drop)
}
