//! Occurrences become runs, or are recorded without one: a batch in one transaction.
//!
//! Whoever decides on an occurrence holds the lock on its schedule's row until the commit,
//! and locks several in the order of their numbers.

use std::collections::{HashMap, HashSet};

use model::{clock::Timestamp, id::RunId};
use sqlx::{PgConnection, Row};
use store::{
    Error, Result,
    runs::{NewRun, Submitted},
    schedules::{Act, BATCH, Decision, Fire, Fired, MAX_WAITING, Outcome, Standing},
};

use crate::{
    PostgresStore,
    error::is_without_partition,
    runs::submit,
    transaction::{Failure, Work, transact},
    uuid::Name,
};

/// The runs of a schedule that have not ended, of occurrences before a moment. Only those are
/// looked at that are not older than the oldest run that has not.
pub(super) const UNFINISHED: &str = "
  SELECT o.run_uuid FROM occurrence o
  WHERE o.schedule_id = $1 AND o.due_at < $2
    AND o.run_id >= (SELECT min(id) FROM run WHERE finished_at IS NULL)
    AND EXISTS (SELECT 1 FROM run r WHERE r.id = o.run_id AND r.finished_at IS NULL)
  ORDER BY o.run_id LIMIT 100";

pub(super) async fn fire(store: &PostgresStore, fires: &[Fire]) -> Result<Vec<Fired>> {
    if fires.len() > BATCH {
        return Err(Error::Internal(format!(
            "more than {BATCH} occurrences at once"
        )));
    }
    let days = || {
        fires.iter().filter_map(|fire| match &fire.act {
            Act::Start(run, _) => Some(run.expires_at.day()),
            Act::Record(..) => None,
        })
    };
    store.partitions.ensure(days()).await?;
    let again = std::sync::atomic::AtomicBool::new(false);
    let answer = transact!(store.pool, connection => noting(
        attempt(connection, fires).await,
        &again
    ));
    if !again.into_inner() {
        return answer;
    }
    // Another process has dropped a partition that this one knew of.
    store.partitions.forget();
    store.partitions.ensure(days()).await?;
    transact!(store.pool, connection => attempt(connection, fires).await)
}

/// Notes whether there was no partition for a run.
fn noting<T>(work: Work<T>, again: &std::sync::atomic::AtomicBool) -> Work<T> {
    if let Err(Failure::Refused(error)) = &work {
        again.store(
            is_without_partition(error),
            std::sync::atomic::Ordering::Relaxed,
        );
    }
    work
}

/// What a batch finds, kept up to date while it is decided on.
struct Found {
    schedules: HashMap<i64, Standing>,
    recorded: HashMap<(i64, i64), Outcome>,
}

async fn attempt(connection: &mut PgConnection, fires: &[Fire]) -> Work<Vec<Fired>> {
    let mut found = read(connection, fires).await?;
    let mut answers: Vec<Option<Fired>> = Vec::with_capacity(fires.len());
    let mut starts: Vec<(usize, &NewRun)> = Vec::new();
    let mut records = Vec::new();
    for (at, fire) in fires.iter().enumerate() {
        let place = (fire.schedule, fire.due.0);
        let standing = found
            .schedules
            .get(&fire.schedule)
            .map(|standing| Standing {
                recorded: found.recorded.get(&place).copied(),
                ..*standing
            });
        let decision = fire.decide(standing);
        answers.push(match decision {
            Decision::Nothing => Some(Fired::Changed),
            Decision::Wait => Some(Fired::Recorded(Outcome::Waiting)),
            Decision::MoveOn => Some(Fired::Already),
            Decision::Record(outcome) => {
                records.push((at, outcome));
                found.recorded.insert(place, outcome);
                Some(Fired::Recorded(outcome))
            }
            Decision::Start => {
                if let Act::Start(run, _) = &fire.act {
                    starts.push((at, run));
                }
                found.recorded.insert(place, Outcome::Started);
                None
            }
        });
        if let Some(standing) = found.schedules.get_mut(&fire.schedule)
            && !matches!(decision, Decision::Nothing | Decision::Wait)
        {
            if let Some(next) = fire.next() {
                standing.next_due = next;
            }
            standing.unfinished |= decision == Decision::Start;
            standing.waiting += usize::from(decision == Decision::Record(Outcome::Waiting));
        }
    }
    let new: Vec<_> = starts.iter().map(|(_, run)| *run).collect();
    let submitted = submit::submit(&mut *connection, &new, false).await?;
    let mut rows = Rows::default();
    for ((at, run), submitted) in starts.iter().zip(submitted) {
        let Submitted::New { run: id, ready, .. } = submitted? else {
            return Err(Error::Internal("an occurrence's run has a key".to_owned()).into());
        };
        rows.push(&fires[*at], Outcome::Started, Some((id, run)));
        answers[*at] = Some(Fired::Started { run: id, ready });
    }
    for (at, outcome) in records {
        rows.push(&fires[at], outcome, None);
    }
    rows.write(connection).await?;
    move_on(connection, fires, &answers, &starts).await?;
    Ok(answers
        .into_iter()
        .map(|answer| answer.unwrap_or(Fired::Changed))
        .collect())
}

async fn read(connection: &mut PgConnection, fires: &[Fire]) -> Work<Found> {
    let mut wanted: Vec<i64> = fires.iter().map(|fire| fire.schedule).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let rows = sqlx::query(
        "SELECT id, revision, enabled, next_due FROM schedule WHERE id = ANY ($1)
         ORDER BY id FOR UPDATE",
    )
    .bind(&wanted)
    .fetch_all(&mut *connection)
    .await?;
    let mut found = Found {
        schedules: HashMap::new(),
        recorded: HashMap::new(),
    };
    for row in rows {
        let standing = Standing {
            revision: row.try_get(1)?,
            enabled: row.try_get(2)?,
            next_due: row.try_get::<Option<i64>, _>(3)?.map(Timestamp),
            recorded: None,
            unfinished: false,
            waiting: 0,
        };
        found.schedules.insert(row.try_get(0)?, standing);
    }
    // The locks first: this statement sees what their last holders committed.
    let (schedules, dues): (Vec<i64>, Vec<i64>) =
        fires.iter().map(|fire| (fire.schedule, fire.due.0)).unzip();
    let rows = sqlx::query(
        "SELECT o.schedule_id, o.due_at, o.outcome
         FROM unnest($1::bigint[], $2::bigint[]) AS wanted (schedule, due)
         JOIN occurrence o ON o.schedule_id = wanted.schedule AND o.due_at = wanted.due",
    )
    .bind(schedules)
    .bind(dues)
    .fetch_all(&mut *connection)
    .await?;
    for row in rows {
        let outcome = outcome(row.try_get(2)?)?;
        found
            .recorded
            .insert((row.try_get(0)?, row.try_get(1)?), outcome);
    }
    let asking: HashSet<i64> = fires
        .iter()
        .filter(|fire| fire.asks_for_runs())
        .map(|fire| fire.schedule)
        .collect();
    for schedule in asking {
        let unfinished = sqlx::query(UNFINISHED)
            .bind(schedule)
            .bind(i64::MAX)
            .fetch_optional(&mut *connection)
            .await?;
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM (SELECT 1 FROM occurrence
               WHERE schedule_id = $1 AND outcome = 5 AND reason IS NOT NULL LIMIT $2) AS waiting",
        )
        .bind(schedule)
        .bind(MAX_WAITING as i64)
        .fetch_one(&mut *connection)
        .await?;
        if let Some(standing) = found.schedules.get_mut(&schedule) {
            standing.unfinished = unfinished.is_some();
            standing.waiting = waiting as usize;
        }
    }
    Ok(found)
}

/// The outcome of a column.
pub(super) fn outcome(code: i16) -> Result<Outcome> {
    u8::try_from(code)
        .ok()
        .and_then(Outcome::from_code)
        .ok_or_else(|| Error::Corrupt(format!("there is no outcome {code} of an occurrence")))
}

/// Columns of occurrences to be recorded.
#[derive(Default)]
struct Rows<'f> {
    schedule: Vec<i64>,
    due: Vec<i64>,
    run: Vec<Option<i64>>,
    outcome: Vec<i16>,
    uuid: Vec<Option<Name>>,
    reason: Vec<Option<&'f str>>,
    at: Vec<i64>,
}

impl<'f> Rows<'f> {
    fn push(&mut self, fire: &'f Fire, outcome: Outcome, run: Option<(RunId, &NewRun)>) {
        self.schedule.push(fire.schedule);
        self.due.push(fire.due.0);
        self.run.push(run.map(|(id, _)| id.0));
        self.outcome.push(i16::from(outcome as u8));
        self.uuid.push(run.map(|(_, new)| Name(new.reference)));
        self.reason.push(run.is_none().then(|| fire.reason()));
        self.at.push(fire.at.0);
    }

    async fn write(self, connection: &mut PgConnection) -> sqlx::Result<()> {
        if self.schedule.is_empty() {
            return Ok(());
        }
        // One that waited has a row.
        sqlx::query(
            "INSERT INTO occurrence (schedule_id, due_at, run_id, outcome, run_uuid, reason, at)
             SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::smallint[],
               $5::uuid[], $6::text[], $7::bigint[])
             ON CONFLICT (schedule_id, due_at) DO UPDATE SET run_id = excluded.run_id,
               outcome = excluded.outcome, run_uuid = excluded.run_uuid,
               reason = excluded.reason, at = excluded.at",
        )
        .bind(self.schedule)
        .bind(self.due)
        .bind(self.run)
        .bind(self.outcome)
        .bind(self.uuid)
        .bind(self.reason)
        .bind(self.at)
        .execute(connection)
        .await
        .map(drop)
    }
}

/// Where a schedule stands after a batch.
#[derive(Default)]
struct Moved {
    /// Whether its next occurrence is another one now.
    moves: bool,
    next: Option<Timestamp>,
    runs: i64,
    last: Option<(Name, Timestamp)>,
}

async fn move_on(
    connection: &mut PgConnection,
    fires: &[Fire],
    answers: &[Option<Fired>],
    starts: &[(usize, &NewRun)],
) -> sqlx::Result<()> {
    let mut moved: HashMap<i64, Moved> = HashMap::new();
    for (fire, answer) in fires.iter().zip(answers) {
        if matches!(answer, Some(Fired::Changed) | None) {
            continue;
        }
        let one = moved.entry(fire.schedule).or_default();
        if let Some(next) = fire.next() {
            one.moves = true;
            one.next = next;
        }
    }
    for (at, run) in starts {
        let one = moved.entry(fires[*at].schedule).or_default();
        one.runs += 1;
        one.last = Some((Name(run.reference), run.created_at));
    }
    if moved.is_empty() {
        return Ok(());
    }
    let moved: Vec<_> = moved.into_iter().collect();
    let column = |read: fn(&Moved) -> Option<i64>| -> Vec<Option<i64>> {
        moved.iter().map(|(_, one)| read(one)).collect()
    };
    sqlx::query(
        "UPDATE schedule SET
           next_due = CASE WHEN moves THEN next ELSE next_due END,
           total_runs = total_runs + runs,
           last_run = coalesce(last, last_run),
           last_run_at = coalesce(last_at, last_run_at)
         FROM unnest($1::bigint[], $2::boolean[], $3::bigint[], $4::bigint[], $5::uuid[],
             $6::bigint[]) AS new (schedule, moves, next, runs, last, last_at)
         WHERE schedule.id = new.schedule",
    )
    .bind(moved.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    .bind(moved.iter().map(|(_, one)| one.moves).collect::<Vec<_>>())
    .bind(column(|one| one.next.map(|next| next.0)))
    .bind(column(|one| Some(one.runs)))
    .bind(
        moved
            .iter()
            .map(|(_, one)| one.last.map(|(name, _)| name))
            .collect::<Vec<_>>(),
    )
    .bind(column(|one| one.last.map(|(_, at)| at.0)))
    .execute(connection)
    .await
    .map(drop)
}
