//! When a schedule is due.

use croner::Cron;
use jiff::{
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone},
};

use crate::clock::Timestamp;

/// When a schedule is due. Every occurrence follows from it and from where the phase of a
/// frequency begins; nothing of it depends on when it is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    pub(super) rule: Rule,
    /// The first moment that may be an occurrence.
    pub(super) start: Option<Timestamp>,
    /// The last one.
    pub(super) end: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Rule {
    Cron {
        cron: Box<Cron>,
        zone: TimeZone,
    },
    /// Microseconds from one to the next.
    Every(i64),
}

impl Timing {
    /// The first occurrence after `after`. `anchor` is where the phase of a frequency
    /// begins when it has no start of its own: the first occurrence is one period later.
    pub fn next(&self, after: Timestamp, anchor: Timestamp) -> Option<Timestamp> {
        // Just before the start, so that the start itself may be the first.
        let after = self
            .start
            .map_or(after, |start| after.max(start.plus_micros(-1)));
        let next = match &self.rule {
            Rule::Cron { cron, zone } => next_of_cron(cron, zone, after)?,
            Rule::Every(period) => next_of_period(*period, after, self.start, anchor)?,
        };
        self.end.is_none_or(|end| next <= end).then_some(next)
    }

    /// Occurrences after `after`, until `until` inclusive.
    pub fn between(
        &self,
        after: Timestamp,
        until: Timestamp,
        anchor: Timestamp,
    ) -> impl Iterator<Item = Timestamp> {
        let first = self.next(after, anchor);
        std::iter::successors(first, move |&last| self.next(last, anchor))
            .take_while(move |&at| at <= until)
    }

    /// The newest `limit` occurrences from `from` to `until`, both inclusive, in their
    /// order; and whether there are older ones.
    pub(super) fn newest(
        &self,
        from: Timestamp,
        until: Timestamp,
        anchor: Timestamp,
        limit: usize,
    ) -> (Vec<Timestamp>, bool) {
        let mut window: i64 = 3_600_000_000;
        loop {
            let since = from.max(until.plus_micros(-window));
            let mut found: Vec<_> = self.between(since.plus_micros(-1), until, anchor).collect();
            if found.len() > limit || since == from {
                let older = found.len().saturating_sub(limit);
                found.drain(..older);
                return (found, older > 0);
            }
            window = window.saturating_mul(4);
        }
    }

    /// Where the same phase of a frequency begins, so early that there is an occurrence at
    /// or before `from`: for occurrences from before the schedule was made.
    pub fn earlier_anchor(&self, from: Timestamp, anchor: Timestamp) -> Timestamp {
        match self.rule {
            Rule::Every(period) if from <= anchor => {
                let back = anchor.micros_since(from).div_euclid(period) + 2;
                anchor.plus_micros(-back.saturating_mul(period))
            }
            _ => anchor,
        }
    }

    /// In plain words.
    pub fn describe(&self) -> String {
        match &self.rule {
            Rule::Cron { cron, zone } => {
                let words = cron.describe();
                let zone = zone.iana_name().unwrap_or("UTC");
                format!("{} ({zone})", words.trim_end_matches('.'))
            }
            Rule::Every(period) => format!("Every {}", length(*period)),
        }
    }
}

/// The first occurrence after `after`. Where the hour is `*` or `*/n`, the expression means
/// moments of the day as it passes: in an hour that comes twice it is due in both, in one that
/// is left out never. Where hours are named, it means what clocks show: a time that comes twice
/// is due once, at first, and one that is left out is due when the clocks have been set. So
/// Vixie cron does it.
fn next_of_cron(cron: &Cron, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    if cron.pattern.hours.from_wildcard {
        next_as_time_passes(cron, zone, after)
    } else {
        next_by_the_clock(cron, zone, after)
    }
}

fn next_as_time_passes(cron: &Cron, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    // Cron knows no fractions of a second. The library always goes on; the bound is for what
    // would follow if it did not.
    let second = after.seconds();
    for second in second..second.saturating_add(7200) {
        let from = jiff::Timestamp::from_second(second).ok()?;
        let found = cron
            .find_next_occurrence(&from.to_zoned(zone.clone()), false)
            .ok()?;
        let found = Timestamp::from_seconds(found.timestamp().as_second());
        if found > after {
            return Some(found);
        }
    }
    None
}

/// Looks at times as clocks show them, one after the other, as if no clock were ever set, and
/// takes the first that comes after `after`. A later time of theirs never comes earlier.
fn next_by_the_clock(cron: &Cron, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    let second = jiff::Timestamp::from_second(after.seconds()).ok()?;
    let mut shown = zone.to_datetime(second);
    // At most those of the hours that come twice are passed over.
    for _ in 0..100_000 {
        let next = cron
            .find_next_occurrence(&shown.to_zoned(TimeZone::UTC).ok()?, false)
            .ok()?;
        shown = next.datetime();
        let found = first_shown(zone, shown)?;
        if found > after {
            return Some(found);
        }
    }
    None
}

/// When clocks show a time first, or have been set past it.
fn first_shown(zone: &TimeZone, shown: DateTime) -> Option<Timestamp> {
    let at = zone.to_ambiguous_timestamp(shown);
    let first = match at.offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(shown).ok()?,
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(shown).ok()?,
        AmbiguousOffset::Gap { after, .. } => {
            let early = after.to_timestamp(shown).ok()?;
            zone.following(early).next()?.timestamp()
        }
    };
    Some(Timestamp::from_seconds(first.as_second()))
}

fn next_of_period(
    period: i64,
    after: Timestamp,
    start: Option<Timestamp>,
    anchor: Timestamp,
) -> Option<Timestamp> {
    let (origin, first) = start.map_or((anchor, 1), |start| (start, 0));
    let passed = after.0.checked_sub(origin.0)?.div_euclid(period);
    let steps = passed.checked_add(1)?.max(first);
    origin
        .0
        .checked_add(steps.checked_mul(period)?)
        .map(Timestamp)
}

/// A length of time in words: `5 minutes`, `1 hour 30 minutes`.
fn length(micros: i64) -> String {
    let mut rest = micros / 1_000_000;
    let mut words = Vec::new();
    for (unit, seconds) in [
        ("day", 86_400),
        ("hour", 3600),
        ("minute", 60),
        ("second", 1),
    ] {
        let count = rest / seconds;
        rest %= seconds;
        if unit == "second" && micros % 1_000_000 != 0 {
            let fraction = count as f64 + (micros % 1_000_000) as f64 / 1e6;
            words.push(format!("{fraction} seconds"));
        } else if count > 0 {
            words.push(format!(
                "{count} {unit}{}",
                if count == 1 { "" } else { "s" }
            ));
        }
    }
    match words.join(" ") {
        one if one.starts_with("1 ") && !one[2..].contains(' ') => one[2..].to_owned(),
        several => several,
    }
}
