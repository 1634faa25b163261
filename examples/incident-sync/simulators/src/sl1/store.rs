//! Events in memory.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value};

pub(super) type Event = Map<String, Value>;

/// Fields that a client may write; SL1 fills the others itself.
const WRITABLE: [&str; 6] = [
    "ext_ticket_ref",
    "force_ticket_uri",
    "user_note",
    "user_ack",
    "user_del",
    "date_ack",
];

#[derive(Default)]
pub(super) struct Store {
    events: BTreeMap<u64, Event>,
    writes: u64,
}

impl Store {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    pub(super) fn writes(&self) -> u64 {
        self.writes
    }

    pub(super) fn get(&self, eid: u64) -> Option<&Event> {
        self.events.get(&eid)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (u64, &Event)> {
        self.events.iter().map(|(&eid, event)| (eid, event))
    }

    /// Events that carry a ticket number, and how many different numbers there are.
    pub(super) fn tickets(&self) -> (usize, usize) {
        let numbers: Vec<&str> = self
            .events
            .values()
            .filter_map(|event| event.get("ext_ticket_ref")?.as_str())
            .filter(|number| !number.is_empty())
            .collect();
        (numbers.len(), numbers.iter().collect::<HashSet<_>>().len())
    }

    pub(super) fn put(&mut self, event: Value) -> Result<(), String> {
        let Value::Object(event) = event else {
            return Err("an event is an object".into());
        };
        let eid = match event.get("eid") {
            Some(Value::String(text)) => text.parse().ok(),
            Some(Value::Number(number)) => number.as_u64(),
            _ => None,
        };
        let eid = eid.ok_or("an event has a numeric `eid`")?;
        self.events.insert(eid, event);
        Ok(())
    }

    /// Writes fields of an event; `Ok(None)` if there is none and it is not to be created.
    pub(super) fn write(
        &mut self,
        eid: u64,
        changes: Event,
        create: bool,
    ) -> Result<Option<&Event>, String> {
        if let Some(field) = changes
            .keys()
            .find(|field| !WRITABLE.contains(&field.as_str()))
        {
            return Err(format!("the field `{field}` cannot be written"));
        }
        if create {
            self.events.entry(eid).or_insert_with(|| {
                Event::from_iter([
                    ("eid".to_owned(), eid.to_string().into()),
                    ("uri".to_owned(), format!("/api/event/{eid}").into()),
                    ("ext_ticket_ref".to_owned(), "".into()),
                    ("force_ticket_uri".to_owned(), "".into()),
                ])
            });
        }
        let Some(event) = self.events.get_mut(&eid) else {
            return Ok(None);
        };
        event.extend(changes);
        self.writes += 1;
        Ok(Some(event))
    }
}
