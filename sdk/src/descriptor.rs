//! What a step says about itself, and the document that `describe` returns.

use serde::Serialize;
use serde_json::Value;

/// A step as the manifest lists it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepDescriptor {
    /// The step's id inside its SyncPack: the `file` of an application's step entry.
    pub name: String,
    /// The name that people read.
    pub friendly_name: String,
    /// What the step does, from its doc comment.
    pub description: String,
    /// The step's own version.
    pub version: String,
    /// `standard`, `aggregated` or `trigger`.
    pub kind: String,
    /// The parameters, in the order of the fields.
    pub parameters: Vec<ParameterDescriptor>,
    /// A JSON Schema of the output, if the step gives one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// Whether the host may execute the step again when a worker was lost.
    pub idempotent: bool,
}

/// A parameter of a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ParameterDescriptor {
    /// The name under which the host gives the value.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean`, `array`, `object`, `any` or `secret`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether a run without a value is refused.
    pub required: bool,
    /// The value that the step takes when none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// An example for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<Value>,
    /// What the parameter means, from its doc comment.
    pub description: String,
    /// The only values that are accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choices: Option<Vec<Value>>,
}

impl StepDescriptor {
    /// A step without parameters; the derive fills in the rest.
    pub fn new(
        name: &str,
        friendly_name: &str,
        description: &str,
        version: &str,
        kind: &str,
    ) -> Self {
        Self {
            name: name.to_owned(),
            friendly_name: friendly_name.to_owned(),
            description: description.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            parameters: Vec::new(),
            output_schema: None,
            idempotent: true,
        }
    }
}

impl ParameterDescriptor {
    /// A parameter without default, sample and choices; the derive fills them in.
    pub fn new(name: &str, kind: &str, required: bool, description: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            required,
            default: None,
            sample: None,
            description: description.to_owned(),
            choices: None,
        }
    }
}

/// The document that `describe` returns.
#[derive(Serialize)]
pub(crate) struct Description {
    pub(crate) steps: Vec<StepDescriptor>,
    pub(crate) sdk: Sdk,
}

#[derive(Serialize)]
pub(crate) struct Sdk {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

impl Sdk {
    pub(crate) const THIS: Self = Self {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
    };
}
