//! Instances that are used again.
//!
//! An execution has an instance of its own unless its call allows another's: then one that ended
//! as it should is kept, and the next execution of the same program for the same tenant begins
//! where it ended, with the guest's memory as it was and with nothing else of the last one. Why and
//! for whom is in `host/docs/decisions/0006-reuse-of-instances.md`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::id::TenantId;
use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::Store;

use crate::bindings::Guest;
use crate::state::State;

/// After so many executions an instance is dropped, whatever the guest has kept.
const USES: u32 = 4_096;
/// One with more memory than this is not kept.
const MEMORY: usize = 8 << 20;
/// How long one is kept that nobody uses.
const PATIENCE: Duration = Duration::from_secs(30);

/// An instance between two executions, or in one.
pub(crate) struct Instance {
    // Before its slot, so that the pool has room when the slot is free.
    pub(crate) store: Store<State>,
    pub(crate) guest: Option<Guest>,
    _slot: Option<OwnedSemaphorePermit>,
    uses: u32,
}

impl Instance {
    pub(crate) fn new(store: Store<State>, slot: Option<OwnedSemaphorePermit>) -> Self {
        Self {
            store,
            guest: None,
            _slot: slot,
            uses: 0,
        }
    }

    /// Whether another execution may begin with it, after one that returned.
    fn may_stay(&self) -> bool {
        let state = self.store.data();
        // A guest that kept a handle would find it in a table that is not the one it is from.
        let nothing_open = state.table.is_empty() && !state.http.was_used();
        self.guest.is_some() && nothing_open && self.uses < USES && state.meter.in_use() <= MEMORY
    }
}

/// What an instance was made of, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// [`crate::Program`]'s number.
    pub(crate) program: u64,
    pub(crate) tenant: TenantId,
}

struct Kept {
    owner: Owner,
    instance: Instance,
    since: Instant,
}

/// The instances between two executions: few, the one used last first in turn, so that what is
/// not needed grows old.
#[derive(Default)]
struct Inner {
    kept: Vec<Kept>,
    /// Whether a task watches over them. It alone takes that back, or there would be one more for each
    /// time that they gave way.
    swept: bool,
    /// How many wait for a slot: nothing is kept from them.
    waiting: usize,
}

impl Inner {
    /// Takes out those of which `unwanted` says so, to be dropped without the lock.
    fn take_where(&mut self, unwanted: impl Fn(&Kept) -> bool) -> Vec<Kept> {
        let (gone, kept) = self.kept.drain(..).partition(unwanted);
        self.kept = kept;
        gone
    }
}

/// Somebody waits for a slot while this lives.
pub(crate) struct Waiting<'a>(&'a Mutex<Inner>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.lock().waiting -= 1;
    }
}

/// See the module.
pub(crate) struct Idle {
    inner: Arc<Mutex<Inner>>,
    most: usize,
}

impl Idle {
    /// Keeps `most` at a time.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            inner: Arc::default(),
            most,
        }
    }

    /// The one of that owner that was used last.
    pub(crate) fn take(&self, owner: Owner) -> Option<Instance> {
        let mut inner = self.inner.lock();
        let at = inner.kept.iter().rposition(|kept| kept.owner == owner)?;
        Some(inner.kept.remove(at).instance)
    }

    /// Keeps one that has returned, if it may stay; `blank` takes everything out of it that
    /// belongs to the execution.
    pub(crate) fn keep(
        &self,
        owner: Owner,
        mut instance: Instance,
        blank: impl FnOnce(&mut Store<State>),
    ) {
        instance.uses += 1;
        if self.most == 0 || !instance.may_stay() {
            return;
        }
        blank(&mut instance.store);
        let mut inner = self.inner.lock();
        if inner.waiting > 0 {
            drop(inner);
            drop(instance);
            return;
        }
        // The oldest gives way; it is dropped without the lock.
        let oldest = (inner.kept.len() >= self.most).then(|| inner.kept.remove(0));
        inner.kept.push(Kept {
            owner,
            instance,
            since: Instant::now(),
        });
        let sweep = !std::mem::replace(&mut inner.swept, true);
        drop(inner);
        drop(oldest);
        if sweep {
            self.sweep();
        }
    }

    /// Gives all slots back, and those of instances that return while the value lives.
    pub(crate) fn give_way(&self) -> Waiting<'_> {
        let mut inner = self.inner.lock();
        inner.waiting += 1;
        let gone = inner.take_where(|_| true);
        drop(inner);
        drop(gone);
        Waiting(&self.inner)
    }

    /// Drops the instances of a program.
    pub(crate) fn forget(&self, program: u64) {
        let gone = self
            .inner
            .lock()
            .take_where(|kept| kept.owner.program == program);
        drop(gone);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.inner.lock().kept.len()
    }

    /// Drops what nobody has used for a while, until nothing is left.
    fn sweep(&self) {
        let inner = Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(PATIENCE / 2).await;
                let Some(inner) = inner.upgrade() else { return };
                let mut inner = inner.lock();
                let gone = inner.take_where(|kept| kept.since.elapsed() >= PATIENCE);
                inner.swept = !inner.kept.is_empty();
                let ended = !inner.swept;
                drop(inner);
                drop(gone);
                if ended {
                    return;
                }
            }
        });
    }
}
