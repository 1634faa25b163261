//! What one execution may use.

use wasmtime::ResourceLimiter;

use crate::Pool;

/// The most bytes of an outgoing body that one write hands to the host. It keeps two of them until
/// they are sent.
pub(crate) const BODY_CHUNK: usize = 32 << 10;

/// Limits of one execution. Each has its own failure code; see [`crate::code`].
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of all memories together.
    pub memory_bytes: usize,
    /// Elements of all tables together.
    pub table_elements: usize,
    /// Handles that the guest may hold at the same time. The host keeps up to 128 KiB of header
    /// fields, or up to 64 KiB of a request's body, behind one, beside the guest's
    /// memory: so many of them must fit into the host's.
    pub resources: usize,
    /// Calls into the host.
    pub host_calls: u64,
    /// Bytes of an output.
    pub output_bytes: usize,
    /// Depth of an output; at most 128. `serde_json` reads 127 levels, and an output is stored
    /// inside other documents.
    pub output_depth: u8,
    /// Outgoing requests at the same time, counted until the response is read or dropped.
    pub open_requests: usize,
    /// Bytes of all request bodies together.
    pub request_bytes: u64,
    /// Bytes of all response bodies together.
    pub response_bytes: u64,
    /// Bytes of a key of the cache.
    pub cache_key_bytes: usize,
    /// Bytes of a value of the cache.
    pub cache_value_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 256 << 20,
            table_elements: 200_000,
            resources: 512,
            host_calls: 5_000_000,
            output_bytes: 32 << 20,
            output_depth: 100,
            open_requests: 32,
            request_bytes: 256 << 20,
            response_bytes: 256 << 20,
            cache_key_bytes: 512,
            cache_value_bytes: 1 << 20,
        }
    }
}

/// A limit that a guest ran into and that ends it at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Exceeded {
    #[error("the step needs more than {0} bytes of memory")]
    Memory(usize),
    #[error("the step's tables need more than {0} elements")]
    Table(usize),
    #[error("the step called the host more than {0} times")]
    HostCalls(u64),
    #[error("the step saved a value in the cache that is not JSON")]
    CacheValue,
}

/// Grants memory and tables while they last, and remembers the most that was used.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    memory_limit: usize,
    table_limit: usize,
    /// What one memory and one table may have: the size of a slot of the pool.
    one_memory: usize,
    one_table: usize,
    memory: usize,
    elements: usize,
    pub(crate) peak: usize,
}

impl Meter {
    pub(crate) fn new(limits: &Limits, pool: &Pool) -> Self {
        Self {
            memory_limit: limits.memory_bytes,
            table_limit: limits.table_elements,
            one_memory: pool.memory_bytes,
            one_table: pool.table_elements,
            ..Self::default()
        }
    }

    /// Bytes of all memories now.
    pub(crate) fn in_use(&self) -> usize {
        self.memory
    }

    /// Goes on with what an instance has that another meter has granted. Whether it fits.
    pub(crate) fn take_over(&mut self, before: &Self) -> bool {
        self.memory = before.memory;
        self.elements = before.elements;
        self.peak = before.memory;
        self.memory <= self.memory_limit && self.elements <= self.table_limit
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_add(desired.saturating_sub(current));
        // Ending the guest is clearer than a refusal that most allocators turn into a panic, and
        // that some guests repeat until their deadline.
        if total > self.memory_limit || desired > self.one_memory {
            let limit = self.memory_limit.min(self.one_memory);
            return Err(wasmtime::Error::from(Exceeded::Memory(limit)));
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.memory = total;
        self.peak = self.peak.max(total);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self
            .elements
            .saturating_add(desired.saturating_sub(current));
        if total > self.table_limit || desired > self.one_table {
            let limit = self.table_limit.min(self.one_table);
            return Err(wasmtime::Error::from(Exceeded::Table(limit)));
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.elements = total;
        Ok(true)
    }
}
