//! Steps that abuse the host, each in one way: each ends in its own failure, within its limit, and
//! leaves nothing behind.
#![expect(clippy::unwrap_used, reason = "tests")]

mod harness;

use std::sync::Arc;
use std::time::{Duration, Instant};

use connectors::http::Grant;
use harness::{Server, access, call, component, data, failure, hostile};
use runtime::{Call, Execution, Kind, Limits, Outcome, Runtime, SecretHandles, code};

async fn run(step: &str, change: impl FnOnce(&mut Call)) -> Execution {
    let (runtime, program) = hostile().await;
    let mut call = call(step);
    change(&mut call);
    let execution = runtime.execute(&program, call).await;
    assert_free(&runtime);
    execution
}

/// Runs a component in the text format.
async fn run_text(fields: &str, body: &str, change: impl FnOnce(&mut Call)) -> Execution {
    let folder = tempfile::tempdir().unwrap();
    let runtime = harness::runtime(folder.path());
    runtime
        .install("text", component(fields, body))
        .await
        .unwrap();
    let program = runtime.load("text").unwrap().unwrap();
    let mut call = call("");
    change(&mut call);
    let execution = runtime.execute(&program, call).await;
    assert_free(&runtime);
    execution
}

fn assert_free(runtime: &Runtime) {
    let stats = runtime.stats();
    assert_eq!(
        (stats.instances, stats.memories, stats.stacks),
        (0, 0, 0),
        "slots remain in use"
    );
}

fn limits(change: impl FnOnce(&mut Limits)) -> Arc<Limits> {
    let mut limits = Limits::default();
    change(&mut limits);
    Arc::new(limits)
}

fn assert_ends(execution: &Execution, code: &str, kind: Kind) {
    let failure = failure(execution);
    assert_eq!(
        (failure.code.as_str(), failure.kind, failure.by_guest),
        (code, kind, false),
        "{}",
        failure.message
    );
}

fn text(call: &Call) -> String {
    call.log
        .take()
        .into_iter()
        .map(|line| line.message)
        .collect::<Vec<_>>()
        .join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn harmless_steps_end_as_they_say() {
    assert_eq!(data(&run("noop", |_| ()).await), r#"{"before": {"n": 1}}"#);
    let execution = run("warn", |_| ()).await;
    assert!(
        matches!(execution.result, Ok(Outcome::Output { warning: Some(text), .. }) if text == "careful")
    );
    let execution = run("children", |call| {
        call.parameters = r#"{"children": []}"#.into();
    })
    .await;
    assert_eq!(
        execution.result.unwrap(),
        Outcome::StartChildren(r#"{"children": []}"#.into())
    );
    let execution = run("fail", |_| ()).await;
    let failure = failure(&execution);
    assert_eq!(
        (
            failure.code.as_str(),
            failure.message.as_str(),
            failure.by_guest
        ),
        ("teapot", "short and stout", true)
    );
    assert_eq!(failure.detail.as_deref(), Some(r#"{"by": "hostile"}"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_loop_ends_at_its_deadline() {
    let execution = run("loop", |call| call.deadline = Duration::from_millis(300)).await;
    assert_ends(&execution, code::TIMEOUT, Kind::Retryable);
    assert!(execution.usage.wall >= Duration::from_millis(300));
    let execution = run_text("", "(loop (br 0))", |call| {
        call.deadline = Duration::from_millis(100);
    })
    .await;
    assert_ends(&execution, code::TIMEOUT, Kind::Retryable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_of_hours_ends_at_its_deadline() {
    let execution = run("sleep", |call| call.deadline = Duration::from_millis(200)).await;
    assert_ends(&execution, code::TIMEOUT, Kind::Retryable);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_ends_a_loop_and_a_wait() {
    let (runtime, program) = hostile().await;
    for step in ["loop", "sleep", "clock-calls"] {
        let mut call = call(step);
        call.limits = limits(|limits| limits.host_calls = u64::MAX);
        let cancel = call.cancel.clone();
        let (mine, program) = (runtime.clone(), program.clone());
        let execution = tokio::spawn(async move { mine.execute(&program, call).await });
        tokio::time::sleep(Duration::from_millis(200)).await;
        let start = Instant::now();
        cancel.cancel();
        let execution = execution.await.unwrap();
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "{step}: {:?}",
            start.elapsed()
        );
        assert_ends(&execution, code::CANCELLED, Kind::Permanent);
        assert_free(&runtime);
    }
    let mut late = call("noop");
    late.cancel.cancel();
    late.deadline = Duration::ZERO;
    assert_ends(
        &runtime.execute(&program, late).await,
        code::CANCELLED,
        Kind::Permanent,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_future_ends_the_execution() {
    let (runtime, program) = hostile().await;
    for step in ["loop", "sleep"] {
        let execution = runtime.execute(&program, call(step));
        assert!(
            tokio::time::timeout(Duration::from_millis(100), execution)
                .await
                .is_err()
        );
        assert_free(&runtime);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_and_tables_are_limited() {
    let execution = run("memory", |call| {
        call.limits = limits(|limits| limits.memory_bytes = 20 << 20);
    })
    .await;
    assert_ends(&execution, code::OUT_OF_MEMORY, Kind::Permanent);
    assert!(
        (10 << 20..=20 << 20).contains(&execution.usage.peak_memory),
        "{}",
        execution.usage.peak_memory
    );
    let grow = "(loop (drop (table.grow $t (ref.null func) (i32.const 1000))) (br 0))";
    let execution = run_text("(table $t 1 funcref)", grow, |call| {
        call.limits = limits(|limits| limits.table_elements = 50_000);
    });
    assert_ends(&execution.await, code::TABLE_LIMIT, Kind::Permanent);
    let execution = run_text("(table 15000 funcref)", "", |call| {
        call.limits = limits(|limits| limits.table_elements = 10_000);
    });
    assert_ends(&execution.await, code::TABLE_LIMIT, Kind::Permanent);
}

#[tokio::test(flavor = "multi_thread")]
async fn traps_are_failures() {
    let recurse = "(call $execute (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)) drop";
    assert_ends(
        &run_text("", recurse, |_| ()).await,
        code::STACK_OVERFLOW,
        Kind::Permanent,
    );
    // Rust's own stack lies in memory and ends first.
    let execution = run("stack", |_| ()).await;
    assert!([code::TRAP, code::STACK_OVERFLOW].contains(&failure(&execution).code.as_str()));
    assert_ends(
        &run_text("(func $start unreachable) (start $start)", "", |_| ()).await,
        code::TRAP,
        Kind::Permanent,
    );
    assert_ends(&run("exit", |_| ()).await, code::EXIT, Kind::Permanent);

    let log = harness::log();
    let kept = log.clone();
    assert_ends(
        &run("panic", |call| call.log = kept).await,
        code::TRAP,
        Kind::Permanent,
    );
    let lines = log.take();
    assert!(
        lines.iter().any(|line| line.message.contains("on purpose")),
        "{lines:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_are_checked() {
    assert_ends(
        &run("gigabyte", |_| ()).await,
        code::OUT_OF_MEMORY,
        Kind::Permanent,
    );
    let roomy = |call: &mut Call| call.limits = limits(|limits| limits.memory_bytes = 1 << 30);
    assert_ends(
        &run("gigabyte", roomy).await,
        code::OUTPUT_TOO_LARGE,
        Kind::Permanent,
    );
    let small = |call: &mut Call| call.limits = limits(|limits| limits.output_bytes = 5);
    assert_ends(
        &run("noop", small).await,
        code::OUTPUT_TOO_LARGE,
        Kind::Permanent,
    );
    for step in ["deep", "no-json", "bytes", "outside"] {
        assert_ends(
            &run(step, |_| ()).await,
            code::INVALID_OUTPUT,
            Kind::Permanent,
        );
    }
    let execution = run("children", |call| call.parameters = "[]".into()).await;
    assert_ends(&execution, code::INVALID_OUTPUT, Kind::Permanent);
    let execution = run("long-error", |_| ()).await;
    assert!(failure(&execution).code.len() <= 64 && failure(&execution).message.len() <= 8 << 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_are_dammed() {
    for step in ["log-flood", "stdout-flood"] {
        let log = harness::log();
        let kept = log.clone();
        assert_eq!(data(&run(step, |call| call.log = kept).await), "1");
        let lines = log.take();
        assert_eq!(lines.len(), 10_001, "{step}");
        assert!(lines[10_000].message.contains("the rest is dropped"));
        assert!(log.dropped() >= 189_000, "{step}: {}", log.dropped());
    }
    for step in ["host-calls", "clock-calls"] {
        let execution = run(step, |call| {
            call.limits = limits(|limits| limits.host_calls = 10_000);
        })
        .await;
        assert_ends(&execution, code::HOST_CALL_LIMIT, Kind::Permanent);
    }
    let execution = run("resources", |call| {
        call.limits = limits(|limits| limits.resources = 100);
    })
    .await;
    assert_ends(&execution, code::RESOURCE_LIMIT, Kind::Permanent);
    assert!(
        execution
            .result
            .is_err_and(|failure| failure.message.contains("100 handles"))
    );
    let hoard = |count: &'static str| run("hoard", |call| call.parameters = count.into());
    let held: usize = data(&hoard("100").await).parse().unwrap();
    assert!((1..=100 * (64 << 10)).contains(&held), "{held}");
    assert_ends(
        &hoard("100000").await,
        code::RESOURCE_LIMIT,
        Kind::Permanent,
    );
    assert_ends(
        &run("random-gigabyte", |_| ()).await,
        code::TRAP,
        Kind::Permanent,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_machine_is_visible() {
    let execution = run("ambient", |_| ()).await;
    assert_eq!(
        data(&execution),
        r#"{"arguments": 0, "environment": 0, "input": 0, "files": false}"#
    );
    let execution = run("sockets", |_| ()).await;
    assert_eq!(
        data(&execution),
        "[false, false, false, false, false, false]"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cache_needs_a_grant() {
    assert_eq!(
        data(&run("cached", |call| call.cache = true).await),
        "[[1, 2], true, true]"
    );
    let log = harness::log();
    let kept = log.clone();
    let execution = run("cached", |call| call.log = kept).await;
    assert!(
        failure(&execution).message.starts_with("Error::Denied"),
        "{execution:?}"
    );
    assert!(
        log.take()[0]
            .message
            .contains("pfctl syncpack activate hostile --add --grant cache")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_leave_only_with_a_grant() {
    let server = Server::start();
    let (runtime, program) = hostile().await;
    let fetch = |to: String, granted: Vec<Grant>, declared: Vec<Grant>| {
        let mut call = call("fetch");
        call.parameters = to;
        call.http = access(granted, declared);
        call
    };
    let private = || server.grant().with_private_network(true);

    let granted = fetch(server.url("/"), vec![private()], vec![]);
    let execution = runtime.execute(&program, granted).await;
    assert!(
        data(&execution).starts_with(r#"{"status": 200"#),
        "{execution:?}"
    );
    assert_eq!((execution.usage.requests, execution.usage.denied), (1, 0));
    assert!(execution.usage.bytes_in > 0);

    let other = Server::start();
    let redirect = server.url(&format!("/redirect/{}", other.url("/")));
    for (call, code, advice) in [
        (
            fetch(server.url("/"), vec![], vec![server.grant()]),
            "HttpRequestDenied",
            "pfctl syncpack activate hostile --add --grant local",
        ),
        (
            fetch(server.url("/"), vec![], vec![]),
            "HttpRequestDenied",
            "does not declare it",
        ),
        (
            fetch(server.url("/"), vec![server.grant()], vec![]),
            "DestinationIpProhibited",
            "--private local",
        ),
        (
            fetch(redirect, vec![private()], vec![]),
            "HttpRequestDenied",
            "is not granted",
        ),
        (
            Call {
                http: None,
                ..fetch(server.url("/"), vec![], vec![])
            },
            "HttpRequestDenied",
            "holds no grant for HTTP",
        ),
    ] {
        let execution = runtime.execute(&program, call.clone()).await;
        assert!(failure(&execution).message.contains(code), "{execution:?}");
        assert_eq!(execution.usage.denied, 1);
        let log = text(&call);
        assert!(log.contains(advice), "{log}");
    }
    assert_free(&runtime);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_inserted_on_the_way_out() {
    let server = Server::start();
    let (runtime, program) = hostile().await;
    let call = |parameters: String| Call {
        parameters,
        http: access(vec![server.grant().with_private_network(true)], vec![]),
        secrets: SecretHandles::new([("a1".to_owned(), "s3cret".to_owned())]),
        ..call("fetch")
    };
    let execution = runtime
        .execute(&program, call(server.url("/ x-key k:pf-secret:a1")))
        .await;
    assert!(
        data(&execution).contains("x-key: k:s3cret"),
        "{execution:?}"
    );
    let execution = runtime
        .execute(
            &program,
            call(server.url("/ authorization pf-basic admin pf-secret:a1")),
        )
        .await;
    assert!(
        data(&execution).contains("authorization: Basic YWRtaW46czNjcmV0"),
        "{execution:?}"
    );

    for wrong in ["/ x-key pf-secret:b2", "/?key=pf-secret:a1"] {
        let call = call(server.url(wrong));
        let execution = runtime.execute(&program, call.clone()).await;
        assert_eq!(failure(&execution).code, "http");
        let log = text(&call);
        assert!(log.contains("secret") && !log.contains("s3cret"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_and_endless_responses_are_limited() {
    let server = Server::start();
    let (runtime, program) = hostile().await;
    let call = |path: &str, limits: Arc<Limits>| Call {
        parameters: server.url(path),
        http: access(vec![server.grant().with_private_network(true)], vec![]),
        deadline: Duration::from_millis(600),
        limits,
        ..call("fetch")
    };
    let execution = runtime
        .execute(&program, call("/trickle", limits(|_| ())))
        .await;
    assert_ends(&execution, code::TIMEOUT, Kind::Retryable);
    assert!(execution.usage.bytes_in > 0);

    let mut big = call("/big", limits(|limits| limits.response_bytes = 1 << 20));
    big.deadline = Duration::from_mins(1);
    let execution = runtime.execute(&program, big).await;
    assert_eq!(failure(&execution).code, "stream", "{execution:?}");

    let mut forever = call("/", limits(|_| ()));
    forever.step = "fetch-forever".into();
    assert_ends(
        &runtime.execute(&program, forever).await,
        code::TIMEOUT,
        Kind::Retryable,
    );

    let mut many = call("/", limits(|limits| limits.open_requests = 4));
    (many.step, many.deadline) = ("open-many".into(), Duration::from_mins(1));
    let execution = runtime.execute(&program, many).await;
    assert_eq!(data(&execution), "96");
    assert_free(&runtime);
}
