//! Other ways to run Redis: with TLS and a password, as a cluster, behind sentinels.
#![expect(
    clippy::unwrap_used,
    reason = "a test may panic on what it did not expect"
)]

mod support;

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use model::id::TenantId;
use queue::{DEFAULT, Queue, hints::Hint};
use queue_redis::{RedisQueue, Settings, StartError};
use support::{Server, drain_all, ends, free_port, keys, on};

/// A round over everything that a script, a pipeline and a blocking read do.
async fn works(mut settings: Settings) {
    settings.timeout = Duration::from_secs(20);
    let queue = RedisQueue::start(settings).await.unwrap();
    let mut hints = queue.hints().subscribe("runs");
    assert_eq!(ends(hints.next()).await, Some(Hint::Missed));
    let subscription = on(&[DEFAULT]);
    let waiting = queue.receive(&subscription, 1);
    let later = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        queue
            .enqueue(DEFAULT, true, TenantId::DEFAULT, &keys(0..1))
            .await
            .unwrap();
    };
    let (taken, ()) = ends(async { tokio::join!(waiting, later) }).await;
    queue.acknowledge(&taken.unwrap()).await.unwrap();
    queue
        .enqueue("other", false, TenantId::DEFAULT, &keys(0..300))
        .await
        .unwrap();
    // Scripts find the keys of other tenants by themselves.
    queue
        .enqueue("other", false, TenantId(2), &keys(300..310))
        .await
        .unwrap();
    assert_eq!(drain_all(&queue, &["other"], 310).await, 0);
    let depths = queue.depths().await.unwrap();
    assert!(
        depths
            .iter()
            .all(|depth| depth.waiting + depth.delivered == 0)
    );
    queue.mark().await.unwrap();
    queue.hints().publish("runs", b"1");
    let one = Hint::Message(b"1".as_slice().into());
    while ends(hints.next()).await != Some(one.clone()) {}
    queue.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_works_over_tls_with_a_password() {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let server = Server::with(|port, folder| {
        let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        fs::write(&certificate, certified.cert.pem()).unwrap();
        fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
        let text = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
        [
            ("--port", "0".to_owned()),
            ("--tls-port", port.to_string()),
            ("--tls-cert-file", text(certificate)),
            ("--tls-key-file", text(key)),
            ("--tls-auth-clients", "no".to_owned()),
            ("--requirepass", "se cret".to_owned()),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect()
    });
    let url = format!("rediss://:se%20cret@localhost:{}", server.port);
    let mut settings = Settings::new(url.parse().unwrap(), "worker");
    settings.timeout = Duration::from_secs(1);

    // A certificate that nobody vouches for: as if the server were away.
    let stranger = RedisQueue::start(settings.clone()).await.unwrap();
    let refused = stranger
        .enqueue(DEFAULT, false, TenantId::DEFAULT, &keys(0..1))
        .await;
    assert!(
        matches!(refused, Err(queue::Error::Unavailable(_))),
        "{refused:?}"
    );
    drop(stranger);

    settings.ca_file = Some(server.folder().join("cert.pem"));
    works(settings.clone()).await;

    settings.ca_file = Some(server.folder().join("key.pem"));
    let unusable = RedisQueue::start(settings).await.err();
    assert!(
        matches!(unusable, Some(StartError::CaFile(..))),
        "{unusable:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_works_on_a_cluster() {
    let node = || {
        Server::with(|_, _| {
            let bus = free_port().to_string();
            let arguments = ["--cluster-enabled", "yes", "--cluster-port", &bus];
            arguments.map(str::to_owned).to_vec()
        })
    };
    let nodes = [node(), node(), node()];
    let mut create = Command::new("redis-cli");
    create.args(["--cluster", "create"]);
    create.args(nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)));
    let created = create
        .args(["--cluster-replicas", "0", "--cluster-yes"])
        .output()
        .unwrap();
    assert!(created.status.success(), "{created:?}");
    let deadline = Instant::now() + Duration::from_secs(30);
    let ready = |node: &Server| node.ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok");
    while !nodes.iter().all(ready) {
        assert!(Instant::now() < deadline, "the cluster does not come up");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let url = format!(
        "redis-cluster://127.0.0.1:{}?node=127.0.0.1:{}",
        nodes[0].port, nodes[1].port
    );
    works(Settings::new(url.parse().unwrap(), "worker")).await;
    // Everything is on one node.
    let keys: Vec<_> = nodes.iter().map(|node| node.number(&["DBSIZE"])).collect();
    assert_eq!(keys.iter().filter(|keys| **keys > 0).count(), 1, "{keys:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_works_behind_a_sentinel() {
    let server = Server::start();
    let sentinel = Server::sentinel(&server);
    let url = format!(
        "redis-sentinel://127.0.0.1:{}?sentinelServiceName=main",
        sentinel.port
    );
    works(Settings::new(url.parse().unwrap(), "worker")).await;
    server.assert_nothing_left();
}

/// Settings that cannot work are refused before anything is connected.
#[tokio::test]
async fn a_prefix_with_braces_is_refused() {
    let mut settings = Settings::new("redis://127.0.0.1:1".parse().unwrap(), "worker");
    settings.prefix = "{a}".to_owned();
    let refused = RedisQueue::start(settings).await.err();
    assert!(matches!(refused, Some(StartError::Prefix(_))));
}
