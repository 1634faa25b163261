//! The time that the processes of a cluster share.

use std::{
    ops::RangeInclusive,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use model::clock::{Clock, Timestamp};
use tokio::time::Instant;

/// The store's time, carried on by this machine's monotonic clock. What this machine
/// believes the time of day to be has no influence: it may be wrong, and it may be set
/// while the service runs.
pub struct SharedClock {
    started: Instant,
    /// The store's time when the monotonic clock was at `started`, in microseconds.
    base: AtomicI64,
}

impl SharedClock {
    /// A clock that starts with what the store answered to a question `asked` then.
    pub fn new(answer: Timestamp, asked: Instant) -> Self {
        let base = Self::possible(asked, answer, asked, asked.elapsed());
        Self {
            started: asked,
            base: AtomicI64::new(i64::midpoint(*base.start(), *base.end())),
        }
    }

    /// Follows the store's clock by another answer, as little as the answer demands: one
    /// that took longer than the clocks differ tells nothing new, however long it took.
    pub(crate) fn follow(&self, answer: Timestamp, asked: Instant) {
        self.heed(answer, asked, asked.elapsed());
    }

    fn heed(&self, answer: Timestamp, asked: Instant, took: Duration) {
        let base = Self::possible(self.started, answer, asked, took);
        let known = self.base.load(Ordering::Relaxed);
        self.base
            .store(known.clamp(*base.start(), *base.end()), Ordering::Relaxed);
    }

    /// Between what the base lies by an answer: the store looked at its clock at some
    /// moment between question and answer.
    fn possible(
        started: Instant,
        answer: Timestamp,
        asked: Instant,
        took: Duration,
    ) -> RangeInclusive<i64> {
        let latest = answer.0 - micros(asked.saturating_duration_since(started));
        latest - micros(took)..=latest
    }
}

impl Clock for SharedClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.base.load(Ordering::Relaxed)).plus_micros(micros(self.started.elapsed()))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const MINUTE: i64 = 60_000_000;

    #[test]
    fn it_goes_on_from_what_the_store_said() {
        let clock = SharedClock::new(NOON, Instant::now());
        let off = clock.now().micros_since(NOON);
        assert!((0..MINUTE).contains(&off), "{off}");
    }

    #[test]
    fn it_follows_a_store_whose_clock_was_set() {
        let clock = SharedClock::new(NOON, Instant::now());
        for moved in [60 * MINUTE, -60 * MINUTE] {
            let there = NOON.plus_micros(moved);
            clock.follow(there, Instant::now());
            let off = clock.now().micros_since(there);
            assert!((0..MINUTE).contains(&off), "{off}");
        }
    }

    /// As of a process that was stopped between question and answer.
    #[test]
    fn an_answer_that_took_long_moves_it_no_further_than_it_was_wrong() {
        let asked = Instant::now();
        let took = Duration::from_secs(8);
        for looked_after in [0, 4_000_000, 8_000_000] {
            for wrong in [-1000, 0, 1000] {
                let clock = SharedClock::new(NOON, asked);
                let right = clock.base.fetch_add(wrong, Ordering::Relaxed);
                clock.heed(NOON.plus_micros(looked_after), asked, took);
                let off = clock.base.load(Ordering::Relaxed) - right;
                assert!(off.abs() <= 1000, "{looked_after} {wrong}: {off}");
            }
        }
    }
}
