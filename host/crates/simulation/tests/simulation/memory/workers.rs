//! The registry of processes.

use std::collections::BTreeMap;

use model::{
    clock::Timestamp,
    id::{RunId, StepKey, WorkerId},
};
use store::workers::{Renewed, Worker};

use super::{Result, State};

impl State {
    /// The worker of a claim has a row, however long ago its lease ended.
    pub(super) fn know_worker(&mut self, id: WorkerId) {
        self.workers.entry(id).or_insert_with(|| Worker {
            id,
            host: String::new(),
            pid: 0,
            version: String::new(),
            role: String::new(),
            queues: Vec::new(),
            weights: BTreeMap::new(),
            slots: 0,
            started_at: Timestamp(0),
            lease_until: Timestamp(0),
        });
    }

    /// Forgets workers whose lease has ended.
    pub(super) fn forget_workers(&mut self, now: Timestamp) {
        self.workers.retain(|_, worker| worker.lease_until > now);
        self.cancelled_claims
            .retain(|(id, _)| self.workers.contains_key(id));
        self.revoked_claims
            .retain(|(id, _)| self.workers.contains_key(id));
    }

    pub(super) fn time(&mut self) -> Result<Option<Timestamp>> {
        Ok(self.clock.as_ref().map(|clock| clock.now()))
    }

    pub(super) fn register(&mut self, worker: Worker) -> Result<WorkerId> {
        // A claim may have been of a number that nobody has.
        let highest = self.workers.keys().last().map_or(0, |id| id.0);
        self.last_worker = self.last_worker.max(highest) + 1;
        let id = WorkerId(self.last_worker);
        self.workers.insert(id, Worker { id, ..worker });
        Ok(id)
    }

    pub(super) fn renew(
        &mut self,
        id: WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Renewed>> {
        let live = self
            .workers
            .get_mut(&id)
            .filter(|worker| worker.lease_until > now);
        let Some(worker) = live else {
            return Ok(None);
        };
        worker.lease_until = until;
        let (queues, slots) = (worker.queues.clone(), worker.slots);
        let weights = worker.weights.clone();
        let cancelled = self
            .cancelled_claims
            .extract_if((id, RunId(0)).., |one| one.0 == id);
        let cancelled = cancelled.map(|(_, run)| run).collect();
        let (mine, others): (Vec<_>, Vec<_>) = self
            .revoked_claims
            .iter()
            .partition(|(worker, _)| *worker == id);
        self.revoked_claims = others.into_iter().collect();
        Ok(Some(Renewed {
            now: self.time()?,
            generation: self.generation,
            cancelled,
            revoked: mine.into_iter().map(|(_, key): (_, StepKey)| key).collect(),
            queues,
            weights,
            slots,
        }))
    }

    pub(super) fn release(&mut self, id: WorkerId) -> Result<()> {
        self.leader = self.leader.filter(|(leader, _)| *leader != id);
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.lease_until = Timestamp(0);
        }
        Ok(())
    }

    pub(super) fn release_others(&mut self, id: WorkerId) -> Result<()> {
        for worker in self.workers.values_mut().filter(|worker| worker.id != id) {
            worker.lease_until = Timestamp(0);
        }
        Ok(())
    }

    pub(super) fn workers(&mut self, now: Timestamp) -> Result<Vec<Worker>> {
        let live = self
            .workers
            .values()
            .filter(|worker| worker.lease_until > now);
        Ok(live.cloned().collect())
    }

    pub(super) fn lost_workers(&mut self, since: Timestamp, now: Timestamp) -> Result<Vec<Worker>> {
        let mut lost: Vec<Worker> = self
            .workers
            .values()
            .filter(|worker| worker.lease_until > since && worker.lease_until <= now)
            .cloned()
            .collect();
        lost.sort_by_key(|worker| std::cmp::Reverse(worker.lease_until));
        Ok(lost)
    }

    pub(super) fn set_worker(
        &mut self,
        id: WorkerId,
        queues: Option<&[String]>,
        weights: Option<&BTreeMap<String, u32>>,
        slots: Option<u32>,
    ) -> Result<bool> {
        let Some(worker) = self.workers.get_mut(&id) else {
            return Ok(false);
        };
        if let Some(queues) = queues {
            worker.queues = queues.to_vec();
        }
        if let Some(weights) = weights {
            worker.weights = weights.clone();
        }
        worker.slots = slots.unwrap_or(worker.slots);
        Ok(true)
    }

    pub(super) fn lead(&mut self, id: WorkerId, now: Timestamp, until: Timestamp) -> Result<bool> {
        let other = self
            .leader
            .is_some_and(|(leader, term)| leader != id && term > now);
        if !other {
            self.leader = Some((id, until));
        }
        Ok(!other)
    }
}
