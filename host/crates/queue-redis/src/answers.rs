//! Reading what the server answers. `None`: it is not of the form that was asked for.

use std::{sync::Arc, time::Duration};

use fred::types::Value;
use queue::Incarnation;

use crate::{entry, keys::LaneKeys, state::Entry};

type Lanes = [(Arc<LaneKeys>, Value)];

/// What one non-blocking read brought.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) incarnation: Option<Incarnation>,
    /// A lane, or everything, must be made anew.
    pub(crate) anew: bool,
    pub(crate) cursors: Vec<Value>,
    pub(crate) emptied: Vec<bool>,
    pub(crate) entries: Vec<Entry>,
    /// For each group of lanes which one is next, from 1, and what is left of its visit.
    pub(crate) turns: Vec<(usize, u32)>,
}

/// What a blocking read brought.
#[derive(Default)]
pub(crate) struct Read {
    pub(crate) entries: Vec<Entry>,
    /// Bells that rang, each with the ids of its entries.
    pub(crate) bells: Vec<(Value, Vec<Value>)>,
}

/// An incarnation as it is kept: 32 hexadecimal digits.
pub(crate) fn incarnation(value: &Value) -> Option<Incarnation> {
    let text = value.as_bytes_str()?;
    u128::from_str_radix(&text, 16).ok().map(Incarnation)
}

/// Of a lane, entry or dead letter: nothing can be done with what cannot be read, and the
/// store knows the step.
fn unreadable(lane: &LaneKeys, id: &Value) {
    tracing::error!(queue = %lane.lane.queue, ?id, "an entry of unknown form is ignored");
}

fn entry(lane: &Arc<LaneKeys>, id: &Value, value: &Value, deliveries: u64) -> Option<Entry> {
    Some(Entry {
        lane: Arc::clone(lane),
        place: entry::place(id)?,
        key: entry::decode(value.as_bytes()?)?,
        // Only where entries of several tenants are: the first one's hold nothing else.
        tenant: entry::tenant(value.as_bytes()?),
        deliveries: u32::try_from(deliveries).unwrap_or(u32::MAX),
    })
}

pub(crate) fn taken(answer: Value, lanes: &Lanes) -> Option<Taken> {
    let parts: [Value; 6] = answer.into_array().try_into().ok()?;
    let [life, anew, cursors, emptied, entries, turns] = parts;
    let mut taken = Taken {
        incarnation: incarnation(&life),
        anew: anew.as_u64()? != 0,
        cursors: cursors.into_array(),
        emptied: Vec::with_capacity(lanes.len()),
        entries: Vec::new(),
        turns: Vec::new(),
    };
    for two in turns.into_array().chunks_exact(2) {
        let next = usize::try_from(two[0].as_u64()?).ok()?;
        let left = u32::try_from(two[1].as_u64()?).ok()?;
        taken.turns.push((next, left));
    }
    for empty in emptied.into_array() {
        taken.emptied.push(empty.as_u64()? != 0);
    }
    for four in entries.into_array().chunks_exact(4) {
        let number = four[0].as_i64()?;
        let place = usize::try_from(number.unsigned_abs())
            .ok()?
            .checked_sub(1)?;
        let (own, _) = lanes.get(place)?;
        let lane = if number > 0 {
            own
        } else {
            own.others.as_ref()?
        };
        match entry(lane, &four[1], &four[2], four[3].as_u64()?) {
            Some(entry) => taken.entries.push(entry),
            None => unreadable(lane, &four[1]),
        }
    }
    Some(taken)
}

/// What a blocking read brought: for each stream its entries, each an id and its fields.
pub(crate) fn read(answer: &Value, lanes: &Lanes) -> Option<Read> {
    let mut read = Read::default();
    if answer.is_null() {
        return Some(read);
    }
    let Value::Array(streams) = answer else {
        return None;
    };
    for stream in streams {
        let Value::Array(stream) = stream else {
            return None;
        };
        let [name, list] = stream.as_slice() else {
            return None;
        };
        let Value::Array(list) = list else {
            return None;
        };
        let lane = lanes
            .iter()
            .find(|(keys, _)| keys.stream.as_bytes() == name.as_bytes());
        let Some((lane, _)) = lane else {
            let ids = list.iter().filter_map(|item| match item {
                Value::Array(item) => item.first().cloned(),
                _ => None,
            });
            read.bells.push((name.clone(), ids.collect()));
            continue;
        };
        for item in list {
            let Value::Array(item) = item else {
                return None;
            };
            let [id, Value::Array(fields)] = item.as_slice() else {
                return None;
            };
            match fields.get(1).and_then(|value| entry(lane, id, value, 1)) {
                Some(entry) => read.entries.push(entry),
                None => unreadable(lane, id),
            }
        }
    }
    Some(read)
}

/// Whether new queues were told meanwhile.
pub(crate) fn told(opened: &mut queue::hints::Receiver) -> bool {
    opened.try_next().is_some()
}

/// How the reason of a dead letter ends.
pub(crate) fn reason(lease: Duration) -> String {
    format!("each time without an answer within {lease:?}")
}
