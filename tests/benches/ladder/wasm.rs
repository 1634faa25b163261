//! `wasm_call`: a fresh instance and one call of a step that does nothing, two threads.
//! `wasm_condition`, `wasm_transform`: the same of the steps that execute operators.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use async_trait::async_trait;
use bytes::Bytes;
use connectors::http::Connector;
use harness::packs::BENCH;
use model::clock::{Clock, Timestamp};
use model::id::TenantId;
use runtime::{
    CacheError, CachePort, Call, Level, Limits, LogBuffer, LogLimits, Ports, Runtime,
    SecretHandles, Settings, Tracer,
};
use tokio_util::sync::CancellationToken;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::figure::{Bench, Better, median};
use crate::pace;

const THREADS: usize = 2;
const STEP: &str = "Noop";
const PARAMETERS: &str = r#"{"input": {"event": 1}}"#;
const CONTEXT: &str = "{}";

mod contract {
    //! The contract as wasmtime's own generator sees it.
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package powerflow:ladder;
            world guest {
                use powerflow:syncpack/types@1.0.0.{json, invocation, outcome, error};
                export describe: func() -> json;
                export execute: func(step: string, invocation: invocation) -> result<outcome, error>;
            }
        ",
        world: "powerflow:ladder/guest",
        exports: { default: async },
    });
}

use contract::powerflow::syncpack::types::Invocation;

pub(crate) fn rung(bench: &mut Bench) -> anyhow::Result<()> {
    let file = Bytes::from(std::fs::read(BENCH.build()?)?);
    let (mut ours, mut bare, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.rounds() {
        let (rate, cost) = with_runtime(&file, (STEP, PARAMETERS, "{}"), bench.time())?;
        cpu.push(cost);
        ours.push(rate);
        bare.push(alone(&file, bench.time())?);
    }
    let rate = median(ours);
    bench.costs.insert("wasm_call", rate);
    bench.costs.insert("wasm_cpu_ms", median(cpu));
    bench.add(
        "wasm_call",
        rate,
        "calls/s",
        Better::More,
        Some(("wasmtime alone, same component", median(bare))),
    );
    Ok(())
}

/// What conditions and transforms cost, beside a step that does nothing.
pub(crate) fn operators(bench: &mut Bench) -> anyhow::Result<()> {
    let file = Bytes::from_static(builtin::FLOW_CONTROL.file);
    let condition = r#"{"branches":[{"label":"a","when":{"and":[{"equal":["x","y"]},{"above":[3,2]}]}},{"label":"b","when":{"not":{"below":[3,2]}}}],"output":"auto","connected":[]}"#;
    let transform = r#"{"template":{"text":"{\"id\": {{ input.id }}, \"name\": {{ input.name | upper | tojson }}}"},"output":"auto","connected":["first"]}"#;
    let data = r#"{"first":{"id":1,"name":"disk full","text":"some more"}}"#;
    let calls = bench.cost("wasm_call", rung)?;
    for (name, step, parameters) in [
        ("wasm_condition", "Condition", condition),
        ("wasm_transform", "Transform", transform),
    ] {
        let mut rates = Vec::new();
        for _ in 0..bench.rounds() {
            rates.push(with_runtime(&file, (step, parameters, data), bench.time())?.0);
        }
        let limit = Some(("wasm_call", calls));
        bench.add(name, median(rates), "calls/s", Better::More, limit);
    }
    Ok(())
}

fn threads() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()?)
}

/// Joins loops that count, and makes a rate of them.
async fn rate(
    loops: Vec<tokio::task::JoinHandle<anyhow::Result<u64>>>,
    started: Instant,
) -> anyhow::Result<(f64, f64)> {
    let mut count = 0;
    for counting in loops {
        count += counting.await??;
    }
    Ok((count as f64, count as f64 / started.elapsed().as_secs_f64()))
}

struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp(1_800_000_000_000_000)
    }
}

/// Steps that do nothing cache nothing.
struct NoCache;

#[async_trait]
impl CachePort for NoCache {
    async fn get(&self, _: TenantId, _: &str) -> Result<Option<String>, CacheError> {
        Ok(None)
    }

    async fn put(&self, _: TenantId, _: &str, _: String, _: Option<u64>) -> Result<(), CacheError> {
        Ok(())
    }

    async fn delete(&self, _: TenantId, _: &str) -> Result<bool, CacheError> {
        Ok(false)
    }
}

/// Calls per second, and the CPU-milliseconds of one.
fn with_runtime(
    file: &Bytes,
    (step, parameters, data): (&str, &str, &str),
    time: Duration,
) -> anyhow::Result<(f64, f64)> {
    let folder = tempfile::tempdir()?;
    threads()?.block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(Standing);
        let ports = Ports {
            clock: clock.clone(),
            connector: Connector::default(),
            cache: Arc::new(NoCache),
            tracer: Tracer::off(),
        };
        let runtime = Runtime::new(Settings::new(folder.path(), [7; 32]), ports)?;
        runtime.install("bench", file.clone()).await?;
        let program = runtime
            .load("bench")?
            .context("the component was not installed")?;
        let call = Call {
            step: step.into(),
            pack: BENCH.name.into(),
            parameters: parameters.to_owned(),
            data: data.to_owned(),
            context: CONTEXT.to_owned(),
            tenant: TenantId::DEFAULT,
            log: Arc::new(LogBuffer::new(clock, Level::Warning, LogLimits::default())),
            http: None,
            cache: false,
            masker: model::mask::Masker::none(),
            secrets: SecretHandles::default(),
            limits: Arc::new(Limits::default()),
            trace: None,
            // As the service does it for the SyncPacks that are part of it.
            reuse: step != STEP,
            deadline: Duration::from_mins(1),
            cancel: CancellationToken::new(),
        };
        let before = pace::own_cpu_ms()?;
        let started = Instant::now();
        let counting = || {
            let (runtime, program, call) = (runtime.clone(), program.clone(), call.clone());
            tokio::spawn(async move {
                let mut count = 0;
                while started.elapsed() < time {
                    let done = runtime.execute(&program, call.clone()).await;
                    done.result
                        .map_err(|failure| anyhow!("{}", failure.message))?;
                    count += 1;
                    // A worker gives way to others between steps.
                    tokio::task::yield_now().await;
                }
                Ok(count)
            })
        };
        let (count, rate) = rate((0..THREADS).map(|_| counting()).collect(), started).await?;
        Ok((rate, (pace::own_cpu_ms()? - before) / count))
    })
}

struct State {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

/// The same with wasmtime's own WASI and nothing of ours: no limits, no deadlines, no checks.
fn alone(file: &Bytes, time: Duration) -> anyhow::Result<f64> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(64)
        .total_core_instances(256)
        .total_memories(64)
        .total_tables(256)
        .total_stacks(64)
        .linear_memory_keep_resident(64 << 10)
        .table_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    let engine = Engine::new(&config).map_err(|error| anyhow!("{error:#}"))?;
    let pre = prepare(&engine, file).map_err(|error| anyhow!("{error:#}"))?;
    let pre = Arc::new(pre);
    threads()?.block_on(async {
        let started = Instant::now();
        let counting = || {
            let (engine, pre) = (engine.clone(), pre.clone());
            tokio::spawn(async move {
                let mut count = 0;
                while started.elapsed() < time {
                    let state = State {
                        wasi: WasiCtx::builder().build(),
                        table: ResourceTable::new(),
                    };
                    let mut store = Store::new(&engine, state);
                    call(&pre, &mut store)
                        .await
                        .map_err(|error| anyhow!("{error:#}"))?;
                    count += 1;
                    tokio::task::yield_now().await;
                }
                Ok(count)
            })
        };
        Ok(rate((0..THREADS).map(|_| counting()).collect(), started)
            .await?
            .1)
    })
}

fn prepare(engine: &Engine, file: &Bytes) -> wasmtime::Result<contract::GuestPre<State>> {
    let component = Component::from_binary(engine, file)?;
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    // All that a step which does nothing imports beside WASI: an interface without functions.
    linker.instance("powerflow:syncpack/types@1.0.0")?;
    contract::GuestPre::new(linker.instantiate_pre(&component)?)
}

async fn call(pre: &contract::GuestPre<State>, store: &mut Store<State>) -> wasmtime::Result<()> {
    let guest = pre.instantiate_async(&mut *store).await?;
    let invocation = Invocation {
        parameters: PARAMETERS.to_owned(),
        data: "{}".to_owned(),
        context: CONTEXT.to_owned(),
    };
    let outcome = guest.call_execute(&mut *store, STEP, &invocation).await?;
    outcome
        .map(drop)
        .map_err(|error| wasmtime::Error::msg(error.message))
}
