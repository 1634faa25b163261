//! The contract of every queue, on a Redis server of each test's own.
#![expect(
    clippy::unwrap_used,
    reason = "a test may panic on what it did not expect"
)]

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use queue::{Limits, Queue, contract::Backend};

struct OnRedis {
    _server: support::Server,
}

#[async_trait]
impl Backend for OnRedis {
    async fn start(limits: Limits) -> (Self, Arc<dyn Queue>) {
        let server = support::Server::start();
        let queue = server.queue("worker", limits).await;
        (Self { _server: server }, queue)
    }
}

queue::contract!(OnRedis);
