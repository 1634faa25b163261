//! A first-in-first-out list of step keys in blocks: 16 bytes an entry, no copy of
//! the whole on growth, and the blocks of a peak are freed as it drains.

use std::collections::VecDeque;

use model::id::StepKey;

/// Entries in a block: 8 KiB.
const BLOCK: usize = 512;

#[derive(Default)]
pub(super) struct Chain {
    /// None is empty but the only one; all but the last are full.
    blocks: VecDeque<Vec<StepKey>>,
    /// Entries of the first block that are taken already.
    taken: usize,
    len: usize,
}

impl Chain {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, key: StepKey) {
        match self.blocks.back_mut() {
            Some(block) if block.len() < BLOCK => block.push(key),
            // The first block of a queue grows as needed: many queues hold little.
            None => self.blocks.push_back(vec![key]),
            Some(_) => {
                let mut block = Vec::with_capacity(BLOCK);
                block.push(key);
                self.blocks.push_back(block);
            }
        }
        self.len += 1;
    }

    pub(super) fn pop(&mut self) -> Option<StepKey> {
        let last = self.blocks.len() == 1;
        let first = self.blocks.front_mut()?;
        let key = *first.get(self.taken)?;
        self.taken += 1;
        self.len -= 1;
        if self.taken == first.len() {
            self.taken = 0;
            if last {
                first.clear();
                self.blocks.shrink_to(1);
            } else {
                self.blocks.pop_front();
            }
        }
        Some(key)
    }

    /// Bytes that the list holds on the heap.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.blocks.capacity() * size_of::<Vec<StepKey>>()
            + self
                .blocks
                .iter()
                .map(|block| block.capacity() * size_of::<StepKey>())
                .sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use model::id::{Ordinal, RunId};
    use proptest::prelude::*;

    use super::*;

    fn key(number: i64) -> StepKey {
        StepKey {
            run: RunId(number),
            step: Ordinal(1),
        }
    }

    #[test]
    fn a_hundred_thousand_entries_take_less_than_three_megabytes_and_leave_none() {
        assert_eq!(size_of::<StepKey>(), 16);
        let mut chain = Chain::default();
        for number in 0..100_000 {
            chain.push(key(number));
        }
        assert!(chain.bytes() < 1_700_000, "{} bytes", chain.bytes());
        for number in 0..100_000 {
            assert_eq!(chain.pop(), Some(key(number)));
        }
        assert_eq!(chain.pop(), None);
        assert!(chain.bytes() < 10_000, "{} bytes", chain.bytes());
    }

    proptest! {
        #[test]
        fn it_behaves_as_a_deque(turns in prop::collection::vec((0..1500_usize, 0..1500_usize), 0..12)) {
            let (mut chain, mut model, mut next) = (Chain::default(), VecDeque::new(), 0);
            for (pushes, pops) in turns {
                for _ in 0..pushes {
                    chain.push(key(next));
                    model.push_back(key(next));
                    next += 1;
                }
                for _ in 0..pops {
                    prop_assert_eq!(chain.pop(), model.pop_front());
                    prop_assert_eq!(chain.len(), model.len());
                }
            }
        }
    }
}
