//! The deliveries that are not acknowledged, in the order in which their leases end.
//!
//! Leases are all equally long, so that order is the order of delivery: a list
//! threaded through a slab gives every operation in constant time, and memory
//! follows the number of open deliveries, not their age.

use model::id::{StepKey, TenantId};
use tokio::time::Instant;

/// No slot.
const NONE: u32 = u32::MAX;
/// Slots that are kept when no delivery is open.
const KEPT: usize = 1024;

/// An open delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) key: StepKey,
    pub(super) tenant: TenantId,
    /// Index of its queue.
    pub(super) line: u32,
    pub(super) high: bool,
    pub(super) deliveries: u32,
    pub(super) ends: Instant,
}

struct Slot {
    /// `None` when the slot is free; then `next` is the next free one.
    lease: Option<Lease>,
    serial: u32,
    previous: u32,
    next: u32,
}

pub(super) struct Leases {
    slots: Vec<Slot>,
    free: u32,
    oldest: u32,
    newest: u32,
    serial: u32,
    open: usize,
}

impl Default for Leases {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: NONE,
            oldest: NONE,
            newest: NONE,
            serial: 0,
            open: 0,
        }
    }
}

impl Leases {
    /// Adds a delivery, which must end no sooner than those before it. Answers its
    /// id: a serial number above the slot's index, so that an id is not met again
    /// before four thousand million others.
    pub(super) fn grant(&mut self, lease: Lease) -> u64 {
        self.serial = self.serial.wrapping_add(1);
        let slot = Slot {
            lease: Some(lease),
            serial: self.serial,
            previous: self.newest,
            next: NONE,
        };
        let index = if self.free == NONE {
            self.slots.push(slot);
            self.slots.len() as u32 - 1
        } else {
            let index = self.free;
            let place = &mut self.slots[index as usize];
            self.free = place.next;
            *place = slot;
            index
        };
        match self.newest {
            NONE => self.oldest = index,
            newest => self.slots[newest as usize].next = index,
        }
        self.newest = index;
        self.open += 1;
        u64::from(self.serial) << 32 | u64::from(index)
    }

    /// Ends the delivery of that id; `None` when it is not open.
    pub(super) fn end(&mut self, id: u64) -> Option<Lease> {
        let index = id as u32;
        let slot = self.slots.get(index as usize)?;
        (slot.serial == (id >> 32) as u32)
            .then(|| self.release(index))
            .flatten()
    }

    /// Ends the oldest delivery if its lease is over at `now`.
    pub(super) fn end_expired(&mut self, now: Instant) -> Option<Lease> {
        let ends = self.next_end()?;
        (ends <= now).then(|| self.release(self.oldest)).flatten()
    }

    /// When the next lease is over; `None` when nothing is open.
    pub(super) fn next_end(&self) -> Option<Instant> {
        Some(self.slots.get(self.oldest as usize)?.lease?.ends)
    }

    fn release(&mut self, index: u32) -> Option<Lease> {
        let slot = self.slots.get_mut(index as usize)?;
        let lease = slot.lease.take()?;
        let (previous, next) = (slot.previous, slot.next);
        slot.next = self.free;
        self.free = index;
        match previous {
            NONE => self.oldest = next,
            previous => self.slots[previous as usize].next = next,
        }
        match next {
            NONE => self.newest = previous,
            next => self.slots[next as usize].previous = previous,
        }
        self.open -= 1;
        if self.open == 0 && self.slots.len() > KEPT {
            self.slots = Vec::new();
            self.free = NONE;
        }
        Some(lease)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::id::{Ordinal, RunId};
    use proptest::prelude::*;

    use super::*;

    fn lease(number: u64, start: Instant) -> Lease {
        Lease {
            key: StepKey {
                run: RunId(number as i64),
                step: Ordinal(0),
            },
            tenant: TenantId::DEFAULT,
            line: 0,
            high: false,
            deliveries: 1,
            ends: start + Duration::from_secs(number),
        }
    }

    proptest! {
        /// Against a plain list: any order of ends, with ids that are known, stale or invented.
        #[test]
        fn it_behaves_as_a_list(acts in prop::collection::vec((0..3_u8, any::<prop::sample::Index>()), 1..400)) {
            let start = Instant::now();
            let mut leases = Leases::default();
            let mut open: Vec<(u64, Lease)> = Vec::new();
            let mut ended: Vec<u64> = vec![7, u64::MAX];
            for (number, (act, which)) in (1..).zip(acts) {
                match act {
                    0 => {
                        let lease = lease(number, start);
                        open.push((leases.grant(lease), lease));
                    }
                    1 if !open.is_empty() => {
                        let (id, lease) = open.remove(which.index(open.len()));
                        prop_assert_eq!(leases.end(id), Some(lease));
                        ended.push(id);
                    }
                    _ => prop_assert_eq!(leases.end(ended[which.index(ended.len())]), None),
                }
                prop_assert_eq!(leases.next_end(), open.first().map(|(_, lease)| lease.ends));
            }
            let late = start + Duration::from_secs(1_000);
            for (_, lease) in open {
                prop_assert_eq!(leases.end_expired(start), None);
                prop_assert_eq!(leases.end_expired(late), Some(lease));
            }
            prop_assert_eq!(leases.end_expired(late), None);
        }
    }

    #[test]
    fn the_slots_of_a_peak_are_given_back() {
        let start = Instant::now();
        let mut leases = Leases::default();
        let ids: Vec<u64> = (0..50_000).map(|n| leases.grant(lease(n, start))).collect();
        for id in &ids {
            assert!(leases.end(*id).is_some());
        }
        assert_eq!(leases.slots.capacity(), 0);
        let id = leases.grant(lease(1, start));
        assert!(!ids.contains(&id));
        assert!(leases.end(ids[0]).is_none());
        assert!(leases.end(id).is_some());
    }
}
