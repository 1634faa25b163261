//! What the generated code of `#[derive(Step)]` calls; not for people.

use serde::Serialize;
use serde_json::Value;

/// The JSON of a default or a sample.
pub fn json(value: &impl Serialize) -> Option<Value> {
    serde_json::to_value(value).ok()
}

/// The JSON of a list of choices.
pub fn choices<T: Serialize, const N: usize>(values: &[T; N]) -> Option<Vec<Value>> {
    values
        .iter()
        .map(|value| serde_json::to_value(value).ok())
        .collect()
}

/// The choices of a parameter that takes any value.
pub fn any() -> Option<Vec<Value>> {
    None
}
