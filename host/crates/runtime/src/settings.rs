//! What a runtime is set up with.

use std::path::PathBuf;
use std::time::Duration;

/// Set-up of a runtime, fixed while the process lives.
#[derive(Clone)]
pub struct Settings {
    /// Folder of the compiled artefacts. It is created with access for this user only.
    pub artefacts: PathBuf,
    /// The service key, under which artefacts carry their code of authenticity. Whoever knows it and
    /// can write the folder can run native code in the service.
    pub key: [u8; 32],
    /// The pool of instances.
    pub pool: Pool,
    /// Guests that may compute at the same time after their first burst; absent: one less than there
    /// are cores, and at least one.
    pub turns: Option<usize>,
    /// CPU time that a guest uses before it has to take turns, and the length of a turn.
    pub quantum: Duration,
    /// Called on each compiler thread when a compilation has ended: for an allocator that keeps
    /// what a thread has freed until that thread allocates again.
    pub compiled: Option<fn()>,
}

impl Settings {
    /// Settings with defaults for everything but the folder and the key.
    pub fn new(artefacts: impl Into<PathBuf>, key: [u8; 32]) -> Self {
        Self {
            artefacts: artefacts.into(),
            key,
            pool: Pool::default(),
            turns: None,
            quantum: Duration::from_millis(5),
            compiled: None,
        }
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("artefacts", &self.artefacts)
            .field("pool", &self.pool)
            .field("turns", &self.turns)
            .field("quantum", &self.quantum)
            .finish_non_exhaustive()
    }
}

/// Sizes of the pool of instances. Its memory is reserved address space; pages are used when a guest
/// touches them. A component that does not fit cannot be installed.
#[derive(Debug, Clone)]
pub struct Pool {
    /// Executions at the same time. 0: no pool, each instance is allocated when it is needed.
    pub slots: u32,
    /// Core instances in one component.
    pub core_instances_per_component: u32,
    /// Memories in one component.
    pub memories_per_component: u32,
    /// Tables in one component.
    pub tables_per_component: u32,
    /// Core instances in the whole pool for each slot, on average.
    pub core_instances_per_slot: u32,
    /// Memories in the whole pool for each slot, on average.
    pub memories_per_slot: u32,
    /// Tables in the whole pool for each slot, on average.
    pub tables_per_slot: u32,
    /// Size of one core instance's own data in bytes.
    pub core_instance_size: usize,
    /// Size of one component instance's own data in bytes.
    pub component_instance_size: usize,
    /// Elements of one table.
    pub table_elements: usize,
    /// Bytes of one memory; what a call's limits allow cannot be more.
    pub memory_bytes: usize,
    /// Stack of a guest in bytes.
    pub stack_bytes: usize,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            slots: 512,
            core_instances_per_component: 64,
            memories_per_component: 4,
            tables_per_component: 8,
            core_instances_per_slot: 64,
            memories_per_slot: 4,
            tables_per_slot: 8,
            core_instance_size: 1 << 20,
            component_instance_size: 2 << 20,
            table_elements: 20_000,
            memory_bytes: 1 << 30,
            stack_bytes: 1 << 20,
        }
    }
}

impl Pool {
    /// No pool: for tools that execute a component once.
    pub fn none() -> Self {
        Self {
            slots: 0,
            ..Self::default()
        }
    }
}

/// How instances are allocated, as found out at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allocation {
    /// From a pool.
    Pool {
        /// Executions at the same time.
        slots: u32,
        /// Whether pages are reset by `PAGEMAP_SCAN` (Linux 6.7), the fastest way.
        pagemap_scan: bool,
    },
    /// Each when it is needed: several times slower.
    OnDemand,
}

/// The processor that artefacts are compiled for: never the machine's own, so that an artefact runs
/// on each machine of a cluster that meets it and a digest does not depend on where it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Baseline {
    /// x86-64-v2: SSE4.2, POPCNT, CMPXCHG16B; servers since 2009.
    X86_64V2,
    /// The architecture without extensions.
    Generic,
}
