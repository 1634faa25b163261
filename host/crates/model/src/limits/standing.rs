//! What becomes of those who ask for a key: decided here, on what the store has read under
//! the key's lock and writes back.

use super::{Arrival, Kind, Limit};
use crate::clock::Timestamp;

/// Where a step stands with a key. The numbers are what the store keeps: never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Place {
    /// In the line.
    Waits = 0,
    /// It was handed a place, or its turn by rate has come, and it is to be woken.
    Handed = 1,
    /// It has its place; or, of a rate, it was woken and has not started yet.
    Holds = 2,
}

impl Place {
    /// The number that the store keeps.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The place of a stored number.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Waits),
            1 => Some(Self::Handed),
            2 => Some(Self::Holds),
            _ => None,
        }
    }
}

/// What an attempt that asks is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has its place, or counts as started.
    Taken,
    /// It joins the line, or stays there; of a rate, with the moment of its turn if all before
    /// it take theirs.
    Waits(Option<Timestamp>),
}

/// Where a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which limit it is of.
    pub kind: Kind,
    /// How many have a place.
    pub held: u32,
    /// How many are in the line.
    pub waiting: u32,
    /// Of a rate: moved on by starts.
    pub arrival: Arrival,
    /// Of a rate: the same with those counted that were called and have not started. Whoever
    /// comes new is judged by it, and so overtakes nobody who was called in time; one that was
    /// called long ago and did not start holds up nobody.
    pub ahead: Arrival,
    /// Of a rate: when the first of the line is called.
    pub due: Option<Timestamp>,
}

impl Standing {
    /// A key that nobody has used.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            held: 0,
            waiting: 0,
            arrival: Arrival::default(),
            ahead: Arrival::default(),
            due: None,
        }
    }

    /// An attempt whose step stands at `place` asks at `now`. Whoever waits is counted among
    /// the waiting by this.
    pub fn ask(&mut self, limit: &Limit, place: Option<Place>, now: Timestamp) -> Answer {
        let free = self.waiting == 0;
        match (limit, place) {
            (_, Some(Place::Waits)) => Answer::Waits(None),
            (Limit::Concurrency(_), Some(_)) => Answer::Taken,
            (Limit::Concurrency(limit), None) if free && self.held < *limit => {
                self.held += 1;
                Answer::Taken
            }
            (Limit::Concurrency(_), None) => {
                self.waiting += 1;
                Answer::Waits(None)
            }
            (Limit::Rate(rate), place) => {
                let called = place.is_some();
                let by = if called { self.arrival } else { self.ahead };
                if (called || free)
                    && let Some(arrival) = rate.start(by, now)
                {
                    if called {
                        self.arrival = arrival;
                    } else {
                        self.arrival = rate.after(self.arrival, now);
                        self.ahead = arrival;
                    }
                    self.ahead = Arrival(self.ahead.0.max(self.arrival.0));
                    self.due = self.due.map(|due| due.max(rate.next(self.ahead)));
                    return Answer::Taken;
                }
                let next = rate.next(by);
                let before = if called { 0 } else { i64::from(self.waiting) };
                self.waiting += 1;
                self.due = Some(self.due.map_or(next, |due| due.min(next)));
                let turn = next.plus_micros(rate.interval().saturating_mul(before));
                Answer::Waits(Some(turn.max(now)))
            }
        }
    }

    /// A step that stood at `place` does so no more: it has ended, or its attempt has.
    pub fn leave(&mut self, place: Place) {
        match (self.kind, place) {
            (_, Place::Waits) => self.waiting = self.waiting.saturating_sub(1),
            (Kind::Concurrency, _) => self.held = self.held.saturating_sub(1),
            (Kind::Rate, _) => {}
        }
        if self.waiting == 0 {
            self.due = None;
        }
    }

    /// Whether the first of the line gets what it waits for; it counts as having it then.
    pub fn hand(&mut self, limit: &Limit, now: Timestamp) -> bool {
        match limit {
            Limit::Concurrency(limit) if self.held >= *limit => return false,
            Limit::Concurrency(_) => self.held += 1,
            Limit::Rate(rate) => {
                let Some(ahead) = rate.start(self.ahead, now) else {
                    self.due = Some(rate.next(self.ahead));
                    return false;
                };
                self.ahead = ahead;
            }
        }
        self.waiting = self.waiting.saturating_sub(1);
        if self.waiting == 0 {
            self.due = None;
        }
        true
    }

    /// When somebody who comes new may start, of a rate.
    pub fn next(&self, limit: &Limit) -> Option<Timestamp> {
        match limit {
            Limit::Concurrency(_) => None,
            Limit::Rate(rate) => Some(rate.next(self.ahead)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limits::Rate;

    const NOW: Timestamp = Timestamp(1_000_000_000);
    const TEN_A_SECOND: Limit = Limit::Rate(Rate {
        limit: 10,
        per: Duration::from_secs(1),
        burst: 1,
    });

    fn at(millis: i64) -> Timestamp {
        NOW.plus_micros(millis * 1_000)
    }

    #[test]
    fn places_are_handed_on() {
        let two = Limit::Concurrency(2);
        let mut key = Standing::new(Kind::Concurrency);
        let ask = |key: &mut Standing, place| key.ask(&two, place, NOW);
        assert_eq!(ask(&mut key, None), Answer::Taken);
        assert_eq!(ask(&mut key, None), Answer::Taken);
        assert_eq!(ask(&mut key, None), Answer::Waits(None));
        // Asked again, it still has its place.
        assert_eq!(ask(&mut key, Some(Place::Holds)), Answer::Taken);
        assert_eq!((key.held, key.waiting), (2, 1));
        assert!(!key.hand(&two, NOW));
        key.leave(Place::Holds);
        // Whoever comes now waits behind the line, although there is room.
        assert_eq!(ask(&mut key, None), Answer::Waits(None));
        assert!(key.hand(&two, NOW));
        assert!(!key.hand(&two, NOW));
        key.leave(Place::Waits);
        assert_eq!((key.held, key.waiting), (2, 0));
        // Judged by its own limit, against the same holders.
        let three = Limit::Concurrency(3);
        assert_eq!(key.ask(&three, None, NOW), Answer::Taken);
        key.leave(Place::Holds);
        key.leave(Place::Holds);
        assert_eq!(
            key.ask(&Limit::Concurrency(1), None, NOW),
            Answer::Waits(None)
        );
    }

    #[test]
    fn a_line_is_called_at_the_rate() {
        let limit = TEN_A_SECOND;
        let mut key = Standing::new(Kind::Rate);
        assert_eq!(key.ask(&limit, None, NOW), Answer::Taken);
        assert_eq!(key.ask(&limit, None, at(1)), Answer::Waits(Some(at(100))));
        assert_eq!(key.ask(&limit, None, at(2)), Answer::Waits(Some(at(200))));
        assert_eq!((key.waiting, key.due), (2, Some(at(100))));
        assert!(!key.hand(&limit, at(99)));
        assert!(key.hand(&limit, at(100)));
        assert!(!key.hand(&limit, at(100)));
        assert_eq!(key.due, Some(at(200)));
        // The one that was called starts a little late, and the next is called after it.
        assert_eq!(key.ask(&limit, Some(Place::Holds), at(130)), Answer::Taken);
        assert_eq!(key.due, Some(at(230)));
        assert!(key.hand(&limit, at(230)));
        assert_eq!((key.waiting, key.due), (0, None));
        // Nobody overtakes it before the next turn.
        let late = key.ask(&limit, None, at(240));
        assert_eq!(late, Answer::Waits(Some(at(330))));
        assert_eq!(key.ask(&limit, Some(Place::Holds), at(250)), Answer::Taken);
    }

    #[test]
    fn those_that_were_called_long_ago_do_not_start_together() {
        let limit = TEN_A_SECOND;
        let mut key = Standing::new(Kind::Rate);
        for _ in 0..4 {
            key.ask(&limit, None, NOW);
        }
        for turn in 1..4 {
            assert!(key.hand(&limit, at(turn * 100)));
        }
        assert_eq!(key.ask(&limit, Some(Place::Holds), at(900)), Answer::Taken);
        let refused = key.ask(&limit, Some(Place::Holds), at(900));
        assert_eq!(refused, Answer::Waits(Some(at(1_000))));
        assert_eq!((key.waiting, key.due), (1, Some(at(1_000))));
        assert!(key.hand(&limit, at(1_000)));
    }
}
