//! Installing components, and which artefacts are executed.
#![expect(clippy::unwrap_used, reason = "tests")]

mod harness;

use std::path::Path;

use bytes::Bytes;
use harness::{HOSTILE, artefacts, call, component, data, hostile, ports, runtime, settings};
use runtime::{Error, InstallError, Pool, Runtime, Settings};

/// A component that compiles in no time.
fn small() -> Bytes {
    component("", "")
}

async fn refused(file: &[u8]) -> InstallError {
    let folder = tempfile::tempdir().unwrap();
    let error = runtime(folder.path())
        .install("x", Bytes::copy_from_slice(file))
        .await
        .unwrap_err();
    assert!(artefacts(folder.path(), "cwasm").is_empty());
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_syncpack_is_refused_with_the_reason() {
    assert!(matches!(refused(b"").await, InstallError::NotWasm));
    assert!(matches!(
        refused(b"hello, world").await,
        InstallError::NotWasm
    ));
    assert!(matches!(
        refused(&wat::parse_str("(module)").unwrap()).await,
        InstallError::CoreModule
    ));
    let whole = small();
    assert!(matches!(
        refused(&whole[..whole.len() / 2]).await,
        InstallError::Compile(_)
    ));

    let error = refused(&wat::parse_str("(component)").unwrap()).await;
    assert!(
        matches!(&error, InstallError::Export(text) if text.contains("describe")),
        "{error}"
    );
    let wrong = r#"(component (import "evil:corp/shell@1.0.0" (instance (export "run" (func)))))"#;
    let error = refused(&wat::parse_str(wrong).unwrap()).await;
    assert!(
        matches!(&error, InstallError::Import(text) if text.contains("evil:corp/shell@1.0.0")),
        "{error}"
    );
    let wrong = r#"(component (import "powerflow:syncpack/log@1.0.0" (instance (export "log" (func (param "text" string))))))"#;
    let error = refused(&wat::parse_str(wrong).unwrap()).await;
    assert!(
        matches!(&error, InstallError::Import(text) if text.contains("powerflow:syncpack/log@1.0.0")),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_larger_than_the_pool_allows_is_refused() {
    let error = refused(&component("(table 5000000 funcref)", "")).await;
    assert!(
        matches!(&error, InstallError::Compile(text) if text.contains("table")),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_that_is_no_name_reaches_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = runtime(folder.path());
    for digest in ["", "../x", "a/b", "a.b", &"x".repeat(200)] {
        assert!(matches!(
            runtime.install(digest, small()).await,
            Err(InstallError::Host(Error::Digest(_)))
        ));
        assert!(matches!(runtime.load(digest), Err(Error::Digest(_))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_is_kept_and_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let first = runtime(folder.path());
    assert!(first.load("small").unwrap().is_none());
    let installed = first.install("small", small()).await.unwrap();
    assert!(!installed.compile_time.is_zero() && installed.artefact_bytes > 0);
    assert!(first.load("small").unwrap().is_some());

    // Another process on the same folder, without compiling.
    let second = runtime(folder.path());
    assert!(second.load("small").unwrap().is_some());
    assert!(
        second
            .install("small", small())
            .await
            .unwrap()
            .compile_time
            .is_zero()
    );
    second.forget("small");
    assert!(second.load("small").unwrap().is_none());
    assert!(
        artefacts(folder.path(), "cwasm").is_empty() && artefacts(folder.path(), "mac").is_empty()
    );
}

/// Installs in one runtime, lets `harm` happen, and says whether another one still trusts it; then
/// checks that installing again repairs it.
async fn survives(harm: impl FnOnce(&Path), after: impl FnOnce(&Path) -> Settings) -> bool {
    let folder = tempfile::tempdir().unwrap();
    runtime(folder.path())
        .install("small", small())
        .await
        .unwrap();
    harm(folder.path());
    let second = Runtime::new(after(folder.path()), ports()).unwrap();
    let trusted = second.load("small").unwrap().is_some();
    assert_eq!(
        second
            .install("small", small())
            .await
            .unwrap()
            .compile_time
            .is_zero(),
        trusted
    );
    assert!(second.load("small").unwrap().is_some());
    trusted
}

fn flip(file: &Path, place: impl FnOnce(usize) -> usize) {
    let mut content = std::fs::read(file).unwrap();
    let at = place(content.len());
    content[at] ^= 1;
    std::fs::write(file, content).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_services_own_artefacts_are_executed() {
    assert!(survives(|_| (), settings).await, "untouched");
    for part in 0..5 {
        let harm = |folder: &Path| {
            flip(&artefacts(folder, "cwasm")[0], |length| {
                (length - 1) * part / 4
            });
        };
        assert!(
            !survives(harm, settings).await,
            "a bit of the code, at {part}/4"
        );
    }
    assert!(
        !survives(|folder| flip(&artefacts(folder, "mac")[0], |_| 3), settings).await,
        "a bit of the code of authenticity"
    );
    assert!(
        !survives(
            |folder| std::fs::remove_file(&artefacts(folder, "mac")[0]).unwrap(),
            settings
        )
        .await,
        "none"
    );
    let longer = |folder: &Path| {
        let path = &artefacts(folder, "cwasm")[0];
        let mut content = std::fs::read(path).unwrap();
        content.push(0);
        std::fs::write(path, content).unwrap();
    };
    assert!(!survives(longer, settings).await, "a byte more");
    let foreign = |folder: &Path| Settings {
        key: [8; 32],
        ..settings(folder)
    };
    assert!(!survives(|_| (), foreign).await, "another service's key");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artefact_cannot_stand_in_for_another_component_or_engine() {
    let folder = tempfile::tempdir().unwrap();
    let first = runtime(folder.path());
    first.install("small", small()).await.unwrap();
    for extension in ["cwasm", "mac"] {
        let from = &artefacts(folder.path(), extension)[0];
        let name = from.file_name().unwrap().to_str().unwrap();
        std::fs::copy(from, folder.path().join(name.replace("small", "other"))).unwrap();
    }
    assert!(first.load("other").unwrap().is_none());

    // Another engine names its artefacts otherwise: it does not even find this one.
    let moved = artefacts(folder.path(), "cwasm");
    for path in moved {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut parts: Vec<_> = name.split('.').collect();
        parts[1] = "0123456789abcdef";
        std::fs::rename(&path, folder.path().join(parts.join("."))).unwrap();
    }
    assert!(runtime(folder.path()).load("small").unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_are_described_and_executed() {
    let (runtime, program) = hostile().await;
    let text = runtime.describe(&HOSTILE).await.unwrap();
    assert!(text.contains("\"noop\""));
    let execution = runtime.execute(&program, call("noop")).await;
    assert_eq!(data(&execution), r#"{"before": {"n": 1}}"#);
    let error = runtime.describe(&small()).await.unwrap_err();
    assert!(matches!(error, InstallError::Describe(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_pool_steps_are_executed_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::new(
        Settings {
            pool: Pool::none(),
            ..settings(folder.path())
        },
        ports(),
    )
    .unwrap();
    assert_eq!(runtime.stats().allocation, runtime::Allocation::OnDemand);
    runtime.install("hostile", HOSTILE.clone()).await.unwrap();
    let program = runtime.load("hostile").unwrap().unwrap();
    assert_eq!(
        data(&runtime.execute(&program, call("noop")).await),
        r#"{"before": {"n": 1}}"#
    );
}
