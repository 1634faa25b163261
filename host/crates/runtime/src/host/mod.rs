//! The interfaces that a step may import, one module each.

pub(crate) mod cache;
pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod outbound;
pub(crate) mod output;
pub(crate) mod secret;
pub(crate) mod wasi;
