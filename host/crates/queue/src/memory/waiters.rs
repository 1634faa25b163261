//! Receivers that wait. Each is woken by itself, and only for a queue that it
//! listens on, as many as the new entries need.

use std::{collections::VecDeque, sync::Arc};

use tokio::sync::Notify;

use super::lines::Interest;

struct Waiter {
    interest: Interest,
    max: usize,
    bell: Arc<Notify>,
}

#[derive(Default)]
pub(super) struct Waiters {
    /// The longest waiting first.
    list: VecDeque<Waiter>,
}

impl Waiters {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn join(&mut self, interest: Interest, max: usize, bell: Arc<Notify>) {
        self.list.push_back(Waiter {
            interest,
            max,
            bell,
        });
    }

    /// Takes a receiver off the list; false when it was woken already.
    pub(super) fn leave(&mut self, bell: &Arc<Notify>) -> bool {
        let place = self
            .list
            .iter()
            .position(|waiter| Arc::ptr_eq(&waiter.bell, bell));
        place.is_some_and(|place| self.list.remove(place).is_some())
    }

    /// Wakes as many receivers as `entries` of that queue can serve.
    pub(super) fn wake(&mut self, line: u32, mut entries: usize) {
        let mut place = 0;
        while entries > 0 && place < self.list.len() {
            if !self.list[place].interest.in_line(line) {
                place += 1;
                continue;
            }
            let Some(waiter) = self.list.remove(place) else {
                return;
            };
            waiter.bell.notify_one();
            entries = entries.saturating_sub(waiter.max);
        }
    }

    pub(super) fn wake_all(&mut self) {
        for waiter in self.list.drain(..) {
            waiter.bell.notify_one();
        }
    }
}
