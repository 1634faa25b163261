//! Instances that are used again: the guest's memory stays, and nothing else does.
#![expect(clippy::unwrap_used, reason = "tests")]

mod harness;

use std::sync::Arc;
use std::time::Duration;

use harness::{call, data, failure, hostile, log};
use model::id::TenantId;
use runtime::{Call, Limits, Program, Runtime, code};
use tokio_util::sync::CancellationToken;

fn reusing(step: &str) -> Call {
    Call {
        reuse: true,
        ..call(step)
    }
}

/// How many executions the instance has had that executes this one.
async fn count(runtime: &Runtime, program: &Program, call: Call) -> u32 {
    let execution = runtime.execute(program, call).await;
    data(&execution).parse().unwrap()
}

async fn next(runtime: &Runtime, program: &Program) -> u32 {
    count(runtime, program, reusing("remember")).await
}

#[tokio::test]
async fn only_calls_that_allow_it_share_an_instance() {
    let (runtime, program) = hostile().await;
    for expected in 1..=3 {
        assert_eq!(next(&runtime, &program).await, expected);
        // One of another call is as fresh as ever, and leaves nothing.
        assert_eq!(count(&runtime, &program, call("remember")).await, 1);
    }
    let other = Call {
        tenant: TenantId(2),
        ..reusing("remember")
    };
    assert_eq!(count(&runtime, &program, other).await, 1);
    assert_eq!(next(&runtime, &program).await, 4);
    assert_eq!(runtime.stats().kept, 2);
}

#[tokio::test]
async fn a_program_that_is_forgotten_leaves_no_instance() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = harness::runtime(folder.path());
    for _ in 0..2 {
        runtime
            .install("own", harness::HOSTILE.clone())
            .await
            .unwrap();
        let program = runtime.load("own").unwrap().unwrap();
        assert_eq!(next(&runtime, &program).await, 1);
        assert_eq!(next(&runtime, &program).await, 2);
        runtime.forget("own");
        assert_eq!(runtime.stats().kept, 0);
        assert_eq!(runtime.stats().instances, 0);
    }
}

#[tokio::test]
async fn what_did_not_return_is_not_used_again() {
    let (runtime, program) = hostile().await;
    for step in [
        "panic",
        "exit",
        "stack",
        "loop",
        "outside",
        "bytes",
        "resources",
    ] {
        assert_eq!(next(&runtime, &program).await, 1, "before {step}");
        assert_eq!(next(&runtime, &program).await, 2);
        let call = Call {
            deadline: Duration::from_millis(300),
            ..reusing(step)
        };
        let ended = runtime.execute(&program, call).await;
        assert!(!failure(&ended).by_guest, "{step}");
        assert_eq!(runtime.stats().instances, 0, "{step}");
    }
    // Cancelled from outside, or dropped with the future.
    assert_eq!(next(&runtime, &program).await, 1);
    let cancel = CancellationToken::new();
    let call = Call {
        cancel: cancel.clone(),
        ..reusing("sleep")
    };
    let (ended, ()) = tokio::join!(runtime.execute(&program, call), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        cancel.cancel();
    });
    assert_eq!(failure(&ended).code, code::CANCELLED);
    assert_eq!(next(&runtime, &program).await, 1);
    let dropped = runtime.execute(&program, reusing("sleep"));
    assert!(
        tokio::time::timeout(Duration::from_millis(50), dropped)
            .await
            .is_err()
    );
    assert_eq!(next(&runtime, &program).await, 1);
    // A failure that the guest tells is no such end.
    let told = runtime.execute(&program, reusing("fail")).await;
    assert!(failure(&told).by_guest);
    assert_eq!(next(&runtime, &program).await, 2);
}

#[tokio::test]
async fn who_keeps_a_handle_is_not_used_again() {
    let (runtime, program) = hostile().await;
    for _ in 0..3 {
        let execution = runtime.execute(&program, reusing("keep-handle")).await;
        assert_eq!(data(&execution), "false");
        assert_eq!(runtime.stats().kept, 0);
    }
}

#[tokio::test]
async fn memory_is_counted_on_and_bounded() {
    let (runtime, program) = hostile().await;
    let grow = |bytes: usize| Call {
        parameters: bytes.to_string(),
        ..reusing("grow")
    };
    let first = runtime.execute(&program, grow(2 << 20)).await;
    let second = runtime.execute(&program, grow(2 << 20)).await;
    assert_eq!((data(&first), data(&second)), ("1", "2"));
    // What the first has left is the second's as well.
    assert!(second.usage.peak_memory >= first.usage.peak_memory + (2 << 20) - (128 << 10));
    let small = Call {
        limits: Arc::new(Limits {
            memory_bytes: 3 << 20,
            ..Limits::default()
        }),
        ..reusing("remember")
    };
    assert_eq!(count(&runtime, &program, small).await, 1);
    // Too much to be kept.
    let large = runtime.execute(&program, grow(10 << 20)).await;
    assert_eq!(data(&large), "2");
    assert_eq!(runtime.stats().kept, 0);
    assert_eq!(next(&runtime, &program).await, 1);
}

#[tokio::test]
async fn what_belongs_to_an_execution_is_its_own() {
    let (runtime, program) = hostile().await;
    let granted = Call {
        cache: true,
        ..reusing("cached")
    };
    let first = runtime.execute(&program, granted).await;
    assert_eq!(data(&first), "[[1, 2], true, true]");
    let without = runtime.execute(&program, reusing("cached")).await;
    assert_eq!(failure(&without).code, "cache");
    assert_eq!(runtime.stats().kept, 1);
    // Calls into the host and lines of the log are counted for each, and go where they belong.
    let (one, other) = (log(), log());
    for log in [&one, &other] {
        let call = Call {
            log: log.clone(),
            limits: Arc::new(Limits {
                host_calls: 250_000,
                ..Limits::default()
            }),
            ..reusing("log-flood")
        };
        let execution = runtime.execute(&program, call).await;
        assert_eq!(execution.usage.host_calls, 200_000);
    }
    let (one, other) = (one.take(), other.take());
    assert_eq!(one.len(), other.len());
    assert!(!one.is_empty());
    assert_eq!(next(&runtime, &program).await, 1);
    assert_eq!(runtime.stats().instances, 1);
}

#[tokio::test]
async fn an_instance_gives_way_to_who_needs_its_slot() {
    let (runtime, program) = hostile().await;
    let slots = harness::pool().slots as usize;
    assert_eq!(next(&runtime, &program).await, 1);
    assert_eq!(runtime.stats().kept, 1);
    let sleeping: Vec<_> = (0..slots)
        .map(|_| {
            let (runtime, program) = (runtime.clone(), program.clone());
            tokio::spawn(async move {
                let call = Call {
                    deadline: Duration::from_secs(3),
                    ..call("sleep")
                };
                runtime.execute(&program, call).await
            })
        })
        .collect();
    let started = std::time::Instant::now();
    while runtime.stats().instances < slots as u64 || runtime.stats().kept > 0 {
        assert!(
            started.elapsed() < Duration::from_secs(2),
            "it keeps its slot"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for one in sleeping {
        assert_eq!(failure(&one.await.unwrap()).code, code::TIMEOUT);
    }
}

#[tokio::test]
async fn an_instance_is_used_so_often_and_no_more() {
    let (runtime, program) = hostile().await;
    let mut last = 0;
    for _ in 0..5_000 {
        let now = next(&runtime, &program).await;
        if now == 1 && last > 0 {
            break;
        }
        assert_eq!(now, last + 1);
        last = now;
    }
    assert_eq!(last, 4_096);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn few_are_kept_of_many() {
    let (runtime, program) = hostile().await;
    let all: Vec<_> = (0..200)
        .map(|number| {
            let (runtime, program) = (runtime.clone(), program.clone());
            tokio::spawn(async move {
                let call = Call {
                    tenant: TenantId(number % 40),
                    ..reusing("remember")
                };
                runtime.execute(&program, call).await
            })
        })
        .collect();
    for one in all {
        data(&one.await.unwrap());
    }
    let kept = runtime.stats().kept;
    assert!((1..=8).contains(&kept), "{kept} are kept");
    assert_eq!(runtime.stats().instances, kept as u64);
}

/// Executions that hold all slots of the pool but one until they are aborted.
async fn sleepers(runtime: &Runtime, program: &Arc<Program>) -> Vec<tokio::task::JoinHandle<()>> {
    let most = harness::pool().slots as usize - 1;
    let all = (0..most)
        .map(|_| {
            let (runtime, program) = (runtime.clone(), program.clone());
            tokio::spawn(async move {
                runtime.execute(&program, call("sleep")).await;
            })
        })
        .collect();
    while runtime.stats().instances < most as u64 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    all
}

#[tokio::test]
async fn an_instance_that_returns_is_not_kept_from_who_waits() {
    let (runtime, program) = hostile().await;
    let sleepers = sleepers(&runtime, &program).await;
    let last = Call {
        parameters: "200000000".into(),
        ..reusing("compute")
    };
    let waiting = Call {
        deadline: Duration::from_secs(8),
        ..call("noop")
    };
    // The last slot is taken when the second asks, and what takes it could be kept.
    let (last, waited) = tokio::join!(runtime.execute(&program, last), async {
        while runtime.stats().instances < u64::from(harness::pool().slots) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        runtime.execute(&program, waiting).await
    });
    data(&last);
    data(&waited);
    for one in sleepers {
        one.abort();
    }
}

#[tokio::test]
async fn one_task_watches_over_what_is_kept() {
    let (runtime, program) = hostile().await;
    let sleepers = sleepers(&runtime, &program).await;
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    for _ in 0..20 {
        assert_eq!(next(&runtime, &program).await, 1);
        assert_eq!(runtime.stats().kept, 1);
        // It needs the slot of the one that is kept.
        data(&runtime.execute(&program, call("noop")).await);
        assert_eq!(runtime.stats().kept, 0);
    }
    assert_eq!(tasks() - before, 1);
    for one in sleepers {
        one.abort();
    }
}
