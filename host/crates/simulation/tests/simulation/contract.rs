//! The store in memory fulfils the contract of every store: what the simulator shows about the
//! engine would mean nothing otherwise.

use std::sync::Arc;

use store_tests::Store;

use crate::memory::Memory;

#[expect(clippy::unused_async, reason = "the suite opens every store so")]
async fn open() -> (Store, ()) {
    (Arc::new(Memory::default()), ())
}

store_tests::contract!(super::open);
