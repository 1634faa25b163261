//! Which of several queues is served next, and how much of it at once.
//!
//! Weighted round robin: deficit round robin (M. Shreedhar and G. Varghese, "Efficient fair
//! queuing using deficit round robin", 1996) where each entry costs one, so that the only
//! credit to remember is that of the queue whose visit was cut short. Queues that stay
//! filled are served in proportion to their weights: at no time is one of them ahead of
//! another by more than one visit. What an empty queue does not use goes to the others at
//! once, and it saves nothing up.
//!
//! The queue on Redis does the same on the server (`queue-redis/src/scripts/take.lua`).

/// Where a receiver stands in its round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turns<K> {
    /// The queue that is next, and how many entries are left of its visit: 0 for a visit that
    /// begins.
    at: Option<(K, u32)>,
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self { at: None }
    }
}

impl<K: Clone + Ord> Turns<K> {
    /// Takes `left` entries from `queues`, or all there are. The queues come with their
    /// weights, sorted and each once; a weight of 0 counts as 1. `take` is told a queue and
    /// how many entries to take from it at most, and answers how many it took: fewer say that
    /// the queue is empty.
    pub fn share(
        &mut self,
        queues: &[(K, u32)],
        mut left: usize,
        mut take: impl FnMut(&K, usize) -> usize,
    ) {
        if let [(queue, _)] = queues {
            // Nobody is ahead of anybody.
            take(queue, left);
            return;
        }
        let next = self.at.as_ref().map_or(0, |(next, _)| {
            queues.partition_point(|(queue, _)| queue < next)
        });
        let (later, first) = queues.split_at(next % queues.len().max(1));
        let mut line: Vec<&(K, u32)> = first.iter().chain(later).collect();
        if let (Some((next, credit @ 1..)), Some((queue, _))) = (&self.at, line.first())
            && next == queue
        {
            let asked = left.min(*credit as usize);
            let taken = take(queue, asked);
            left -= taken;
            if taken < asked {
                line.remove(0);
            } else if taken < *credit as usize {
                self.at = Some((queue.clone(), credit - taken as u32));
                return;
            } else {
                line.rotate_left(1);
            }
        }
        while left > 0 && !line.is_empty() {
            let round: usize = line.iter().map(|one| weight(one)).sum();
            let rounds = left / round;
            if rounds > 0 {
                line.retain(|one| {
                    let asked = weight(one) * rounds;
                    let taken = take(&one.0, asked);
                    left -= taken;
                    taken == asked
                });
                continue;
            }
            let mut filled = Vec::with_capacity(line.len());
            for one in line {
                let asked = left.min(weight(one));
                // Nothing is asked of the one that is next.
                let taken = if asked > 0 { take(&one.0, asked) } else { 0 };
                left -= taken;
                if asked < weight(one) && taken == asked {
                    let credit = if asked > 0 { weight(one) - asked } else { 0 };
                    self.at = Some((one.0.clone(), credit as u32));
                    return;
                }
                if taken == asked {
                    filled.push(one);
                }
            }
            line = filled;
        }
        self.at = line.first().map(|one| (one.0.clone(), 0));
    }
}

fn weight<K>(queue: &(K, u32)) -> usize {
    queue.1.max(1) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Queues by number, each with its weight and how much waits there.
    struct Filled {
        turns: Turns<usize>,
        waiting: Vec<usize>,
        served: Vec<usize>,
        weights: Vec<(usize, u32)>,
    }

    impl Filled {
        fn new(queues: &[(u32, usize)]) -> Self {
            Self {
                turns: Turns::default(),
                waiting: queues.iter().map(|queue| queue.1).collect(),
                served: vec![0; queues.len()],
                weights: (0..).zip(queues.iter().map(|queue| queue.0)).collect(),
            }
        }

        fn take(&mut self, left: usize) -> Vec<usize> {
            let (waiting, served) = (&mut self.waiting, &mut self.served);
            let mut order = Vec::new();
            self.turns.share(&self.weights, left, |&queue, most| {
                let taken = most.min(waiting[queue]);
                waiting[queue] -= taken;
                served[queue] += taken;
                order.extend(std::iter::repeat_n(queue, taken));
                taken
            });
            order
        }
    }

    #[test]
    fn one_at_a_time_comes_by_weight() {
        let mut queues = Filled::new(&[(3, 100), (1, 100)]);
        let order: Vec<_> = (0..8).flat_map(|_| queues.take(1)).collect();
        assert_eq!(order, [0, 0, 0, 1, 0, 0, 0, 1]);
        // A batch goes on where the last one ended, and many rounds are one visit of each.
        assert_eq!(queues.take(2), [0, 0]);
        assert_eq!(queues.take(2), [0, 1]);
        assert_eq!(queues.take(8), [0, 0, 0, 0, 0, 0, 1, 1]);
    }

    #[test]
    fn what_one_does_not_need_the_others_get() {
        let mut queues = Filled::new(&[(3, 2), (1, 100)]);
        assert_eq!(queues.take(10), [vec![0; 2], vec![1; 8]].concat());
        // It has saved nothing up.
        queues.waiting[0] = 100;
        queues.served = vec![0; 2];
        queues.take(40);
        assert_eq!(queues.served, [30, 10]);
    }

    proptest! {
        /// Whatever is asked for: nothing waits while it could be served, and of queues that
        /// stay filled none is ahead of another by more than one visit.
        #[test]
        fn queues_that_stay_filled_are_served_by_weight(
            queues in prop::collection::vec((1..9_u32, prop_oneof![0..30_usize, Just(1_000_000)]), 1..7),
            batches in prop::collection::vec(prop_oneof![1..5_usize, 1..300_usize], 1..80),
        ) {
            let mut filled = Filled::new(&queues);
            for left in batches {
                let before: usize = filled.waiting.iter().sum();
                prop_assert_eq!(filled.take(left).len(), left.min(before));
                for (one, (weight, waits)) in queues.iter().enumerate() {
                    for (other, (other_weight, other_waits)) in queues.iter().enumerate() {
                        if *waits < 1_000_000 || *other_waits < 1_000_000 {
                            continue;
                        }
                        // served / weight, without fractions.
                        let this = filled.served[one] * *other_weight as usize;
                        let that = filled.served[other] * *weight as usize;
                        let visit = (weight * other_weight) as usize;
                        prop_assert!(this <= that + visit, "{:?} {:?}", filled.served, queues);
                    }
                }
            }
        }

        /// Queues come and go, and nobody who has something waits for longer than one visit of
        /// each of the others.
        #[test]
        fn nobody_starves(
            weights in prop::collection::vec(1..9_u32, 2..7),
            fills in prop::collection::vec((0..7_usize, 0..20_usize), 1..60),
        ) {
            let queues: Vec<_> = weights.iter().map(|weight| (*weight, 0)).collect();
            let mut filled = Filled::new(&queues);
            for (queue, more) in fills {
                let queue = queue % weights.len();
                filled.waiting[queue] += more;
                if filled.waiting[queue] == 0 {
                    continue;
                }
                let others: u32 = weights.iter().sum::<u32>() - weights[queue];
                let before = filled.served[queue];
                let mut waited = 0;
                while filled.served[queue] == before {
                    filled.take(1);
                    waited += 1;
                }
                prop_assert!(waited <= others + 1, "{waited} of {others}");
            }
        }
    }
}
