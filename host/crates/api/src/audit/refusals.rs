//! Callers that were turned away, in the trail.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::Origin;

/// How many refusals of one address are told in [`WINDOW`], and of all together.
const OF_ONE: u32 = 10;
const OF_ALL: u32 = 60;
const WINDOW: Duration = Duration::from_mins(1);
/// Of a name that somebody sent, so many characters are told.
const LONGEST: usize = 64;

/// Tells of callers that were turned away, but of no more than the disk bears.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    since: Option<Instant>,
    told: u32,
    of: HashMap<Option<IpAddr>, u32>,
    untold: u64,
}

impl Seen {
    /// Whether one more is told; if so, how many were not since the last one that was.
    fn note(&mut self, from: Option<IpAddr>, now: Instant) -> Option<u64> {
        if self
            .since
            .is_none_or(|since| now.duration_since(since) >= WINDOW)
        {
            self.since = Some(now);
            self.told = 0;
            self.of.clear();
        }
        // No more addresses are kept than are told of.
        let of = self.of.get(&from).copied().unwrap_or_default();
        if self.told >= OF_ALL || of >= OF_ONE {
            self.untold += 1;
            return None;
        }
        self.told += 1;
        self.of.insert(from, of + 1);
        Some(std::mem::take(&mut self.untold))
    }
}

impl Refusals {
    /// A password was wrong, or there is no such account.
    pub(crate) fn login(&self, origin: &Origin, user: &str) {
        self.tell(origin, user, "login", "a login failed");
    }

    /// A change came with a session's cookie, and not from our own page.
    pub(crate) fn forged(&self, origin: &Origin, user: &str) {
        self.tell(
            origin,
            user,
            "forged",
            "a change did not come from our own page",
        );
    }

    /// An account's role did not allow what it asked for.
    pub(crate) fn access(&self, origin: &Origin, user: &str) {
        self.tell(origin, user, "access", "a role did not allow a request");
    }

    fn tell(&self, origin: &Origin, user: &str, action: &'static str, message: &'static str) {
        let told = self.0.lock().note(origin.address, Instant::now());
        let Some(untold) = told else { return };
        let address = origin.address.map(|address| address.to_string());
        tracing::warn!(
            target: "audit",
            request = &*origin.request,
            user = &*brief(user),
            action,
            address = address.unwrap_or_default(),
            forwarded_for = &*origin.forwarded_for,
            untold,
            "{message}"
        );
    }
}

pub(super) fn brief(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
#[path = "refusals_tests.rs"]
mod tests;
