//! The time that the processes of a cluster share.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Instant,
};

use model::clock::{Clock, Timestamp};

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
        let clock = Self {
            started: asked,
            base: AtomicI64::new(0),
        };
        let (base, _) = clock.reading(answer, asked);
        clock.base.store(base, Ordering::Relaxed);
        clock
    }

    /// Follows the store's clock by another answer. One that tells nothing new, because
    /// it took longer than the clocks differ, changes nothing.
    pub(crate) fn follow(&self, answer: Timestamp, asked: Instant) {
        let (base, uncertain) = self.reading(answer, asked);
        let known = self.base.load(Ordering::Relaxed);
        if (base - known).abs() > uncertain {
            self.base.store(base, Ordering::Relaxed);
        }
    }

    /// The base that an answer tells, and by how much it may be wrong: the store looked
    /// at its clock at some moment between question and answer.
    fn reading(&self, answer: Timestamp, asked: Instant) -> (i64, i64) {
        let half = micros(asked.elapsed()) / 2;
        let asked = micros(asked.saturating_duration_since(self.started));
        (answer.0 - asked - half, half)
    }
}

impl Clock for SharedClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.base.load(Ordering::Relaxed)).plus_micros(micros(self.started.elapsed()))
    }
}

fn micros(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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

    #[test]
    fn an_answer_that_took_long_does_not_move_it() {
        let asked = Instant::now()
            .checked_sub(Duration::from_secs(10))
            .unwrap_or_else(Instant::now);
        let clock = SharedClock::new(NOON, asked);
        let before = clock.now();
        clock.follow(NOON.plus_micros(-4_000_000), asked);
        let off = clock.now().micros_since(before);
        assert!((0..MINUTE).contains(&off), "{off}");
    }
}
