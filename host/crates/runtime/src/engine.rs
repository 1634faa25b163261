//! The engine, set up for many short executions.
//!
//! What the settings are worth was measured: see `host/docs/decisions/0002-pooling-limits.md`.

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, ModuleVersionStrategy, OptLevel,
    PoolingAllocationConfig, WasmBacktraceDetails,
};

use crate::error::chain;
use crate::{Allocation, Baseline, Error, Pool};

/// Bytes of each memory that may stay resident in a free slot where the kernel tells
/// which pages were written, and where all of them must be cleared.
const KEEP_MEMORY: (usize, usize) = (512 << 10, 64 << 10);
/// Bytes of each table that stay resident in a free slot.
const KEEP_TABLE: usize = 64 << 10;

/// Sets up an engine in the fastest way that this machine allows.
pub(crate) fn build(pool: &Pool) -> Result<(Engine, Allocation, Baseline), Error> {
    let baseline = baseline();
    let mut slots = pool.slots;
    while slots >= 8 {
        for pagemap_scan in [true, false] {
            match pooled(pool, slots, pagemap_scan, baseline) {
                Ok(engine) => {
                    let allocation = Allocation::Pool {
                        slots,
                        pagemap_scan,
                    };
                    if slots < pool.slots || !pagemap_scan {
                        tracing::warn!(
                            ?allocation,
                            wanted = pool.slots,
                            "instances are allocated in a slower way than they could be"
                        );
                    }
                    return Ok((engine, allocation, baseline));
                }
                Err(error) => {
                    tracing::debug!(
                        slots,
                        pagemap_scan,
                        error = chain(&error),
                        "this pool of instances cannot be had"
                    );
                }
            }
        }
        slots /= 2;
    }
    if pool.slots > 0 {
        tracing::warn!(
            "this machine allows no pool of instances (limits on address space?): steps are executed several times slower"
        );
    }
    let engine = common(pool, baseline)
        .and_then(|mut config| {
            config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
            Engine::new(&config)
        })
        .map_err(|error| Error::Engine(chain(&error)))?;
    Ok((engine, Allocation::OnDemand, baseline))
}

fn pooled(
    pool: &Pool,
    slots: u32,
    pagemap_scan: bool,
    baseline: Baseline,
) -> wasmtime::Result<Engine> {
    let mut config = common(pool, baseline)?;
    let mut sizes = PoolingAllocationConfig::new();
    sizes
        .total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(pool.core_instances_per_slot))
        .total_memories(slots.saturating_mul(pool.memories_per_slot))
        .total_tables(slots.saturating_mul(pool.tables_per_slot))
        .total_stacks(slots)
        .max_core_instances_per_component(pool.core_instances_per_component)
        .max_memories_per_component(pool.memories_per_component)
        .max_tables_per_component(pool.tables_per_component)
        .max_component_instance_size(pool.component_instance_size)
        .max_core_instance_size(pool.core_instance_size)
        .table_elements(pool.table_elements)
        .max_memory_size(pool.memory_bytes)
        .max_tables_per_module(pool.tables_per_component)
        .max_memories_per_module(pool.memories_per_component)
        .linear_memory_keep_resident(if pagemap_scan {
            KEEP_MEMORY.0
        } else {
            KEEP_MEMORY.1
        })
        .table_keep_resident(KEEP_TABLE)
        .max_unused_warm_slots(slots)
        .pagemap_scan(if pagemap_scan {
            Enabled::Yes
        } else {
            Enabled::No
        });
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(sizes));
    Engine::new(&config)
}

/// What holds for each allocator. Everything here that changes code enters the artefact's
/// fingerprint through [`Engine::precompile_compatibility_hash`].
fn common(pool: &Pool, baseline: Baseline) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    config
        .target(&triple())?
        .cranelift_opt_level(OptLevel::Speed)
        .epoch_interruption(true)
        .concurrency_support(false)
        .memory_init_cow(true)
        .max_wasm_stack(pool.stack_bytes)
        .async_stack_size(pool.stack_bytes + (512 << 10))
        .module_version(ModuleVersionStrategy::WasmtimeVersion)?
        // The same input gives the same output, on every machine.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        // No step's failure shows a trace of WebAssembly frames: neither collect nor store them.
        .wasm_backtrace_max_frames(None)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .generate_address_map(false)
        .native_unwind_info(false);
    if baseline == Baseline::X86_64V2 {
        for flag in [
            "has_cmpxchg16b",
            "has_sse3",
            "has_ssse3",
            "has_sse41",
            "has_sse42",
            "has_popcnt",
        ] {
            enable(&mut config, flag);
        }
    }
    Ok(config)
}

#[expect(unsafe_code, reason = "wasmtime marks processor flags as unsafe")]
fn enable(config: &mut Config, flag: &str) {
    // SAFETY: the flags are Cranelift's own names of processor extensions, and `baseline` has found
    // that this processor has each. On another machine, wasmtime checks them again when it loads an
    // artefact.
    unsafe {
        config.cranelift_flag_enable(flag);
    }
}

fn triple() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

#[cfg(target_arch = "x86_64")]
fn baseline() -> Baseline {
    let v2 = is_x86_feature_detected!("sse4.2")
        && is_x86_feature_detected!("ssse3")
        && is_x86_feature_detected!("popcnt")
        && is_x86_feature_detected!("cmpxchg16b");
    if v2 {
        Baseline::X86_64V2
    } else {
        Baseline::Generic
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn baseline() -> Baseline {
    Baseline::Generic
}
