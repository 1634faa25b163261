//! What a step asks for that starts children.

use std::fmt::Write as _;

use model::{descriptor::StepKind, for_each::ForEach, id::Ordinal};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{each::element, error::Error, problem::Problem, worker::Chain};

/// How many children one step may start.
pub(super) const MOST: usize = 100_000;
/// How many of them may be under way at a time, where the request says nothing.
const PARALLEL: usize = 1_000;

/// What a step asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    /// What to start, in this order.
    pub(super) children: Vec<Call>,
    /// Whether the step ends when they have ended, with what they made; else it ends at once.
    #[serde(default = "yes")]
    pub(super) wait: bool,
    /// How many may be under way at a time.
    #[serde(default)]
    pub(super) parallel: Option<u32>,
    /// What becomes of the step when a child fails.
    #[serde(default)]
    pub(super) on_failure: OnFailure,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Call {
    /// The application's name.
    pub(super) application: String,
    /// As `params` of a request to run it: its parameters, and `configuration`, `queue`,
    /// `loglevel`.
    #[serde(default)]
    pub(super) params: Option<Box<RawValue>>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OnFailure {
    /// It fails.
    #[default]
    Fail,
    /// It ends well, and its data says which failed.
    Ignore,
}

const fn yes() -> bool {
    true
}

impl Request {
    /// How many may be under way at a time.
    pub(super) fn parallel(&self) -> usize {
        match self.parallel {
            _ if !self.wait => MOST,
            Some(parallel) => parallel as usize,
            None => PARALLEL,
        }
    }
}

/// What a step asks for that is executed once for each of these elements.
pub(crate) fn request_for(application: &str, elements: &[Box<RawValue>], each: &ForEach) -> String {
    let name = serde_json::Value::from(application).to_string();
    let mut request = String::from("{\"children\":[");
    for (index, item) in elements.iter().enumerate() {
        if index > 0 {
            request.push(',');
        }
        let params = element(item, index);
        // Writing to a String does not fail.
        let _ = write!(request, "{{\"application\":{name},\"params\":{params}}}");
    }
    let on_failure = if each.ignore_failures {
        "ignore"
    } else {
        "fail"
    };
    let _ = write!(
        request,
        "],\"wait\":true,\"parallel\":{},\"on_failure\":\"{on_failure}\"}}",
        each.parallel
    );
    request
}

/// Reads what a step asks for.
pub(super) fn read(
    chain: &Chain,
    step: Ordinal,
    request: &str,
) -> std::result::Result<Request, Box<Problem>> {
    let wrong = |message: String| Box::new(Problem::permanent("invalid-children", message));
    let planned = chain.planned(step);
    if chain.for_each(step).is_none()
        && planned.is_none_or(|planned| planned.kind != StepKind::Trigger)
    {
        return Err(wrong(
            "the step asks for child applications, and its SyncPack does not declare it as a trigger step".to_owned(),
        ));
    }
    let read: Request = serde_json::from_str(request).map_err(|error| {
        wrong(format!(
            "the step's request to start child applications is not of the form {{\"children\": [{{\"application\": …, \"params\": {{…}}}}], \"wait\": true, \"parallel\": 1000, \"on_failure\": \"fail\"}}: {error}"
        ))
    })?;
    if read.children.len() > MOST {
        return Err(wrong(format!(
            "the step asks for {} child applications; one step starts {MOST} at most",
            read.children.len()
        )));
    }
    if read.parallel == Some(0) {
        return Err(wrong(
            "`parallel` is 0: no child application would ever start".to_owned(),
        ));
    }
    Ok(read)
}

/// The same error, with the place of the child that it is about.
pub(super) fn named(error: Error, at: usize) -> Error {
    match error {
        Error::CannotRun {
            application,
            mut faults,
        } => {
            for fault in &mut faults {
                fault.at = format!("/children/{at}: {}", fault.at);
            }
            Error::CannotRun {
                application,
                faults,
            }
        }
        other => other,
    }
}
