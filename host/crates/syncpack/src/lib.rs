//! The SyncPack file: one `.wasm` that holds a component and, in custom sections, its
//! manifest, applications, configurations, schedules, docs and sources.
//!
//! This crate reads, checks and writes that file, loads the source folder it is made
//! from, and compiles it with cargo. It never executes a component: the descriptors of
//! the steps come from the caller, who ran `describe`. It must not depend on wasmtime,
//! the store or the network.
//!
//! Everything read here may come from a stranger: reading never panics, checks sizes
//! before it copies, and reports every problem of a manifest at once.

mod archive;
pub mod build;
mod component;
mod error;
mod grant;
mod manifest;
mod section;
pub mod source;
mod stray;
pub mod template;
mod validate;

pub use archive::{Archive, Metadata};
pub use component::{Interface, validate_component};
pub use error::Error;
pub use grant::{Grant, HostPattern};
pub use manifest::{Description, Manifest, Meta, Parameter, Sdk, Step, version_number};
pub use validate::{Problem, Severity};

/// The version of the contract that this platform speaks (`wit/syncpack.wit`).
pub const CONTRACT: &str = "1.0.0";

/// The version of the manifest's shape.
pub const FORMAT: u32 = 1;

/// The largest SyncPack file, in bytes.
pub const MAX_FILE: usize = 256 * 1024 * 1024;

/// The largest sum of all custom sections of ours, in bytes.
pub const MAX_METADATA: usize = 16 * 1024 * 1024;
