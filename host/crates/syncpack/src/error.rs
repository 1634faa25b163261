use std::{fmt::Write as _, io, path::PathBuf};

use crate::{CONTRACT, Problem};

/// Why a SyncPack could not be read, written or built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no WebAssembly at all.
    #[error("not a WebAssembly file: it begins with {begins}, not with \\0asm")]
    NotWasm {
        /// The first bytes, for a person.
        begins: String,
    },
    /// A core module instead of a component.
    #[error("a core WebAssembly module, not a component: build it for the target wasm32-wasip2")]
    CoreModule,
    /// The file ends in the middle of a section.
    #[error(
        "the component is truncated: the section at byte {offset} says {needed} bytes and {present} are there"
    )]
    Truncated {
        /// Where the section begins.
        offset: usize,
        /// The length that it states.
        needed: u64,
        /// The bytes that are left.
        present: usize,
    },
    /// The file is damaged or not of a form that we know.
    #[error("the component is malformed at byte {offset}: {message}")]
    Malformed {
        /// Where.
        offset: u64,
        /// What.
        message: String,
    },
    /// A component without our manifest.
    #[error("not a SyncPack: the component has no manifest; build it with `pfctl syncpack build`")]
    NotSyncPack,
    /// A component that lacks an export of the contract.
    #[error(
        "the component does not export `{name}`, so it holds no steps: build it with a SyncPack SDK"
    )]
    MissingExport {
        /// The name of the export.
        name: &'static str,
    },
    /// A component for a contract that this platform does not speak.
    #[error("the component speaks the contract {found}, this platform speaks {CONTRACT}: {hint}")]
    ContractVersion {
        /// What the component says.
        found: String,
        /// What to do.
        hint: &'static str,
    },
    /// One of our sections stands twice in the file.
    #[error("the section {name} stands twice in the file")]
    DuplicateSection {
        /// The name of the section.
        name: String,
    },
    /// One of our sections does not hold what it should.
    #[error("the section {name} is damaged: {message}")]
    Section {
        /// The name of the section.
        name: &'static str,
        /// What is wrong, with line and column where it is JSON.
        message: String,
    },
    /// Something is larger than allowed.
    #[error("{what} is {size} bytes long; at most {limit} are allowed")]
    TooLarge {
        /// What is.
        what: &'static str,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The manifest or a document has problems; here are all of them.
    #[error("{}", list(.0))]
    Invalid(Vec<Problem>),
    /// A file of a source folder cannot be read.
    #[error("{path}: {why}", path = .path.display(), why = why(.source))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of a source folder is not the JSON that it should be.
    #[error("{path}:{line}:{column}: {message}", path = .path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What serde says.
        message: String,
    },
    /// A source folder lacks something or has too much of it.
    #[error("{path}: {message}", path = .path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },
    /// The document that `describe` returned is none.
    #[error("the component's describe() returned no description of steps: {0}")]
    Description(String),
    /// The compiler refused.
    #[error("{0}")]
    Build(String),
}

/// What the system says, without its number.
fn why(error: &io::Error) -> String {
    let said = error.to_string();
    match said.find(" (os error ") {
        Some(end) => said[..end].to_lowercase(),
        None => said,
    }
}

impl Error {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotWasm { .. } => "PF-SYNCPACK-NOT-WASM",
            Self::CoreModule => "PF-SYNCPACK-CORE-MODULE",
            Self::Truncated { .. } => "PF-SYNCPACK-TRUNCATED",
            Self::Malformed { .. } => "PF-SYNCPACK-MALFORMED",
            Self::NotSyncPack => "PF-SYNCPACK-NO-MANIFEST",
            Self::MissingExport { .. } => "PF-SYNCPACK-MISSING-EXPORT",
            Self::ContractVersion { .. } => "PF-SYNCPACK-CONTRACT",
            Self::DuplicateSection { .. } | Self::Section { .. } => "PF-SYNCPACK-SECTION",
            Self::TooLarge { .. } => "PF-SYNCPACK-TOO-LARGE",
            Self::Invalid(_) => "PF-SYNCPACK-INVALID",
            Self::Io { .. } | Self::Json { .. } | Self::Folder { .. } => "PF-SYNCPACK-SOURCE",
            Self::Description(_) => "PF-SYNCPACK-DESCRIBE",
            Self::Build(_) => "PF-SYNCPACK-BUILD",
        }
    }

    /// The problems of an invalid manifest; empty for every other error.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid(problems) => problems,
            _ => &[],
        }
    }
}

fn list(problems: &[Problem]) -> String {
    let mut text = match problems.len() {
        1 => "the SyncPack has a problem:".to_owned(),
        count => format!("the SyncPack has {count} problems:"),
    };
    for problem in problems {
        let _ = write!(text, "\n  {problem}");
    }
    text
}
