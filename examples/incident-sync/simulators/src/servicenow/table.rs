//! The incident table in memory, with the indexes that lookups need.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::query::{Condition, Query};
use crate::random::Random;

pub(super) type Record = Map<String, Value>;

/// Fields that clients cannot set.
const OWN: [&str; 7] = [
    "sys_id",
    "number",
    "sys_created_on",
    "sys_created_by",
    "sys_updated_on",
    "sys_updated_by",
    "sys_mod_count",
];

/// What a new incident holds where the client says nothing.
const DEFAULTS: [(&str, &str); 22] = [
    ("state", "1"),
    ("incident_state", "1"),
    ("active", "true"),
    ("short_description", ""),
    ("description", ""),
    ("correlation_id", ""),
    ("correlation_display", ""),
    ("impact", "3"),
    ("urgency", "3"),
    ("severity", "3"),
    ("category", "inquiry"),
    ("subcategory", ""),
    ("contact_type", ""),
    ("caller_id", ""),
    ("company", ""),
    ("cmdb_ci", ""),
    ("assignment_group", ""),
    ("assigned_to", ""),
    ("work_notes", ""),
    ("comments", ""),
    ("close_code", ""),
    ("close_notes", ""),
];

/// Another incident holds the correlation already.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Duplicate(pub(super) String);

pub(super) struct Table {
    user: String,
    rows: Vec<Record>,
    by_sys_id: HashMap<String, usize>,
    by_number: HashMap<String, usize>,
    by_correlation: HashMap<String, Vec<usize>>,
    ids: Random,
    last_number: u64,
}

impl Table {
    pub(super) fn new(user: String) -> Self {
        Self {
            user,
            rows: Vec::new(),
            by_sys_id: HashMap::new(),
            by_number: HashMap::new(),
            by_correlation: HashMap::new(),
            ids: Random::new(0x5e1f),
            last_number: 10_000,
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(std::mem::take(&mut self.user));
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Record> {
        self.rows.iter()
    }

    /// Distinct correlations.
    pub(super) fn correlations(&self) -> usize {
        self.by_correlation.len()
    }

    /// Incidents beyond the first of their correlation.
    pub(super) fn duplicates(&self) -> usize {
        self.by_correlation
            .values()
            .map(|rows| rows.len().saturating_sub(1))
            .sum()
    }

    pub(super) fn get(&self, sys_id: &str) -> Option<&Record> {
        self.by_sys_id.get(sys_id).map(|&row| &self.rows[row])
    }

    pub(super) fn insert(&mut self, given: Record, unique: bool) -> Result<&Record, Duplicate> {
        let mut record = Record::new();
        let sys_id = format!("{:016x}{:016x}", self.ids.next(), self.ids.next());
        let number = format!("INC{:07}", self.last_number + 1);
        let now = stamp();
        record.insert("sys_id".into(), sys_id.as_str().into());
        record.insert("number".into(), number.as_str().into());
        record.insert("sys_class_name".into(), "incident".into());
        for (field, value) in DEFAULTS {
            record.insert(field.into(), value.into());
        }
        record.insert("opened_at".into(), now.as_str().into());
        record.insert("closed_at".into(), "".into());
        record.insert("sys_created_on".into(), now.as_str().into());
        record.insert("sys_created_by".into(), self.user.as_str().into());
        assign(&mut record, given);
        derive(&mut record, &now);
        let correlation = text(&record, "correlation_id").to_owned();
        if unique && !correlation.is_empty() && self.by_correlation.contains_key(&correlation) {
            return Err(Duplicate(correlation));
        }
        record.insert("sys_updated_on".into(), now.into());
        record.insert("sys_updated_by".into(), self.user.as_str().into());
        record.insert("sys_mod_count".into(), "0".into());

        let row = self.rows.len();
        self.last_number += 1;
        self.by_sys_id.insert(sys_id, row);
        self.by_number.insert(number, row);
        if !correlation.is_empty() {
            self.by_correlation
                .entry(correlation)
                .or_default()
                .push(row);
        }
        self.rows.push(record);
        Ok(&self.rows[row])
    }

    /// Changes the fields given; `None` if there is no such incident.
    pub(super) fn update(
        &mut self,
        sys_id: &str,
        given: Record,
        unique: bool,
    ) -> Option<Result<&Record, Duplicate>> {
        let row = *self.by_sys_id.get(sys_id)?;
        let before = text(&self.rows[row], "correlation_id").to_owned();
        let after = given
            .get("correlation_id")
            .map_or_else(|| before.clone(), as_text);
        if after != before {
            if unique && !after.is_empty() && self.by_correlation.contains_key(&after) {
                return Some(Err(Duplicate(after)));
            }
            if let Some(rows) = self.by_correlation.get_mut(&before) {
                rows.retain(|&other| other != row);
                if rows.is_empty() {
                    self.by_correlation.remove(&before);
                }
            }
            if !after.is_empty() {
                self.by_correlation.entry(after).or_default().push(row);
            }
        }
        let now = stamp();
        let record = &mut self.rows[row];
        assign(record, given);
        derive(record, &now);
        let changes = text(record, "sys_mod_count").parse().unwrap_or(0_u64) + 1;
        record.insert("sys_mod_count".into(), changes.to_string().into());
        record.insert("sys_updated_on".into(), now.into());
        record.insert("sys_updated_by".into(), self.user.as_str().into());
        Some(Ok(record))
    }

    /// All incidents that match, in the order asked for; by default that of their creation.
    pub(super) fn find(&self, query: &Query) -> Vec<&Record> {
        let one = |row: Option<&usize>| row.into_iter().copied().collect::<Vec<_>>();
        let candidates = query
            .conditions
            .iter()
            .find_map(|condition| match condition {
                Condition::Is(field, value) => match field.as_str() {
                    "sys_id" => Some(one(self.by_sys_id.get(value))),
                    "number" => Some(one(self.by_number.get(value))),
                    "correlation_id" if !value.is_empty() => {
                        Some(self.by_correlation.get(value).cloned().unwrap_or_default())
                    }
                    _ => None,
                },
                _ => None,
            });
        let mut found: Vec<&Record> = match candidates {
            Some(rows) => rows
                .into_iter()
                .map(|row| &self.rows[row])
                .filter(|row| query.matches(row))
                .collect(),
            None => self.rows.iter().filter(|row| query.matches(row)).collect(),
        };
        if !query.order.is_empty() {
            found.sort_by(|one, other| query.compare(one, other));
        }
        found
    }
}

/// Takes over what a client may set; the Table API keeps every value as text.
fn assign(record: &mut Record, given: Record) {
    for (field, value) in given {
        if !OWN.contains(&field.as_str()) {
            record.insert(field, as_text(&value).into());
        }
    }
}

/// Fields that follow from others.
fn derive(record: &mut Record, now: &str) {
    let level = |field| text(record, field).parse::<u8>().unwrap_or(3).clamp(1, 3);
    let priority = level("impact") + level("urgency") - 1;
    record.insert("priority".into(), priority.to_string().into());
    let state = text(record, "state").to_owned();
    if state == "7" && text(record, "closed_at").is_empty() {
        record.insert("closed_at".into(), now.into());
    }
    record.insert(
        "active".into(),
        if matches!(state.as_str(), "7" | "8") {
            "false"
        } else {
            "true"
        }
        .into(),
    );
    record.insert("incident_state".into(), state.into());
}

fn text<'a>(record: &'a Record, field: &str) -> &'a str {
    record
        .get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a simulator stands outside and has its own clock"
)]
fn stamp() -> String {
    Timestamp::now().strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(correlation: &str) -> Record {
        Record::from_iter([("correlation_id".to_owned(), correlation.into())])
    }

    #[test]
    fn correlations_follow_updates() {
        let mut table = Table::new("u".into());
        let first = text(table.insert(record("a"), true).unwrap(), "sys_id").to_owned();
        assert_eq!(
            table.insert(record("a"), true).unwrap_err(),
            Duplicate("a".into())
        );
        assert_eq!(table.len(), 1);
        table.insert(record("b"), true).unwrap();
        assert_eq!(
            table
                .update(&first, record("b"), true)
                .unwrap()
                .unwrap_err(),
            Duplicate("b".into())
        );
        table.update(&first, record("c"), true).unwrap().unwrap();
        table.insert(record("a"), true).unwrap();
        table.insert(record("a"), false).unwrap();
        assert_eq!((table.correlations(), table.duplicates()), (3, 1));
        let query = Query::parse("correlation_id=c").unwrap();
        assert_eq!(table.find(&query).len(), 1);
        assert_eq!(
            text(
                table.find(&Query::parse("number=INC0010004").unwrap())[0],
                "correlation_id"
            ),
            "a"
        );
    }

    #[test]
    fn derived_fields_follow() {
        let mut table = Table::new("u".into());
        let given = Record::from_iter([
            ("impact".to_owned(), 1.into()),
            ("urgency".to_owned(), 2.into()),
        ]);
        let row = table.insert(given, false).unwrap();
        assert_eq!((text(row, "priority"), text(row, "active")), ("2", "true"));
        let sys_id = text(row, "sys_id").to_owned();
        assert_eq!(sys_id.len(), 32);
        let closed = Record::from_iter([
            ("state".to_owned(), "7".into()),
            ("sys_id".to_owned(), "x".into()),
        ]);
        let row = table.update(&sys_id, closed, false).unwrap().unwrap();
        assert_eq!(
            (text(row, "active"), text(row, "sys_mod_count")),
            ("false", "1")
        );
        assert_eq!(text(row, "sys_id"), sys_id);
        assert!(!text(row, "closed_at").is_empty());
    }
}
