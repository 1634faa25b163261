//! Encoded queries (`sysparm_query`): conditions joined by `^`, all of which must hold.

use std::cmp::Ordering;

use serde_json::{Map, Value};

/// One condition on a field.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Is(String, String),
    IsNot(String, String),
    Like(String, String),
    Empty(String),
    NotEmpty(String),
}

/// A parsed query.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) conditions: Vec<Condition>,
    /// Field, and whether in descending order.
    pub(super) order: Vec<(String, bool)>,
}

impl Query {
    /// Reads a query; `^^` in a value stands for `^`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut query = Self::default();
        let escaped = text.replace("^^", "\u{0}");
        for term in escaped
            .split('^')
            .map(|term| term.replace('\u{0}', "^"))
            .filter(|term| !term.is_empty())
        {
            if let Some(field) = term.strip_prefix("ORDERBYDESC") {
                query.order.push((field.into(), true));
            } else if let Some(field) = term.strip_prefix("ORDERBY") {
                query.order.push((field.into(), false));
            } else if term == "EQ" {
                break;
            } else {
                query.conditions.push(condition(&term)?);
            }
        }
        Ok(query)
    }

    pub(super) fn matches(&self, record: &Map<String, Value>) -> bool {
        let value = |field: &str| {
            record
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        self.conditions.iter().all(|condition| match condition {
            Condition::Is(field, wanted) => value(field) == wanted,
            Condition::IsNot(field, wanted) => value(field) != wanted,
            Condition::Like(field, part) => {
                value(field).to_lowercase().contains(&part.to_lowercase())
            }
            Condition::Empty(field) => value(field).is_empty(),
            Condition::NotEmpty(field) => !value(field).is_empty(),
        })
    }

    pub(super) fn compare(&self, one: &Map<String, Value>, other: &Map<String, Value>) -> Ordering {
        for (field, descending) in &self.order {
            let value = |record: &Map<String, Value>| {
                record.get(field).and_then(Value::as_str).map(str::to_owned)
            };
            let order = value(one).cmp(&value(other));
            let order = if *descending { order.reverse() } else { order };
            if order.is_ne() {
                return order;
            }
        }
        Ordering::Equal
    }
}

fn condition(term: &str) -> Result<Condition, String> {
    let end = term
        .find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.')))
        .unwrap_or(term.len());
    let (field, rest) = term.split_at(end);
    let field = field.to_owned();
    match rest {
        _ if field.is_empty() => Err(format!("cannot read the condition `{term}`")),
        "ISEMPTY" => Ok(Condition::Empty(field)),
        "ISNOTEMPTY" => Ok(Condition::NotEmpty(field)),
        _ => {
            if let Some(value) = rest.strip_prefix("!=") {
                Ok(Condition::IsNot(field, value.into()))
            } else if let Some(value) = rest.strip_prefix('=') {
                Ok(Condition::Is(field, value.into()))
            } else if let Some(value) = rest.strip_prefix("LIKE") {
                Ok(Condition::Like(field, value.into()))
            } else {
                Err(format!("the operator in `{term}` is not simulated"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read() {
        let query =
            Query::parse("correlation_id=A=1^^2^state!=7^assigned_toISEMPTY^ORDERBYDESCnumber")
                .unwrap();
        assert_eq!(
            query.conditions,
            [
                Condition::Is("correlation_id".into(), "A=1^2".into()),
                Condition::IsNot("state".into(), "7".into()),
                Condition::Empty("assigned_to".into()),
            ]
        );
        assert_eq!(query.order, [("number".to_owned(), true)]);
        assert_eq!(Query::parse("").unwrap(), Query::default());
        assert!(Query::parse("state>3").is_err());
        assert!(Query::parse("ORstate=3").is_err());
    }
}
