//! The ladder: what each layer makes in a second, with the limit that bounds it measured beside it.
//!
//! Run it with `cargo xtask bench`, which builds everything for release first. Each figure is the
//! median of three. Machines are noisy: the ratio of a figure to its limit is what counts.

mod cluster;
mod figure;
mod flow;
mod grown;
mod load;
mod machine;
mod pace;
mod queue;
mod schedules;
mod service;
mod store;
mod sync;
mod wasm;

use std::process::ExitCode;

use anyhow::bail;
use clap::{Parser, ValueEnum};
use serde_json::json;

use crate::figure::{Bench, Figure};

/// Measures some rungs.
type Measure = fn(&mut Bench) -> anyhow::Result<()>;

/// All rungs in the order in which they are measured and printed, and what measures them.
const RUNGS: [(&[&str], Measure); 15] = [
    (&["wasm_call"], wasm::rung),
    (&["wasm_condition", "wasm_transform"], wasm::operators),
    (
        &["store_commit_single", "store_commit_coalesced"],
        store::rungs,
    ),
    (&["queue_roundtrip"], queue::rung),
    (&["w1", "w1_cpu_ms"], service::w1),
    (
        &["w1_operators", "w1_operators_cpu_ms"],
        service::w1_operators,
    ),
    (
        &["w2_0ms", "w2_cpu_ms", "store_bytes_per_event"],
        sync::at_once,
    ),
    (&["w2_50ms"], sync::with_latency),
    (&["idle_p50", "idle_p99"], service::idle),
    (
        &["beside_abuse_p50", "beside_abuse_p99"],
        service::beside_abuse,
    ),
    (
        &["rss_idle", "rss_queued_10k", "rss_queued_100k"],
        service::memory,
    ),
    (&["schedules_5k"], schedules::embedded),
    (
        &["fan_out_1k", "chain_500", "children_1k"],
        flow::wide_and_long,
    ),
    (&["parents_10k"], flow::parents),
    (&["w1_grown", "apps_page_p99", "timeline_p99"], grown::rungs),
];

/// The same for a cluster on PostgreSQL and Redis.
const CLUSTER_RUNGS: [(&[&str], Measure); 7] = [
    (
        &[
            "postgres_commit_single",
            "postgres_commit_32",
            "redis_roundtrip",
        ],
        cluster::raw,
    ),
    (&["w1", "w1_cpu_ms"], cluster::w1),
    (&["w2_0ms", "w2_cpu_ms"], cluster::at_once),
    (&["w2_50ms"], cluster::with_latency),
    (
        &["idle_p50", "idle_p99", "two_workers"],
        cluster::idle_and_two,
    ),
    (&["redis_bytes_per_event"], cluster::queued),
    (&["schedules_5k"], cluster::schedules),
];

/// The ladder of benchmarks
#[derive(Debug, Parser)]
struct Arguments {
    /// Only these rungs, separated by commas
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// One process on SQLite, or several on PostgreSQL and Redis
    #[arg(long, default_value = "embedded")]
    backend: Backend,
    /// Each figure once and with less work: no figures to publish
    #[arg(long)]
    quick: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// What `cargo bench` passes
    #[arg(long, hide = true)]
    bench: bool,
}

/// What is measured.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Backend {
    Embedded,
    Cluster,
}

impl Backend {
    fn rungs(self) -> &'static [(&'static [&'static str], Measure)] {
        match self {
            Self::Embedded => &RUNGS,
            Self::Cluster => &CLUSTER_RUNGS,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Cluster => "cluster",
        }
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ladder: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let rungs = arguments.backend.rungs();
    let known: Vec<&str> = rungs
        .iter()
        .flat_map(|(names, _)| names.iter().copied())
        .collect();
    if let Some(name) = arguments
        .only
        .iter()
        .find(|name| !known.contains(&name.as_str()))
    {
        bail!("there is no rung `{name}`; there are {}", known.join(", "));
    }
    let wanted =
        |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == name);
    let mut bench = Bench::new(arguments.quick);
    for (names, measure) in rungs {
        if names.iter().any(|name| wanted(name)) {
            eprintln!("measuring {} …", names.join(", "));
            measure(&mut bench)?;
        }
    }
    let figures: Vec<&Figure> = known
        .iter()
        .filter(|name| wanted(name))
        .filter_map(|name| bench.figures.iter().find(|figure| figure.name == *name))
        .collect();
    let machine = machine::describe();
    if arguments.json {
        let rungs: Vec<_> = figures
            .iter()
            .map(|figure| figure.json(arguments.backend.word()))
            .collect();
        let document = json!({"rungs": rungs, "machine": machine, "quick": arguments.quick, "notes": bench.notes});
        println!("{}", serde_json::to_string_pretty(&document)?);
        return Ok(());
    }
    println!("{machine}");
    println!("{}", figure::table(&figures));
    for note in &bench.notes {
        println!("- {note}");
    }
    if arguments.quick {
        println!("Measured once and with less work (--quick): no figures to publish.");
    }
    Ok(())
}
