//! What can go wrong outside of guests.

/// Why the runtime does not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The WebAssembly engine cannot be set up on this machine.
    #[error("the WebAssembly engine cannot be set up: {0}")]
    Engine(String),
    /// The folder of compiled artefacts cannot be used.
    #[error("the folder of compiled components {path} cannot be used: {source}")]
    Folder {
        /// The folder or the file in it.
        path: std::path::PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The name of a component is not one that may name a file.
    #[error("`{0}` is not a digest: expected letters, digits, `-` and `_`")]
    Digest(String),
}

/// Why a component cannot be installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// The file is no WebAssembly.
    #[error(
        "the file is not a WebAssembly component: it does not start with the WebAssembly magic number"
    )]
    NotWasm,
    /// The file is a core module.
    #[error(
        "the file is a WebAssembly core module, not a component: build it for wasm32-wasip2, or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    /// The component is damaged, uses a feature that is switched off, or is larger than the pool allows.
    #[error("the component cannot be compiled: {0}")]
    Compile(String),
    /// The component imports something that this host does not offer.
    #[error(
        "the component imports something that this service does not offer: {0}; check the WIT version that it was built with"
    )]
    Import(String),
    /// The component lacks an export of the world `powerflow:syncpack/syncpack`.
    #[error(
        "the component is not a SyncPack: {0}; it must export `describe` and `execute` of powerflow:syncpack@1.0.0"
    )]
    Export(String),
    /// The guest failed in `describe`.
    #[error("the component failed to describe its steps: {0}")]
    Describe(String),
    /// The fault is not the component's.
    #[error(transparent)]
    Host(#[from] Error),
}

/// An error of wasmtime with its causes in one line, without repetitions.
pub(crate) fn chain(error: &wasmtime::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    text
}
