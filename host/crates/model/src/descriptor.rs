//! What a SyncPack says about its steps and asks for: the JSON that SDK, pack tool,
//! host and API share. Keys that this version does not know survive.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What `describe` of a component returns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The steps of the pack.
    pub steps: Vec<StepDescriptor>,
    /// The SDK that built it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdk: Option<Sdk>,
    /// Keys of newer versions.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The SDK that built a component.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sdk {
    /// Its name, such as `powerflow-sdk`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// One step of a pack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepDescriptor {
    /// The id inside the pack: what a step entry of an application calls `file`.
    pub name: String,
    /// Shown to people; the id when empty.
    #[serde(default)]
    pub friendly_name: String,
    /// What the step does.
    #[serde(default)]
    pub description: String,
    /// The step's own version.
    #[serde(default)]
    pub version: String,
    /// How it takes part in a run.
    #[serde(default)]
    pub kind: StepKind,
    /// What it can be given.
    #[serde(default)]
    pub parameters: Vec<ParameterDescriptor>,
    /// JSON Schema of its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// Whether a lost worker may lead to a second attempt; if not, it fails the step.
    #[serde(default = "yes")]
    pub idempotent: bool,
    /// Whether it is also given what it does not declare. A step that declares no
    /// parameter at all is given everything in any case.
    #[serde(default, skip_serializing_if = "is_false")]
    pub additional_parameters: bool,
    /// Keys of newer versions.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl StepDescriptor {
    /// Whether the step is given parameters that it does not declare.
    pub fn takes_any(&self) -> bool {
        self.additional_parameters || self.parameters.is_empty()
    }

    /// The declared parameter of that name.
    pub fn parameter(&self, name: &str) -> Option<&ParameterDescriptor> {
        self.parameters.iter().find(|one| one.name == name)
    }
}

/// How a step takes part in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepKind {
    /// Executes once with the data of its predecessors.
    #[default]
    Standard,
    /// Executes once with the data of several predecessors together.
    Aggregated,
    /// Starts child applications.
    Trigger,
}

/// One parameter of a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ParameterDescriptor {
    /// The name, unique in the step.
    pub name: String,
    /// What values it takes.
    #[serde(rename = "type", default)]
    pub param_type: ParameterType,
    /// Whether the step cannot do without.
    #[serde(default)]
    pub required: bool,
    /// The value when nobody gives one; `null` counts as none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// An example for a reader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<Value>,
    /// What it means.
    #[serde(default)]
    pub description: String,
    /// The only values that it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choices: Option<Vec<Value>>,
    /// Keys of newer versions.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What values a parameter takes.
///
/// Values are not converted, with two exceptions. A whole number written with a
/// fraction (`3600.0`) is an integer and reaches the step as `3600`; the texts
/// `"true"` and `"false"`, which existing files hold, are booleans. The text `"5"`
/// is no integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterType {
    /// A text.
    String,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list.
    Array,
    /// An object.
    Object,
    /// Anything.
    #[default]
    Any,
    /// A text, or the JSON text of anything else, that the step never sees: it
    /// gets a handle instead.
    Secret,
}

impl ParameterType {
    /// The word in descriptors.
    pub const fn word(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Array => "array",
            Self::Object => "object",
            Self::Any => "any",
            Self::Secret => "secret",
        }
    }
}

/// Something that a pack wants to be allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRequest {
    /// What an administrator names when giving it; unique in the pack.
    pub id: String,
    /// What is wanted.
    #[serde(flatten)]
    pub capability: Capability,
    /// Why, for the administrator.
    #[serde(default)]
    pub reason: String,
}

/// What a grant allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Capability {
    /// Outgoing HTTP requests.
    Http {
        /// A host, `*.domain`, or `${config.NAME}` of a variable that holds a host or a URL.
        host: String,
        /// The ports; when absent the one of the host or its URL, which is 443 where neither says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ports: Option<Vec<u16>>,
        /// The methods; all when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        methods: Option<Vec<String>>,
    },
    /// The cache that outlives a run.
    Cache,
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_survives_with_unknown_keys() {
        let text = r#"{"name":"Größe","friendly_name":"","description":"d","version":"1.0.0","kind":"trigger","parameters":[{"name":"n","type":"integer","required":true,"default":3,"description":"","choices":[3,4],"unit":"m"}],"idempotent":false,"icon":"x"}"#;
        let step: StepDescriptor = serde_json::from_str(text).unwrap();
        assert_eq!(step.kind, StepKind::Trigger);
        assert_eq!(step.parameters[0].param_type, ParameterType::Integer);
        assert_eq!(serde_json::to_string(&step).unwrap(), text);
        let least: StepDescriptor = serde_json::from_str(r#"{"name":"S"}"#).unwrap();
        assert!(least.idempotent && least.takes_any());
    }

    #[test]
    fn grants_have_the_shape_of_the_manifest() {
        for text in [
            r#"{"id":"sn","kind":"http","host":"${config.sn_url}","ports":[443],"methods":["GET"],"reason":"r"}"#,
            r#"{"id":"sn","kind":"http","host":"*.service-now.com","reason":""}"#,
            r#"{"id":"cache","kind":"cache","reason":"r"}"#,
        ] {
            let grant: GrantRequest = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&grant).unwrap(), text);
        }
    }
}
