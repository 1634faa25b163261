//! What waits in one priority of one queue: first in first out for each tenant, and the
//! tenants in turn.

use std::collections::{HashMap, VecDeque};

use model::id::{StepKey, TenantId};

use super::chain::Chain;

/// An entry whose lease has ended, with how often it was delivered.
pub(super) type Again = (StepKey, TenantId, u32);

/// Entries of one priority.
#[derive(Default)]
pub(super) struct Lane {
    /// Entries whose lease has ended: they come before all others.
    pub(super) again: VecDeque<Again>,
    fresh: Fresh,
}

/// Entries that were never delivered. As long as only the first tenant waits, nothing else
/// is touched than its chain.
#[derive(Default)]
struct Fresh {
    first: Chain,
    /// Of the other tenants those that wait.
    others: HashMap<TenantId, Chain>,
    /// While others wait: all tenants that wait, whose turn it is first.
    turn: VecDeque<TenantId>,
    len: usize,
}

impl Fresh {
    fn push(&mut self, tenant: TenantId, steps: &[StepKey]) {
        let (first, others) = (tenant == TenantId::DEFAULT, !self.others.is_empty());
        if steps.is_empty() {
            return;
        }
        if !first && !others && self.first.len() > 0 {
            self.turn.push_back(TenantId::DEFAULT);
        }
        let chain = if first {
            &mut self.first
        } else {
            self.others.entry(tenant).or_default()
        };
        if chain.len() == 0 && (others || !first) {
            self.turn.push_back(tenant);
        }
        for key in steps {
            chain.push(*key);
        }
        self.len += steps.len();
    }

    fn pop(&mut self) -> Option<(StepKey, TenantId)> {
        let Some(tenant) = self.turn.pop_front() else {
            let key = self.first.pop()?;
            self.len -= 1;
            return Some((key, TenantId::DEFAULT));
        };
        let chain = if tenant == TenantId::DEFAULT {
            &mut self.first
        } else {
            self.others.get_mut(&tenant)?
        };
        let key = chain.pop()?;
        self.len -= 1;
        if chain.len() > 0 {
            self.turn.push_back(tenant);
        } else if tenant != TenantId::DEFAULT {
            self.others.remove(&tenant);
            if self.others.is_empty() {
                self.others = HashMap::new();
                self.turn = VecDeque::new();
            }
        }
        Some((key, tenant))
    }
}

impl Lane {
    pub(super) fn len(&self) -> usize {
        self.again.len() + self.fresh.len
    }

    pub(super) fn push(&mut self, tenant: TenantId, steps: &[StepKey]) {
        self.fresh.push(tenant, steps);
    }

    pub(super) fn pop(&mut self) -> Option<Again> {
        match self.again.pop_front() {
            Some(entry) => {
                if self.again.is_empty() {
                    self.again.shrink_to(64);
                }
                Some(entry)
            }
            None => self.fresh.pop().map(|(key, tenant)| (key, tenant, 0)),
        }
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
            step: Ordinal(0),
        }
    }

    proptest! {
        /// Against a plain model: a list of tenants that wait, and a list of entries for each.
        #[test]
        fn tenants_come_in_turn(acts in prop::collection::vec((1..5_i64, 0..6_usize, 0..12_usize), 1..60)) {
            let (mut lane, mut next) = (Lane::default(), 0);
            let mut turn: VecDeque<(i64, VecDeque<i64>)> = VecDeque::new();
            for (tenant, pushes, pops) in acts {
                let steps: Vec<_> = (next..next + pushes as i64).map(key).collect();
                lane.push(TenantId(tenant), &steps);
                for number in next..next + pushes as i64 {
                    match turn.iter_mut().find(|(one, _)| *one == tenant) {
                        Some((_, entries)) => entries.push_back(number),
                        None => turn.push_back((tenant, [number].into())),
                    }
                }
                next += pushes as i64;
                for _ in 0..pops {
                    let expected = turn.pop_front().map(|(tenant, mut entries)| {
                        let number = entries.pop_front();
                        if !entries.is_empty() {
                            turn.push_back((tenant, entries));
                        }
                        (number, tenant)
                    });
                    let got = lane.pop().map(|(key, tenant, _)| (Some(key.run.0), tenant.0));
                    prop_assert_eq!(got, expected);
                    prop_assert_eq!(lane.len(), turn.iter().map(|(_, entries)| entries.len()).sum::<usize>());
                }
            }
        }
    }
}
