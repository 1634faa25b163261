//! The machine that was measured.

use std::fs;
use std::process::Command;
use std::thread;

use serde_json::{Value, json};

/// Cores, processor, memory, kernel and day.
pub(crate) fn describe() -> Value {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_default();
        line.split_once(':')
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    };
    let said = |program: &str, argument: &str| {
        let output = Command::new(program).args(["-u", argument]).output();
        output
            .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
            .unwrap_or_default()
    };
    json!({
        "cores": thread::available_parallelism().map_or(0, std::num::NonZero::get),
        "processor": field("/proc/cpuinfo", "model name"),
        "memory": field("/proc/meminfo", "MemTotal"),
        "kernel": fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
        "load_before": fs::read_to_string("/proc/loadavg").unwrap_or_default().trim(),
        "date": said("date", "+%Y-%m-%d"),
    })
}
