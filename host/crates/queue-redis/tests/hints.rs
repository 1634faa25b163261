//! Hints between processes.
#![expect(
    clippy::unwrap_used,
    reason = "a test may panic on what it did not expect"
)]

mod support;

use queue::hints::{Hint, Receiver};
use support::{LONG, Server, ends};

async fn missed(receiver: &mut Receiver) {
    assert_eq!(ends(receiver.next()).await, Some(Hint::Missed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hints_reach_other_processes_and_a_lost_connection_is_told() {
    let mut server = Server::start();
    let (one, two) = (
        server.queue("one", LONG).await,
        server.queue("two", LONG).await,
    );
    let hints = two.hints();
    let mut here = one.hints().subscribe("runs");
    let mut there = hints.subscribe("runs");
    let mut other = hints.subscribe("workers");
    for receiver in [&mut here, &mut there, &mut other] {
        missed(receiver).await;
    }
    // The first subscription of `two` may be told once more, when the second one began.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    while there.try_next().is_some() {}
    while other.try_next().is_some() {}
    two.hints().publish("runs", &[0, 255, 7]);
    for receiver in [&mut here, &mut there] {
        let hint = ends(receiver.next()).await;
        assert_eq!(hint, Some(Hint::Message([0, 255, 7].as_slice().into())));
    }
    assert_eq!(other.try_next(), None);

    server.kill();
    hints.publish("runs", b"lost");
    server.run();
    missed(&mut there).await;
    ends(async {
        loop {
            hints.publish("runs", b"again");
            let waited = tokio::time::timeout(std::time::Duration::from_millis(200), there.next());
            if waited.await == Ok(Some(Hint::Message(b"again".as_slice().into()))) {
                return;
            }
        }
    })
    .await;
}
