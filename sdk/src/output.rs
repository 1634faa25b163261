//! What a step that did not fail returns.

use serde::Serialize;
use serde_json::Value;

use crate::{document::Json, error::Result};

/// The result of a step.
///
/// ```
/// use powerflow_sdk::{Output, json};
///
/// let output = Output::new(json!({ "number": "INC0010001" })).warning("the company is unknown");
/// assert_eq!(output.data()?["number"], "INC0010001");
/// # Ok::<(), powerflow_sdk::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Output(Body);

#[derive(Clone, Debug, PartialEq)]
enum Body {
    Data {
        data: String,
        warning: Option<String>,
    },
    Children(String),
}

/// The same in the shape of the contract.
#[cfg(target_arch = "wasm32")]
pub(crate) enum Wire {
    Data {
        data: String,
        attributes: Option<String>,
    },
    Children(String),
}

impl Output {
    /// The value as the step's data, which later steps may read.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "json!(…) is a value, and a reference would be noise in every step"
    )]
    pub fn new(data: Value) -> Self {
        Self::text(data.to_string())
    }

    /// Anything that serde can write as the step's data.
    pub fn json(data: &impl Serialize) -> Result<Self> {
        Ok(Self::text(serde_json::to_string(data)?))
    }

    /// No data: null.
    pub fn empty() -> Self {
        Self::text("null".to_owned())
    }

    /// Asks the host to start child applications. Only steps of the kind `trigger` may do
    /// so. The request is an object:
    ///
    /// ```json
    /// {
    ///   "children": [
    ///     {"application": "create_ticket", "params": {"event": 7, "configuration": "acme"}}
    ///   ],
    ///   "wait": true,
    ///   "parallel": 1000,
    ///   "on_failure": "fail"
    /// }
    /// ```
    ///
    /// `params` is what a request to run the application takes. With `wait` (the usual) the
    /// step holds no worker while they run and ends when the last has; its data is then an
    /// array in the order of `children`: `{"application", "run_id", "state", "data"}`, where
    /// `data` is what the application's last step made, of several an object by their names.
    /// Without, it ends at once, with `{"application", "run_id"}` of each. `parallel` is how
    /// many may be under way at a time. With `on_failure` `fail` (the usual) the step fails
    /// when a child failed or was cancelled; with `ignore` its data says so.
    pub fn start_children(request: &impl Serialize) -> Result<Self> {
        Ok(Self(Body::Children(serde_json::to_string(request)?)))
    }

    /// Lets the step end in the state warning; its successors run all the same.
    pub fn warning(mut self, text: impl Into<String>) -> Self {
        if let Body::Data { warning, .. } = &mut self.0 {
            *warning = Some(text.into());
        }
        self
    }

    /// The data, parsed: for tests.
    pub fn data(&self) -> Result<Value> {
        match &self.0 {
            Body::Data { data, .. } | Body::Children(data) => Ok(serde_json::from_str(data)?),
        }
    }

    /// The warning, if there is one.
    pub fn warning_text(&self) -> Option<&str> {
        match &self.0 {
            Body::Data { warning, .. } => warning.as_deref(),
            Body::Children(_) => None,
        }
    }

    /// Whether it is a request to start children.
    pub fn starts_children(&self) -> bool {
        matches!(self.0, Body::Children(_))
    }

    fn text(data: String) -> Self {
        Self(Body::Data {
            data,
            warning: None,
        })
    }

    #[cfg(target_arch = "wasm32")]
    pub(crate) fn into_wire(self) -> Result<Wire> {
        Ok(match self.0 {
            Body::Data {
                data,
                warning: None,
            } => Wire::Data {
                data,
                attributes: None,
            },
            Body::Data {
                data,
                warning: Some(warning),
            } => {
                #[derive(Serialize)]
                struct Attributes {
                    warning: String,
                }
                let attributes = serde_json::to_string(&Attributes { warning })?;
                Wire::Data {
                    data,
                    attributes: Some(attributes),
                }
            }
            Body::Children(request) => Wire::Children(request),
        })
    }
}

impl From<Json<'_>> for Output {
    /// Passes a value on without parsing it.
    fn from(json: Json<'_>) -> Self {
        Self::text(json.text().to_owned())
    }
}
