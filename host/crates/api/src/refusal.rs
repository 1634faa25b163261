//! From the engine's errors to answers: the only place that gives them a status.

use axum::http::StatusCode;
use engine::{Error, Fault};

use crate::{code, problem::Problem};

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let code = code::of(error.code());
        let detail = error.to_string();
        let refuse = |status, detail: String| Self::new(status, code, detail);
        match error {
            Error::NotFound { .. } => refuse(StatusCode::NOT_FOUND, detail),
            Error::Invalid { faults, .. } | Error::CannotRun { faults, .. } => {
                refuse(StatusCode::UNPROCESSABLE_ENTITY, detail).with_errors(faults)
            }
            Error::NotASyncPack {
                code: cause,
                message,
            } => refuse(StatusCode::UNPROCESSABLE_ENTITY, detail).with_errors(vec![Fault {
                code: cause,
                at: String::new(),
                message,
            }]),
            Error::Position(_) => refuse(StatusCode::BAD_REQUEST, detail),
            Error::Grant(_) | Error::KeyReused(_) | Error::Undeliverable(_) => {
                refuse(StatusCode::UNPROCESSABLE_ENTITY, detail)
            }
            Error::PackState(_)
            | Error::Conflict(_)
            | Error::InUse(_)
            | Error::RunState(_)
            | Error::WebhookDisabled(_) => refuse(StatusCode::CONFLICT, detail),
            Error::Busy(_) | Error::Full(_) => {
                refuse(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(1)
            }
            Error::Unavailable(_) => {
                tracing::warn!(error = detail, "the engine is unavailable");
                let detail = "the store or the queue does not answer; try again shortly";
                refuse(StatusCode::SERVICE_UNAVAILABLE, detail.to_owned()).retry_after(2)
            }
            Error::Draining => refuse(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(5),
            Error::LeaseLost => refuse(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(1),
            _ => Self::internal(&detail),
        }
    }
}

/// The same for a call whose caller named the revision that it had seen: a conflict is
/// then the precondition's failure.
pub(crate) fn conditional(error: Error, conditional: bool) -> Problem {
    match error {
        Error::Conflict(detail) if conditional => {
            Problem::new(StatusCode::PRECONDITION_FAILED, code::PRECONDITION, detail)
        }
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(error: Error) -> (u16, &'static str) {
        let problem = Problem::from(error);
        (problem.status().as_u16(), problem.code())
    }

    #[test]
    fn each_error_keeps_its_code_and_gets_its_status() {
        let text = || "x".to_owned();
        for (error, expected) in [
            (
                Error::NotFound {
                    what: "run",
                    name: text(),
                    hint: text(),
                },
                404,
            ),
            (
                Error::Invalid {
                    what: "application",
                    faults: vec![],
                },
                422,
            ),
            (
                Error::CannotRun {
                    application: text(),
                    faults: vec![],
                },
                422,
            ),
            (
                Error::NotASyncPack {
                    code: text(),
                    message: text(),
                },
                422,
            ),
            (Error::Position(text()), 400),
            (Error::PackState(text()), 409),
            (Error::Grant(text()), 422),
            (Error::Conflict(text()), 409),
            (Error::InUse(text()), 409),
            (Error::KeyReused(text()), 422),
            (Error::RunState(text()), 409),
            (Error::Undeliverable(text()), 422),
            (Error::WebhookDisabled(text()), 409),
            (Error::Busy(text()), 429),
            (Error::Full(text()), 429),
            (Error::Unavailable(text()), 503),
            (Error::Draining, 503),
            (Error::LeaseLost, 503),
            (Error::Internal(text()), 500),
        ] {
            let code = error.code();
            assert_eq!(status(error), (expected, code));
        }
    }

    #[test]
    fn internals_stay_inside() {
        for error in [
            Error::Internal("table runs is gone".to_owned()),
            Error::Unavailable("/var/lib/x is full".to_owned()),
        ] {
            let body = Problem::from(error).document("/x", "1");
            let body = String::from_utf8(body).unwrap();
            assert!(!body.contains("table") && !body.contains("/var"), "{body}");
        }
    }

    #[test]
    fn a_conflict_with_a_named_revision_is_a_failed_precondition() {
        let error = || Error::Conflict("x".to_owned());
        assert_eq!(conditional(error(), true).status(), 412);
        assert_eq!(conditional(error(), false).status(), 409);
    }
}
