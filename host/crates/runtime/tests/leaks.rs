//! What abuse leaves behind: nothing. A test program of its own, since it looks at the whole process.
#![expect(clippy::unwrap_used, reason = "tests")]

mod harness;

use std::time::Duration;

use harness::{call, hostile};
use runtime::Limits;

#[tokio::test(flavor = "multi_thread")]
async fn abuse_leaves_no_memory_behind() {
    let (runtime, program) = hostile().await;
    let round = async || {
        for step in [
            "memory",
            "deep",
            "panic",
            "stdout-flood",
            "host-calls",
            "loop",
        ] {
            let mut call = call(step);
            call.deadline = Duration::from_millis(100);
            call.limits = Limits {
                memory_bytes: 64 << 20,
                host_calls: 10_000,
                ..Limits::default()
            }
            .into();
            runtime.execute(&program, call).await;
        }
        runtime.stats().idle_memory_bytes
    };
    round().await;
    let before = resident();
    for _ in 0..20 {
        assert!(round().await < 16 << 20);
    }
    let stats = runtime.stats();
    assert_eq!((stats.instances, stats.memories, stats.stacks), (0, 0, 0));
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more");
}

/// Resident memory of this process in bytes. Nothing else runs in it.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
