//! The manifest and what it is made from.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::{CONTRACT, FORMAT, Grant};

/// What a SyncPack says of itself. Unknown keys survive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this shape.
    pub format: u32,
    /// What the author wrote in `meta.json`.
    #[serde(flatten)]
    pub meta: Meta,
    /// The version of the contract that the component was built for.
    pub wit: String,
    /// The steps, in the author's order.
    #[serde(default, deserialize_with = "or_default")]
    pub steps: Vec<Step>,
}

impl Manifest {
    /// A manifest of today's shape.
    pub fn new(meta: Meta, steps: Vec<Step>) -> Self {
        Self {
            format: FORMAT,
            meta,
            wit: CONTRACT.to_owned(),
            steps,
        }
    }

    /// The step called `name`.
    pub fn step(&self, name: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.name == name)
    }
}

/// What the author says of a SyncPack: the file `meta.json`. Unknown keys survive.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// The id: letters, digits, `_`, `-` and `.`.
    pub name: String,
    /// The version, of one to three numbers and an optional suffix.
    pub version: String,
    /// One line.
    #[serde(default, deserialize_with = "or_default")]
    pub summary: String,
    /// Some paragraphs.
    #[serde(default, deserialize_with = "or_default")]
    pub description: String,
    /// The publisher.
    #[serde(default, deserialize_with = "or_default")]
    pub author: String,
    /// Where to read more.
    #[serde(default, deserialize_with = "or_default")]
    pub home_page: String,
    /// For finding it.
    #[serde(default, deserialize_with = "or_default")]
    pub tags: Vec<String>,
    /// Kept for the predecessor.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub critical: Vec<Value>,
    /// SyncPacks that must be there: `other_pack>=1.2`.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub requires_dist: Vec<String>,
    /// Kept for the predecessor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_is_version: Option<String>,
    /// The versions of PowerFlow that it runs on: `>=0.1.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_platform: Option<String>,
    /// What it asks an administrator to grant.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub grants: Vec<Grant>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Meta {
    /// The version with missing numbers as zero, so that `1.2` compares.
    pub fn semver(&self) -> Option<semver::Version> {
        version_number(&self.version)
    }
}

/// A version with missing numbers as zero, so that `1.2` compares: the only order of versions.
pub fn version_number(version: &str) -> Option<semver::Version> {
    let (numbers, suffix) = match version.find(['-', '+']) {
        Some(at) => version.split_at(at),
        None => (version, ""),
    };
    let missing = 2_usize.checked_sub(numbers.matches('.').count())?;
    semver::Version::parse(&format!("{numbers}{}{suffix}", ".0".repeat(missing))).ok()
}

/// A step as its component describes it. Unknown keys survive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The id inside the SyncPack: the `file` of an application's step entry.
    pub name: String,
    /// For people.
    #[serde(default, deserialize_with = "or_default")]
    pub friendly_name: String,
    /// For people.
    #[serde(default, deserialize_with = "or_default")]
    pub description: String,
    /// The step's own version.
    #[serde(default, deserialize_with = "or_default")]
    pub version: String,
    /// `standard`, `aggregated` or `trigger`.
    #[serde(default = "standard")]
    pub kind: String,
    /// The parameters.
    #[serde(default, deserialize_with = "or_default")]
    pub parameters: Vec<Parameter>,
    /// A JSON Schema of the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// Whether it may be executed again when a worker was lost.
    #[serde(default = "yes")]
    pub idempotent: bool,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A parameter of a step. Unknown keys survive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// The name.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean`, `array`, `object`, `any` or `secret`.
    #[serde(rename = "type", default = "any")]
    pub kind: String,
    /// Whether a run without a value is refused.
    #[serde(default)]
    pub required: bool,
    /// The value when none is given; a default of null counts as none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// An example.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<Value>,
    /// For people.
    #[serde(default, deserialize_with = "or_default")]
    pub description: String,
    /// The only values accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choices: Option<Vec<Value>>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What a component's `describe` returns. Unknown keys are ignored.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Description {
    /// The steps.
    pub steps: Vec<Step>,
    /// What the component was built with.
    #[serde(default)]
    pub sdk: Option<Sdk>,
}

/// The SDK of a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sdk {
    /// Its package.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Null counts as not given.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

fn standard() -> String {
    "standard".to_owned()
}

fn any() -> String {
    "any".to_owned()
}

fn yes() -> bool {
    true
}
