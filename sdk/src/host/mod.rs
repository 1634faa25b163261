//! The calls that leave a step: to the real host in a component, to the mock host
//! everywhere else. Nothing above this module knows which.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(target_arch = "wasm32")]
mod wasm;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::{State, cache_delete, cache_get, cache_put, enter, log, send};
#[cfg(target_arch = "wasm32")]
pub use wasm::bindings;
#[cfg(target_arch = "wasm32")]
pub(crate) use wasm::{cache_delete, cache_get, cache_put, http::send, log};
