//! One batch: read, decide, write, commit.

use std::{
    collections::{BTreeMap, HashMap},
    panic::{AssertUnwindSafe, catch_unwind},
};

use model::{
    clock::Timestamp,
    id::{RunId, StepKey},
};
use sqlx::{Executor, PgConnection};
use store::{
    Error, Result,
    runs::{Again, Claim, Completed, NewRun, RunHeader, Submitted},
};

use super::item::{Answer, Item};
use crate::{
    limits,
    runs::{
        claim, complete, ordinal,
        rows::{Rows, Wanted},
        submit, wait,
    },
};

/// How far a batch came that failed.
#[derive(Debug, Default)]
pub(super) enum Stage {
    /// Nothing can have been committed.
    #[default]
    Before,
    /// One statement that commits by itself was sent: it may have been done.
    Statement,
    /// The commit of the transaction of that number was asked for: it may have been made,
    /// and these are the answers then.
    Commit(i64, Vec<Answer>),
}

/// The items of a batch, by what has to be done for them.
struct Parts<'i> {
    submits: Vec<&'i NewRun>,
    wanted: Wanted,
}

/// Does a batch; answers one by one in its order. `again`: the batch was sent before,
/// and whether that was committed is not known.
pub(super) async fn attempt(
    connection: &mut PgConnection,
    items: &[Item],
    again: bool,
    stage: &mut Stage,
) -> sqlx::Result<Vec<Answer>> {
    let parts = Parts::of(items);
    let plain = parts.submits.iter().all(|run| run.kept.is_empty());
    if plain && parts.wanted.is_empty() && parts.submits.len() == items.len() {
        *stage = Stage::Statement;
        let submitted = submit::submit(connection, &parts.submits, again).await?;
        return Ok(submitted.into_iter().map(Answer::Submit).collect());
    }
    let done = transact(connection, parts, items, stage).await;
    if done
        .as_ref()
        .is_err_and(|error| error.as_database_error().is_some())
    {
        // What was refused is what counts; a connection that cannot be rolled back either
        // is found dead before it is used again.
        let _ = connection.execute("ROLLBACK").await;
    }
    done
}

async fn transact(
    connection: &mut PgConnection,
    parts: Parts<'_>,
    items: &[Item],
    stage: &mut Stage,
) -> sqlx::Result<Vec<Answer>> {
    let mut rows = Rows::read(connection, parts.wanted).await?;
    let submitted = accept(connection, &mut rows, &parts.submits).await?;
    let mut decided = decide(&mut rows, items);
    let headers = claim::headers(connection, days_of_claims(&rows, &decided)).await?;
    let again = again(connection, &decided).await?;
    let number = match rows.write(connection).await? {
        None if !submitted.is_empty() => Some(submit::transaction(connection).await?),
        number => number,
    };
    // Last, for others may wait for the same keys.
    if let Some((steps, at)) = limited(items, &decided) {
        let any = limits::release_steps(connection, &steps, at).await?;
        for one in &mut decided {
            if let Decided::Complete(Ok(Completed::Stored { handed, .. })) = one {
                *handed = any;
            }
        }
    }
    let answers = answers(decided, submitted, &headers, again);
    let Some(number) = number else {
        // Nothing was written, but locks are held until the end.
        connection.execute("COMMIT").await?;
        return Ok(answers);
    };
    *stage = Stage::Commit(number, answers);
    connection.execute("COMMIT").await?;
    match std::mem::take(stage) {
        Stage::Commit(_, answers) => Ok(answers),
        Stage::Before | Stage::Statement => Ok(Vec::new()),
    }
}

/// Accepts runs; those that are started as children, only while the attempt runs that starts
/// them.
async fn accept(
    connection: &mut PgConnection,
    rows: &mut Rows,
    submits: &[&NewRun],
) -> sqlx::Result<Vec<Result<Submitted>>> {
    let is_orphan = |new: &&NewRun| {
        new.parent.is_some_and(|parent| {
            rows.step(parent.key)
                .is_none_or(|step| !step.is_run_by(parent.token))
        })
    };
    let orphans: Vec<bool> = submits.iter().map(is_orphan).collect();
    let wanted: Vec<&NewRun> = std::iter::zip(submits, &orphans)
        .filter_map(|(new, orphan)| (!orphan).then_some(*new))
        .collect();
    let mut accepted = submit::submit(connection, &wanted, false)
        .await?
        .into_iter();
    let answers = std::iter::zip(submits, orphans).map(|(new, orphan)| {
        if orphan {
            return Ok(Submitted::Orphan);
        }
        let accepted = accepted
            .next()
            .unwrap_or_else(|| Err(Error::Internal("a submit was left out".to_owned())));
        alone(rows, |rows| submit::keep(rows, new, accepted?))
    });
    Ok(answers.collect())
}

/// What became of a transaction: `None` while it is under way.
pub(super) async fn was_committed(
    connection: &mut PgConnection,
    number: i64,
) -> sqlx::Result<Option<bool>> {
    let status: Option<String> = sqlx::query_scalar("SELECT pg_xact_status($1::text::xid8)")
        .bind(number.to_string())
        .fetch_one(connection)
        .await?;
    Ok(match status.as_deref() {
        Some("committed") => Some(true),
        Some("in progress") => None,
        // Unknown ones are those that never took place on this server.
        _ => Some(false),
    })
}

fn answers(
    decided: Vec<Decided>,
    submitted: Vec<Result<Submitted>>,
    headers: &BTreeMap<RunId, RunHeader>,
    mut again: HashMap<StepKey, Again>,
) -> Vec<Answer> {
    let mut submitted = submitted.into_iter();
    decided
        .into_iter()
        .map(|decided| match decided {
            Decided::Submit => Answer::Submit(
                submitted
                    .next()
                    .unwrap_or_else(|| Err(Error::Internal("a submit was left out".to_owned()))),
            ),
            Decided::Claim(wanted, Ok(Some(taken))) => {
                let again = again.remove(&wanted.key);
                Answer::Claim(claim::answer(wanted, taken, headers, again))
            }
            Decided::Claim(_, Ok(None)) => Answer::Claim(Ok(None)),
            Decided::Claim(_, Err(error)) => Answer::Claim(Err(error)),
            Decided::Complete(answer) => Answer::Complete(answer),
            Decided::Log(answer) => Answer::Log(answer),
        })
        .collect()
}

impl<'i> Parts<'i> {
    fn of(items: &'i [Item]) -> Self {
        let mut parts = Self {
            submits: Vec::new(),
            wanted: Wanted::default(),
        };
        for item in items {
            match item {
                Item::Submit(run, _) => {
                    parts.submits.push(run);
                    if let Some(parent) = &run.parent {
                        parts.wanted.step(parent.key);
                    }
                }
                Item::Claim(claim, _) => parts.wanted.step(claim.key),
                Item::Complete(end, _) => complete::want(end, &mut parts.wanted),
                Item::Log(lines, _) => parts.wanted.step(lines.key),
            }
        }
        parts
    }
}

/// What was decided on an item.
enum Decided {
    /// Accepted by its own statement.
    Submit,
    Claim(Claim, Result<Option<claim::Taken>>),
    Complete(Result<Completed>),
    Log(Result<()>),
}

fn decide(rows: &mut Rows, items: &[Item]) -> Vec<Decided> {
    items
        .iter()
        .map(|item| match item {
            Item::Submit(..) => Decided::Submit,
            Item::Claim(wanted, _) => {
                Decided::Claim(*wanted, alone(rows, |rows| Ok(claim::claim(rows, *wanted))))
            }
            Item::Complete(end, _) => {
                Decided::Complete(alone(rows, |rows| complete::complete(rows, end)))
            }
            Item::Log(lines, _) => Decided::Log(alone(rows, |rows| {
                complete::append_log(rows, (**lines).clone());
                Ok(())
            })),
        })
        .collect()
}

/// An item that fails, or panics, harms no other.
fn alone<T>(rows: &mut Rows, work: impl FnOnce(&mut Rows) -> Result<T>) -> Result<T> {
    rows.item(|rows| {
        catch_unwind(AssertUnwindSafe(|| work(rows)))
            .unwrap_or_else(|_| Err(Error::Internal("a write panicked".to_owned())))
    })
}

/// The runs whose headers claims are answered with, by the days of their partitions.
fn days_of_claims(rows: &Rows, decided: &[Decided]) -> BTreeMap<i64, Vec<i64>> {
    let mut days: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for decided in decided {
        if let Decided::Claim(claim, Ok(Some(_))) = decided
            && let Some(run) = rows.run(claim.key.run)
        {
            days.entry(run.day).or_default().push(claim.key.run.0);
        }
    }
    for runs in days.values_mut() {
        runs.sort_unstable();
        runs.dedup();
    }
    days
}

/// The steps that have ended and may hold places of limits, and when the last of them did.
fn limited(items: &[Item], decided: &[Decided]) -> Option<(Vec<(i64, i32)>, Timestamp)> {
    let mut steps = Vec::new();
    let mut last = None;
    for pair in std::iter::zip(items, decided) {
        if let (Item::Complete(end, _), Decided::Complete(Ok(Completed::Stored { .. }))) = pair
            && end.limited
            && let Some(step) = ordinal(end.key.step)
        {
            steps.push((end.key.run.0, step));
            last = last.max(Some(end.at));
        }
    }
    last.map(|last| (steps, last))
}

/// What is left of the attempts before, of the steps that were claimed before.
async fn again(
    connection: &mut PgConnection,
    decided: &[Decided],
) -> sqlx::Result<HashMap<StepKey, Again>> {
    let before: Vec<StepKey> = decided
        .iter()
        .filter_map(|decided| match decided {
            Decided::Claim(claim, Ok(Some(taken))) if taken.before() => Some(claim.key),
            _ => None,
        })
        .collect();
    if before.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(wait::again(connection, &before)
        .await?
        .into_iter()
        .collect())
}

/// The days whose partitions a batch writes to.
pub(super) fn days(items: &[Item]) -> impl Iterator<Item = i64> {
    let mut days: Vec<i64> = items
        .iter()
        .filter_map(|item| match item {
            Item::Submit(run, _) => Some(run.expires_at.day()),
            Item::Claim(..) => None,
            Item::Complete(end, _) => Some(end.expires_at.day()),
            Item::Log(lines, _) => Some(lines.day),
        })
        .collect();
    days.sort_unstable();
    days.dedup();
    days.into_iter()
}

#[cfg(test)]
#[path = "doubt_tests.rs"]
mod tests;
