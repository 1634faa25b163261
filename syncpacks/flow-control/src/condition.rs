//! Conditions: the first branch that holds is taken.

use powerflow_sdk::prelude::*;
use serde::Deserialize;

use crate::{
    data::Data,
    template::{self, Template},
};

/// Chooses the first branch whose condition holds. The operator `condition` of an application.
#[derive(Step)]
#[step(name = "Condition", friendly_name = "Condition", version = "1.0.0")]
pub struct Condition {
    /// The branches, each with its label and its condition.
    #[param(kind = "array")]
    branches: Vec<Branch>,
    /// Of no meaning here.
    #[param(default = "auto")]
    output: String,
    /// The names of the connected steps.
    #[param(default = Vec::<String>::new())]
    connected: Vec<String>,
}

/// A branch.
#[derive(Deserialize)]
struct Branch {
    label: String,
    #[serde(default)]
    when: Option<When>,
}

/// A condition, its references filled in.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// The same value, of the same type; numbers are compared as numbers.
    Equal([Value; 2]),
    /// Not the same.
    NotEqual([Value; 2]),
    /// A number greater than the other.
    Above([Value; 2]),
    /// A number less than the other.
    Below([Value; 2]),
    /// A number not less than the other.
    AtLeast([Value; 2]),
    /// A number not greater than the other.
    AtMost([Value; 2]),
    /// A text in a text, an element in a list, a key in an object.
    Contains([Value; 2]),
    /// Anything but null.
    Exists(Value),
    /// What a template makes is true.
    Template(Template),
    /// All hold.
    And(Vec<When>),
    /// One holds at least.
    Or(Vec<When>),
    /// It does not hold.
    Not(Box<When>),
}

impl Execute for Condition {
    fn execute(&self, cx: &mut Context) -> Result<Output> {
        let _ = &self.output;
        let data = Data::of(cx, &self.connected)?;
        for (index, branch) in self.branches.iter().enumerate() {
            let holds = match &branch.when {
                None => true,
                Some(when) => when
                    .holds(&data)
                    .map_err(|error| error.context(format_args!("branch \"{}\"", branch.label)))?,
            };
            if holds {
                flow!(cx, "chose the branch \"{}\"", branch.label);
                return Ok(Output::new(
                    json!({ "branch": branch.label, "index": index }),
                ));
            }
        }
        flow!(cx, "no branch holds");
        Ok(Output::new(json!({ "branch": null, "index": null })))
    }
}

impl When {
    /// Whether it holds.
    ///
    /// # Errors
    /// Permanent where operands cannot be compared or a template fails.
    pub fn holds(&self, data: &Data) -> Result<bool> {
        Ok(match self {
            Self::Equal([a, b]) => same(a, b),
            Self::NotEqual([a, b]) => !same(a, b),
            Self::Above(pair) => ordered("above", pair)?.is_some_and(std::cmp::Ordering::is_gt),
            Self::Below(pair) => ordered("below", pair)?.is_some_and(std::cmp::Ordering::is_lt),
            Self::AtLeast(pair) => {
                ordered("at_least", pair)?.is_some_and(std::cmp::Ordering::is_ge)
            }
            Self::AtMost(pair) => ordered("at_most", pair)?.is_some_and(std::cmp::Ordering::is_le),
            Self::Contains([all, one]) => contains(all, one)?,
            Self::Exists(value) => !value.is_null(),
            Self::Template(template) => template::holds(template, data)?,
            Self::And(all) => {
                for one in all {
                    if !one.holds(data)? {
                        return Ok(false);
                    }
                }
                true
            }
            Self::Or(all) => {
                for one in all {
                    if one.holds(data)? {
                        return Ok(true);
                    }
                }
                false
            }
            Self::Not(one) => !one.holds(data)?,
        })
    }
}

/// Whether two values are the same: `1` and `1.0` are, `1` and `"1"` are not.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(_), Value::Number(_)) => number(a)
            .zip(number(b))
            .is_some_and(|(a, b)| compare(a, b).is_some_and(std::cmp::Ordering::is_eq)),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

/// A number, kept exact as long as it is whole.
#[derive(Clone, Copy)]
enum Number {
    Whole(i128),
    Real(f64),
}

/// The number in a value: also one that is written as text, as many systems send them.
fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => number
            .as_i64()
            .map(i128::from)
            .or_else(|| number.as_u64().map(i128::from))
            .map(Number::Whole)
            .or_else(|| number.as_f64().map(Number::Real)),
        Value::String(text) => {
            let text = text.trim();
            let whole = text
                .parse::<i64>()
                .ok()
                .map(|whole| Number::Whole(whole.into()));
            whole.or_else(|| {
                let real = text.parse::<f64>().ok().filter(|real| real.is_finite())?;
                Some(Number::Real(real))
            })
        }
        _ => None,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "compared with a fraction, which is rounded as well"
)]
fn compare(a: Number, b: Number) -> Option<std::cmp::Ordering> {
    match (a, b) {
        (Number::Whole(a), Number::Whole(b)) => Some(a.cmp(&b)),
        (Number::Whole(a), Number::Real(b)) => (a as f64).partial_cmp(&b),
        (Number::Real(a), Number::Whole(b)) => a.partial_cmp(&(b as f64)),
        (Number::Real(a), Number::Real(b)) => a.partial_cmp(&b),
    }
}

/// How two numbers stand to each other; nothing where one of them is null.
fn ordered(kind: &str, [a, b]: &[Value; 2]) -> Result<Option<std::cmp::Ordering>> {
    if a.is_null() || b.is_null() {
        return Ok(None);
    }
    let read = |value: &Value, place: &str| {
        number(value).ok_or_else(|| {
            Error::permanent(format!(
                "`{kind}` compares numbers, and its {place} operand is {}",
                kind_of(value)
            ))
            .with_code("condition")
        })
    };
    Ok(compare(read(a, "first")?, read(b, "second")?))
}

fn contains(all: &Value, one: &Value) -> Result<bool> {
    match (all, one) {
        (Value::Null, _) => Ok(false),
        (Value::String(text), Value::String(part)) => Ok(text.contains(part.as_str())),
        (Value::String(_), _) => Ok(false),
        (Value::Array(list), one) => Ok(list.iter().any(|element| same(element, one))),
        (Value::Object(map), Value::String(key)) => Ok(map.contains_key(key)),
        (Value::Object(_), _) => Ok(false),
        (other, _) => Err(Error::permanent(format!(
            "`contains` looks into a text, a list or an object, and its first operand is {}",
            kind_of(other)
        ))
        .with_code("condition")),
    }
}

/// The word for a value's type. The value itself may be a secret.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text that is no number",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
