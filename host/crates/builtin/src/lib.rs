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

/// Steps that most applications need.
pub const BASE_STEPS: BuiltIn = BuiltIn {
    name: "base_steps",
    version: env!("BASE_STEPS_VERSION"),
    digest: env!("BASE_STEPS_DIGEST"),
    file: include_bytes!(concat!(env!("OUT_DIR"), "/base_steps.wasm")),
};

/// All of them.
pub const ALL: [BuiltIn; 2] = [BASE_STEPS, FLOW_CONTROL];
