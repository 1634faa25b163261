//! The SyncPacks that are part of the service, as files in the program.
//!
//! They are compiled from `syncpacks/` when this crate is built. This crate holds them and
//! nothing else: the engine imports and activates them.

/// A SyncPack that is part of the service.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// Its name.
    pub name: &'static str,
    /// The service's version, and behind a `+` what tells one build of the SyncPack from
    /// another.
    pub version: &'static str,
    /// The SHA-256 of the file, in hexadecimal.
    pub digest: &'static str,
    /// The file.
    pub file: &'static [u8],
}

/// What executes conditions and transforms.
pub const FLOW_CONTROL: BuiltIn = BuiltIn {
    name: "flow_control",
    version: env!("FLOW_CONTROL_VERSION"),
    digest: env!("FLOW_CONTROL_DIGEST"),
    file: include_bytes!(concat!(env!("OUT_DIR"), "/flow_control.wasm")),
};
