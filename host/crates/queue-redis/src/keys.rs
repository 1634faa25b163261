//! The names of everything in Redis. All have one hash tag, so that in a cluster all are
//! in one slot: scripts and blocking reads span several keys, and the incarnation is lost
//! exactly when what it stands for is. One server's share of a cluster is enough: it
//! takes tens of thousands of entries a second.

use std::sync::Arc;

use bytes::Bytes;
use fred::types::Value;
use model::id::TenantId;
use queue::Lane;

/// The consumer group of all workers.
pub(crate) const GROUP: &str = "workers";
/// The topic on which new queues are told.
pub(crate) const OPENED: &str = "queue-opened";

/// A lane and the names of its keys.
///
/// The first tenant's entries are in the lane's stream, as versions before knew no other.
/// Those of each other tenant wait in a list of its own; whoever takes them moves them, a
/// tenant at a time, to a second stream, where they are leased as all deliveries are. So
/// there are two streams to look at, however many tenants there are.
#[derive(Debug)]
pub(crate) struct LaneKeys {
    pub(crate) lane: Lane,
    pub(crate) stream: Value,
    pub(crate) dead: Value,
    /// What is common to the names of the lane's keys.
    pub(crate) rest: Value,
    /// The same for deliveries of the other tenants.
    pub(crate) others: Option<Arc<LaneKeys>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Keys {
    tag: Arc<str>,
    pub(crate) slot: u16,
    pub(crate) incarnation: Value,
    pub(crate) names: Value,
    /// The lanes in which tenants other than the first wait.
    pub(crate) turns: Value,
}

fn name(text: String) -> Value {
    Value::Bytes(Bytes::from(text))
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        let tag: Arc<str> = format!("{{{prefix}}}:").into();
        Self {
            slot: fred::util::redis_keyslot(tag.as_bytes()),
            incarnation: name(format!("{tag}incarnation")),
            names: name(format!("{tag}queues")),
            turns: name(format!("{tag}turns")),
            tag,
        }
    }

    /// The beginning of all keys, of which scripts make the names of others.
    pub(crate) fn tag(&self) -> Value {
        name(self.tag.to_string())
    }

    pub(crate) fn dead(&self, queue: &str) -> Value {
        name(format!("{}dead:{queue}", self.tag))
    }

    /// The dead letters of tenants other than the first.
    pub(crate) fn dead_of_others(&self, queue: &str) -> Value {
        name(format!("{}others-dead:{queue}", self.tag))
    }

    /// The stream that wakes whoever waits for entries of other tenants.
    pub(crate) fn bell(&self, queue: &str) -> Value {
        name(format!("{}bell:{queue}", self.tag))
    }

    /// What is known of a lane's other tenants: how many of their entries wait, and the
    /// number of the last one.
    pub(crate) fn waits(&self, keys: &LaneKeys) -> Value {
        self.beside("waits", keys)
    }

    fn beside(&self, what: &str, keys: &LaneKeys) -> Value {
        let rest = keys.rest.as_bytes_str().unwrap_or_default();
        name(format!("{}{what}:{rest}", self.tag))
    }

    /// The list of a tenant's entries.
    pub(crate) fn list(&self, keys: &LaneKeys, tenant: TenantId) -> Value {
        self.beside(&format!("of:{}", tenant.0), keys)
    }

    pub(crate) fn lane(&self, queue: &Arc<str>, high: bool) -> Arc<LaneKeys> {
        let rest = format!("{}:{queue}", if high { "high" } else { "normal" });
        let lane = Lane {
            queue: Arc::clone(queue),
            high,
        };
        let others = LaneKeys {
            stream: name(format!("{}others:{rest}", self.tag)),
            dead: self.dead_of_others(queue),
            rest: name(rest.clone()),
            lane: lane.clone(),
            others: None,
        };
        Arc::new(LaneKeys {
            stream: name(format!("{}{rest}", self.tag)),
            dead: self.dead(queue),
            rest: name(rest),
            lane,
            others: Some(Arc::new(others)),
        })
    }

    /// What is common to the channels of hints.
    pub(crate) fn channel_prefix(&self) -> String {
        format!("{}hint:", self.tag)
    }

    pub(crate) fn channel(&self, topic: &str) -> String {
        format!("{}hint:{topic}", self.tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_are_in_one_slot() {
        let keys = Keys::new("powerflow");
        let lane = keys.lane(&"a}b{c".into(), true);
        for key in [&keys.incarnation, &keys.names, &lane.stream, &lane.dead] {
            let name = key.as_bytes().unwrap();
            assert_eq!(fred::util::redis_keyslot(name), keys.slot, "{key:?}");
        }
        assert_eq!(lane.stream.as_str().unwrap(), "{powerflow}:high:a}b{c");
    }
}
