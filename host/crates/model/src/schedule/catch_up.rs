//! What is to be done when a schedule is found due: usually one run, at once; after a
//! downtime or a step of the clock what the policy says.

use super::{CatchUp, Overlap, Timing};
use crate::clock::Timestamp;

/// How late an occurrence may start and still counts as on time, in microseconds: longer than
/// another scheduler takes to lead, and than a service takes to start again.
pub const GRACE: i64 = 60_000_000;

/// How far missed occurrences are counted.
pub const MAX_MISSED: u32 = 10_000;

/// Occurrences that do not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The first of them.
    pub first: Timestamp,
    /// The last of them.
    pub last: Timestamp,
    /// How many there are; [`MAX_MISSED`] stands for that many or more.
    pub count: u32,
    /// The occurrence that follows them.
    pub next: Option<Timestamp>,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Planned {
    /// Those that are left out because nobody started them in time, or because a newer one
    /// takes their place.
    pub missed: Option<Missed>,
    /// Those that run, each with the one that follows it.
    pub run: Vec<(Timestamp, Option<Timestamp>)>,
}

/// What is to be done at `now` with a schedule whose next occurrence is `due`.
pub fn plan(
    timing: &Timing,
    anchor: Timestamp,
    due: Timestamp,
    now: Timestamp,
    overlap: Overlap,
    (catch_up, limit): (CatchUp, usize),
) -> Planned {
    if due > now {
        return Planned::default();
    }
    // The last moment that is too late, and what comes after it.
    let late = now.plus_micros(-GRACE - 1);
    let on_time: Vec<_> = timing
        .between(late.max(due.plus_micros(-1)), now, anchor)
        .collect();
    let mut run = match catch_up {
        _ if due > late => Vec::new(),
        CatchUp::None => Vec::new(),
        CatchUp::Last if !on_time.is_empty() => Vec::new(),
        CatchUp::Last => timing.newest(due, late, anchor, 1).0,
        CatchUp::All => timing.newest(due, late, anchor, limit).0,
    };
    run.extend(on_time);
    if overlap == Overlap::Cancel {
        // Each would end the one before it.
        run.drain(..run.len().saturating_sub(1));
    }
    let after = run.last().copied().unwrap_or(now);
    let following = timing.next(after, anchor);
    let first_run = run.first().copied();
    let nexts = run.iter().skip(1).copied().map(Some).chain([following]);
    let run: Vec<_> = run.iter().copied().zip(nexts).collect();
    Planned {
        missed: missed(timing, anchor, due, first_run, now, following),
        run,
    }
}

/// What lies between `due` and the first that runs.
fn missed(
    timing: &Timing,
    anchor: Timestamp,
    due: Timestamp,
    first_run: Option<Timestamp>,
    now: Timestamp,
    following: Option<Timestamp>,
) -> Option<Missed> {
    let end = first_run.map_or(now, |first| first.plus_micros(-1));
    if due > end {
        return None;
    }
    let last = timing.newest(due, end, anchor, 1).0.pop().unwrap_or(due);
    let more = timing
        .between(due, end, anchor)
        .take(MAX_MISSED as usize - 1)
        .count();
    Some(Missed {
        first: due,
        last,
        count: more as u32 + 1,
        next: first_run.or(following),
    })
}
