//! What can be wrong with an application, every problem listed at once.
//!
//! An error keeps an application from running; a warning does not keep it from
//! being stored, and only [`code::OPERATOR`] keeps it from running.

use std::sync::Arc;

use serde::Serialize;

use crate::{application::Application, compile, descriptor::StepDescriptor};

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The application can be stored, and somebody should look at it.
    Warning,
    /// The application cannot run.
    Error,
}

/// One thing that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Stable, of the form `PF-A…`; see [`code`].
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// JSON pointer to the place, such as `/steps/2/output_to/0`.
    pub path: String,
    /// What is wrong and what to do, for a person.
    pub message: String,
}

impl Problem {
    /// A problem that keeps the application from running.
    pub fn error(code: &'static str, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            path: path.into(),
            message: message.into(),
        }
    }

    /// A problem that does not.
    pub fn warning(
        code: &'static str,
        path: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, path, message)
        }
    }
}

/// The stable codes of problems.
pub mod code {
    /// A known key holds the wrong JSON type.
    pub const WRONG_TYPE: &str = "PF-A001";
    /// A name is missing.
    pub const NAME_MISSING: &str = "PF-A002";
    /// A name is too long.
    pub const NAME_LONG: &str = "PF-A003";
    /// Two steps have the same name.
    pub const DUPLICATE_STEP: &str = "PF-A004";
    /// No active SyncPack has the step.
    pub const UNKNOWN_STEP: &str = "PF-A005";
    /// Several SyncPacks have the step, and the entry does not say which.
    pub const AMBIGUOUS_STEP: &str = "PF-A006";
    /// An edge leads to a step that does not exist.
    pub const DANGLING: &str = "PF-A007";
    /// A step leads to itself.
    pub const SELF_EDGE: &str = "PF-A008";
    /// Steps wait for each other.
    pub const CYCLE: &str = "PF-A009";
    /// A required parameter has no value and no run can give it one.
    pub const NO_VALUE: &str = "PF-A010";
    /// A required parameter has no value: each run must give it (warning).
    pub const RUN_MUST_GIVE: &str = "PF-A011";
    /// A value does not have its parameter's type.
    pub const TYPE_MISMATCH: &str = "PF-A012";
    /// A value is none of its parameter's choices.
    pub const CHOICE: &str = "PF-A013";
    /// A reference names neither a step, `config.` nor `appvar.`.
    pub const UNKNOWN_REFERENCE: &str = "PF-A014";
    /// A reference reads a step that does not run before.
    pub const NOT_BEFORE: &str = "PF-A015";
    /// A reference names no application variable.
    pub const UNKNOWN_VARIABLE: &str = "PF-A016";
    /// Application variables refer to each other in a circle.
    pub const VARIABLE_CYCLE: &str = "PF-A017";
    /// More steps than an application may have.
    pub const TOO_MANY: &str = "PF-A018";
    /// An entry that is no step that we know, such as an operator of the
    /// predecessor: kept, needs attention before the application can run (warning).
    pub const OPERATOR: &str = "PF-A019";
    /// Two application variables have the same name.
    pub const DUPLICATE_VARIABLE: &str = "PF-A020";
    /// `${` without `}` is taken as text (warning).
    pub const UNCLOSED: &str = "PF-A021";
    /// A step's name hides it from references (warning).
    pub const HIDDEN_NAME: &str = "PF-A022";
    /// The application has no steps: kept, and cannot run (warning).
    pub const EMPTY: &str = "PF-A023";
    /// Application variables refer to each other over too many others.
    pub const TOO_DEEP: &str = "PF-A024";
    /// A key that means nothing: kept, and probably a slip (warning).
    pub const STRAY_KEY: &str = "PF-A026";
    /// A time limit is none, or has no effect (warning).
    pub const TIME_LIMIT: &str = "PF-A030";
    /// What becomes of a step whose worker is lost is none of the words.
    pub const ON_WORKER_LOST: &str = "PF-A031";
    /// A condition is none of the kinds, or lacks operands.
    pub const CONDITION: &str = "PF-A040";
    /// The branches of a condition are none.
    pub const BRANCH: &str = "PF-A041";
    /// A template is none, or cannot be read.
    pub const TEMPLATE: &str = "PF-A042";
    /// How long a delay waits is no number of seconds.
    pub const DELAY: &str = "PF-A043";
    /// An approval asks nothing, or its approvers or its deadline are none.
    pub const APPROVAL: &str = "PF-A044";
    /// A wait for a webhook has no key, or its deadline is none.
    pub const WEBHOOK: &str = "PF-A045";
    /// A retry policy has a key or a value that it cannot have.
    pub const RETRY: &str = "PF-A050";
    /// What follows a failure is neither a word for it nor a list of steps.
    pub const ON_ERROR: &str = "PF-A051";
    /// For what a step is to be executed is no list.
    pub const FOR_EACH: &str = "PF-A052";
    /// How long the runs are kept is no number of seconds.
    pub const RETENTION: &str = "PF-A053";
    /// A limit of a step has a key or a value that it cannot have.
    pub const LIMIT: &str = "PF-A054";
}

/// The most steps that an application may have.
pub const MAX_STEPS: usize = 100_000;
/// The longest friendly name, in characters.
pub const MAX_FRIENDLY_NAME: usize = 66;
/// The longest name of an application, a step or a variable, in characters.
pub const MAX_NAME: usize = 255;

/// What a registry knows about a step.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// Exactly one active pack has it.
    Found {
        /// The pack.
        syncpack: String,
        /// The step.
        descriptor: Arc<StepDescriptor>,
    },
    /// The named pack does not exist or is not active.
    UnknownPack,
    /// The pack, or every active pack, lacks such a step.
    UnknownStep,
    /// No pack was named and these have it.
    Ambiguous(Vec<String>),
}

/// The steps of the active SyncPacks.
pub trait Registry {
    /// The step `file` of `syncpack`, or of any pack when none is named.
    fn step(&self, syncpack: Option<&str>, file: &str) -> Lookup;

    /// The steps of that pack, or of every pack when none is named: for hints.
    fn steps(&self, _syncpack: Option<&str>) -> Vec<String> {
        Vec::new()
    }

    /// The packs: for hints.
    fn packs(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Everything that is wrong with `application`.
pub fn validate(application: &Application, registry: &dyn Registry) -> Vec<Problem> {
    compile::compile(application, registry).1
}

pub use crate::compile::configured;

/// A part of a JSON pointer, escaped.
pub fn pointer(part: &str) -> String {
    part.replace('~', "~0").replace('/', "~1")
}
