//! A SyncPack whose steps abuse the host, each in one way. The host's tests execute them and check
//! that each ends within its limit. It uses the WIT contract directly: what an attacker would do.
#![expect(
    clippy::too_many_arguments,
    clippy::disallowed_methods,
    reason = "generated bindings; and it looks for what it must not find"
)]

mod network;

wit_bindgen::generate!({ path: "../../../wit", world: "powerflow:syncpack/syncpack", generate_all });

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use powerflow::syncpack::types::{ErrorKind, Output};
use powerflow::syncpack::{cache, log};

/// Every step: all are alike for an application, which can name any of them.
const STEPS: [&str; 33] = [
    "noop",
    "warn",
    "children",
    "fail",
    "compute",
    "cached",
    "loop",
    "memory",
    "stack",
    "panic",
    "exit",
    "gigabyte",
    "deep",
    "no-json",
    "bytes",
    "outside",
    "long-error",
    "log-flood",
    "stdout-flood",
    "host-calls",
    "clock-calls",
    "resources",
    "sleep",
    "random-gigabyte",
    "ambient",
    "fetch",
    "fetch-forever",
    "open-many",
    "hoard",
    "sockets",
    "remember",
    "keep-handle",
    "grow",
];

struct Hostile;

export!(Hostile);

impl Guest for Hostile {
    fn describe() -> Json {
        let steps: Vec<String> = STEPS
            .iter()
            .map(|name| format!(r#"{{"name": "{name}"}}"#))
            .collect();
        format!(
            r#"{{"steps": [{}], "sdk": {{"name": "none", "version": "0"}}}}"#,
            steps.join(", ")
        )
    }

    fn execute(step: String, invocation: Invocation) -> Result<Outcome, Error> {
        match step.as_str() {
            // Harmless ones, to compare with.
            "noop" => output(invocation.data),
            "warn" => Ok(Outcome::Output(Output {
                data: "1".into(),
                attributes: Some(r#"{"warning": "careful"}"#.into()),
            })),
            "children" => Ok(Outcome::StartChildren(invocation.parameters)),
            "fail" => Err(error("teapot", "short and stout".into())),
            "compute" => compute(&invocation.parameters),
            "cached" => cached(),
            // Computing and memory.
            "loop" => spin(),
            "memory" => fill_memory(),
            "stack" => output(recurse(0).to_string()),
            "panic" => panic!("on purpose"),
            "exit" => std::process::exit(3),
            // Output.
            "gigabyte" => output(format!("\"{}\"", "x".repeat(200 << 20))),
            "deep" => output(format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))),
            "no-json" => output("{\"a\":".into()),
            "bytes" => output(random_text()),
            "outside" => output(outside()),
            "long-error" => Err(error(&"c".repeat(1 << 20), "m".repeat(1 << 20))),
            // The host's interfaces.
            "log-flood" => flood_log(),
            "stdout-flood" => flood_stdout(),
            "host-calls" => flood_host(),
            "clock-calls" => flood_clock(),
            "resources" => leak_resources(),
            "sleep" => sleep(),
            "random-gigabyte" => output(
                wasi::random::random::get_random_bytes(1 << 30)
                    .len()
                    .to_string(),
            ),
            "ambient" => ambient(),
            // The network.
            "fetch" => network::fetch(&invocation.parameters),
            "fetch-forever" => network::fetch_forever(&invocation.parameters),
            "open-many" => network::open_many(&invocation.parameters),
            "hoard" => network::hoard(&invocation.parameters),
            "sockets" => network::sockets(),

            "remember" => remember(),
            "keep-handle" => keep_handle(),
            "grow" => grow(&invocation.parameters),
            _ => Err(error("not-found", format!("no step {step}"))),
        }
    }
}

pub(crate) fn output(data: String) -> Result<Outcome, Error> {
    Ok(Outcome::Output(Output {
        data,
        attributes: None,
    }))
}

pub(crate) fn error(code: &str, message: String) -> Error {
    Error {
        kind: ErrorKind::Permanent,
        code: code.into(),
        message,
        detail: Some(r#"{"by": "hostile"}"#.into()),
    }
}

/// How many executions this instance has begun with this step.
fn remember() -> Result<Outcome, Error> {
    static BEGUN: AtomicU32 = AtomicU32::new(0);
    output((BEGUN.fetch_add(1, Ordering::Relaxed) + 1).to_string())
}

/// Keeps a handle for the next execution, and uses that of the last.
fn keep_handle() -> Result<Outcome, Error> {
    static KEPT: Mutex<Option<wasi::io::poll::Pollable>> = Mutex::new(None);
    let Ok(mut kept) = KEPT.lock() else {
        return Err(error("kept", "the lock is poisoned".into()));
    };
    let had = kept.as_ref().map(wasi::io::poll::Pollable::ready);
    *kept = Some(wasi::clocks::monotonic_clock::subscribe_duration(1 << 60));
    output(format!("{}", had.is_some()))
}

/// Keeps so many bytes.
fn grow(bytes: &str) -> Result<Outcome, Error> {
    let bytes = bytes.trim().parse().unwrap_or_default();
    std::mem::forget(std::hint::black_box(vec![1_u8; bytes]));
    remember()
}

/// Adds as many numbers as the parameters say.
fn compute(count: &str) -> Result<Outcome, Error> {
    let count: u64 = count
        .trim()
        .parse()
        .map_err(|_| error("parameter", "not a number".into()))?;
    let sum = (0..count).fold(0_u64, |sum, number| {
        std::hint::black_box(sum.wrapping_add(number))
    });
    output(sum.to_string())
}

fn cached() -> Result<Outcome, Error> {
    let wrong = |refused: cache::Error| error("cache", format!("{refused:?}"));
    cache::put("key", "[1, 2]", Some(60)).map_err(wrong)?;
    let long = "k".repeat(10_000);
    let refused = cache::put(&long, "1", None).is_err();
    let got = cache::get("key").map_err(wrong)?;
    let deleted = cache::delete("key").map_err(wrong)?;
    output(format!(
        "[{}, {deleted}, {refused}]",
        got.unwrap_or("null".into())
    ))
}

fn spin() -> ! {
    let mut number = 0_u64;
    loop {
        number = std::hint::black_box(number.wrapping_add(1));
    }
}

fn fill_memory() -> Result<Outcome, Error> {
    let mut parts = Vec::new();
    loop {
        parts.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

#[expect(unconditional_recursion, reason = "it is the point")]
fn recurse(depth: u64) -> u64 {
    std::hint::black_box(recurse(std::hint::black_box(depth + 1))) + 1
}

/// Bytes that are no UTF-8.
fn random_text() -> String {
    let mut bytes = wasi::random::random::get_random_bytes(1000);
    bytes[0] = 0xff;
    // SAFETY: none; the text never becomes one that Rust reads, it goes straight to the host.
    unsafe { String::from_utf8_unchecked(bytes) }
}

/// A text that lies outside of the memory.
fn outside() -> String {
    // SAFETY: none, see above.
    unsafe { String::from_raw_parts(0xffff_0000 as *mut u8, 0x1_0000_usize, 0x1_0000) }
}

fn flood_log() -> Result<Outcome, Error> {
    for number in 0..200_000 {
        log::log(log::Level::Info, &format!("line {number}"));
    }
    output("1".into())
}

fn flood_stdout() -> Result<Outcome, Error> {
    for number in 0..200_000 {
        println!("line {number}");
    }
    eprintln!("the end");
    output("1".into())
}

fn flood_host() -> ! {
    loop {
        log::log(log::Level::Debug, "");
    }
}

fn flood_clock() -> ! {
    loop {
        std::hint::black_box(wasi::clocks::monotonic_clock::now());
    }
}

fn leak_resources() -> ! {
    loop {
        std::mem::forget(wasi::clocks::monotonic_clock::subscribe_duration(1 << 60));
    }
}

fn sleep() -> Result<Outcome, Error> {
    wasi::clocks::monotonic_clock::subscribe_duration(10 * 3600 * 1_000_000_000).block();
    output("1".into())
}

/// What the surroundings of the process offer.
fn ambient() -> Result<Outcome, Error> {
    use std::io::Read as _;
    let mut input = String::new();
    let read = std::io::stdin().read_to_string(&mut input);
    let files =
        ["/", ".", "/etc/passwd", "/proc/self/environ"].map(|path| std::fs::metadata(path).is_ok());
    output(format!(
        r#"{{"arguments": {}, "environment": {}, "input": {}, "files": {}}}"#,
        std::env::args().count(),
        std::env::vars().count(),
        read.unwrap_or(0),
        files.contains(&true),
    ))
}
