//! Why a step failed, and its warnings.

use std::fmt::Write as _;

use bytes::Bytes;
use model::{flow::Route, mask::Masker, on_error::OnError, state::StepState};
use serde::Serialize;
use store::runs::Completion;

/// The kind of a failure after which another attempt may succeed.
const RETRYABLE: &str = "retryable";

/// Why a step failed, or its warning, as it is stored.
#[derive(Serialize)]
pub(crate) struct Problem {
    kind: &'static str,
    pub(crate) code: String,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<serde_json::Value>,
}

impl Problem {
    pub(crate) fn permanent(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind: "permanent",
            code: code.into(),
            message: message.into(),
            detail: None,
        }
    }

    /// Whether whoever failed says that another attempt may succeed.
    pub(crate) fn is_retryable(&self) -> bool {
        self.kind == RETRYABLE
    }

    /// The same with more for a program to read.
    pub(crate) fn with_detail(self, detail: serde_json::Value) -> Self {
        Self {
            detail: Some(detail),
            ..self
        }
    }

    pub(crate) fn warning(code: &str, message: String) -> Self {
        Self {
            kind: "warning",
            ..Self::permanent(code, message)
        }
    }

    pub(crate) fn to_json(&self, masker: &Masker) -> Bytes {
        let text = serde_json::to_string(self).unwrap_or_default();
        Bytes::from(masker.mask_json(&text).into_owned())
    }
}

impl From<runtime::Failure> for Problem {
    fn from(failure: runtime::Failure) -> Self {
        Self {
            kind: match failure.kind {
                runtime::Kind::Retryable => RETRYABLE,
                runtime::Kind::Permanent => "permanent",
            },
            code: failure.code,
            message: failure.message,
            detail: failure
                .detail
                .and_then(|text| serde_json::from_str(&text).ok()),
        }
    }
}

/// How a step ends that failed for good: its state and data. Where something follows all the
/// same, its data says why it failed.
pub(crate) fn failure(on_error: OnError, error: &Bytes) -> (StepState, Option<Bytes>) {
    let data = || Some([&b"{\"error\":"[..], error, b"}"].concat().into());
    match on_error {
        OnError::Fail => (StepState::Failed, None),
        OnError::Continue => (StepState::Warning, data()),
        OnError::Steps => (StepState::Failed, data()),
    }
}

/// What a step is told whose data was changed by masking, beside its own warning.
pub(crate) fn masked_output(names: &[&str], own: Option<String>) -> Problem {
    let mut message = format!(
        "the step's data held the value of {}, which is secret: it was masked, so later steps get {} in its place",
        names.join(" and of "),
        model::mask::MASK
    );
    if let Some(own) = own {
        // Writing to a String does not fail.
        let _ = write!(message, "; the step itself warns: {own}");
    }
    Problem::warning("masked-output", message)
}

/// Turning a completion into a failure.
pub(crate) trait Fail {
    /// The same attempt, ended in `problem`, without its output and log.
    /// `route`: where the run goes on behind the failure, where it goes on.
    fn failed(&self, problem: &Problem, on_error: OnError, route: Route) -> Self;
}

impl Fail for Completion {
    fn failed(&self, problem: &Problem, on_error: OnError, route: Route) -> Self {
        let error = problem.to_json(&Masker::none());
        let (state, output) = failure(on_error, &error);
        Self {
            state,
            output,
            error: Some(error),
            log: None,
            route,
            ..self.clone()
        }
    }
}
