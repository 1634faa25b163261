//! Refusals as problem documents (RFC 9457).

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use engine::Fault;
use serde::Serialize;
use utoipa::ToSchema;

use crate::code::{self, Code};

/// What a handler answers.
pub(crate) type Answer<T> = Result<T, Problem>;

/// A refusal, before it knows which request it answers.
///
/// It travels to the edge in the response's extensions; the edge adds the request's
/// address and id and writes the body.
#[derive(Clone, Debug)]
pub(crate) struct Problem(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    status: StatusCode,
    code: Code,
    detail: String,
    errors: Vec<Fault>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Why a request was refused (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Document<'a> {
    /// The address of the page that explains the code, relative to the service.
    #[serde(rename = "type")]
    #[schema(example = "/docs/errors/PF-0404")]
    kind: String,
    /// What the code stands for, the same for every occurrence.
    #[schema(example = "There is nothing of that name")]
    title: &'a str,
    /// The HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// What is wrong here, and what to do.
    #[schema(example = "there is no application `inventory`; did you mean `inventory_sync`?")]
    detail: &'a str,
    /// The address that was asked.
    #[schema(example = "/api/v1/applications/inventory")]
    instance: &'a str,
    /// The stable code.
    #[schema(example = "PF-0404")]
    code: &'a str,
    /// Every single thing that is wrong, where there can be several.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<FaultDocument>)]
    errors: &'a [Fault],
    /// The request's id, which is also in the `X-Request-Id` header and in the service's log.
    #[schema(example = "5f0c2a91-1c")]
    request_id: &'a str,
}

/// One thing that is wrong with what was sent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Fault)]
pub(crate) struct FaultDocument {
    /// The stable code of this kind of fault.
    #[schema(example = "PF-A005")]
    code: String,
    /// Where: a JSON pointer into the document, or a parameter's name.
    #[schema(example = "/steps/2/file")]
    at: String,
    /// What is wrong and what to do.
    #[schema(example = "no active SyncPack has a step `CreateIncident`")]
    message: String,
}

impl From<Fault> for FaultDocument {
    fn from(fault: Fault) -> Self {
        Self {
            code: fault.code,
            at: fault.at,
            message: fault.message,
        }
    }
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: Code, detail: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            headers: Vec::new(),
        }))
    }

    /// The request cannot be understood as it was sent.
    pub(crate) fn unreadable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code::UNREADABLE, detail)
    }

    /// The same, with the place: a parameter's name or a JSON pointer.
    pub(crate) fn unreadable_at(at: impl Into<String>, message: impl Into<String>) -> Self {
        let (at, message) = (at.into(), message.into());
        let detail = if at.is_empty() {
            message.clone()
        } else {
            format!("`{at}`: {message}")
        };
        Self::unreadable(detail).with_errors(vec![Fault {
            code: code::UNREADABLE.code.to_owned(),
            at,
            message,
        }])
    }

    /// The same with every fault of several; there is at least one.
    pub(crate) fn unreadable_all(faults: Vec<(String, String)>) -> Self {
        let detail = match &faults[..] {
            [] => "the request cannot be read".to_owned(),
            [(at, message)] => format!("`{at}`: {message}"),
            [(at, message), _] => format!("`{at}`: {message}; 1 more fault in `errors`"),
            [(at, message), more @ ..] => {
                format!("`{at}`: {message}; {} more faults in `errors`", more.len())
            }
        };
        let fault = |(at, message)| Fault {
            code: code::UNREADABLE.code.to_owned(),
            at,
            message,
        };
        Self::unreadable(detail).with_errors(faults.into_iter().map(fault).collect())
    }

    /// A defect of ours. What it was stays in the log.
    pub(crate) fn internal(what: &str) -> Self {
        tracing::error!(error = what, "a request met a defect of the service");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            code::INTERNAL,
            "the service met a defect of its own; its log has the details under this request's id",
        )
    }

    pub(crate) fn with_errors(mut self, errors: Vec<Fault>) -> Self {
        self.0.errors = errors;
        self
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Asks the caller to come again after so many seconds.
    pub(crate) fn retry_after(self, seconds: u16) -> Self {
        self.with_header(header::RETRY_AFTER, seconds.into())
    }

    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    pub(crate) fn code(&self) -> &'static str {
        self.0.code.code
    }

    /// The answer's body.
    pub(crate) fn document(&self, instance: &str, request_id: &str) -> Vec<u8> {
        let parts = &*self.0;
        let document = Document {
            kind: format!("/docs/errors/{}", parts.code.code),
            title: parts.code.title,
            status: parts.status.as_u16(),
            detail: &parts.detail,
            instance,
            code: parts.code.code,
            errors: &parts.errors,
            request_id,
        };
        serde_json::to_vec(&document).unwrap_or_default()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        for (name, value) in &self.0.headers {
            response.headers_mut().append(name, value.clone());
        }
        response.extensions_mut().insert(self);
        response
    }
}
