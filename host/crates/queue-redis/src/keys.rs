//! The names of everything in Redis. All have one hash tag, so that in a cluster all are
//! in one slot: scripts and blocking reads span several keys, and the incarnation is lost
//! exactly when what it stands for is. One server's share of a cluster is enough: it
//! takes tens of thousands of entries a second.

use std::sync::Arc;

use bytes::Bytes;
use fred::types::Value;
use queue::Lane;

/// The consumer group of all workers.
pub(crate) const GROUP: &str = "workers";
/// The topic on which new queues are told.
pub(crate) const OPENED: &str = "queue-opened";

/// A lane and the names of its keys.
#[derive(Debug)]
pub(crate) struct LaneKeys {
    pub(crate) lane: Lane,
    pub(crate) stream: Value,
    pub(crate) dead: Value,
}

#[derive(Clone, Debug)]
pub(crate) struct Keys {
    tag: Arc<str>,
    pub(crate) slot: u16,
    pub(crate) incarnation: Value,
    pub(crate) names: Value,
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
            tag,
        }
    }

    fn stream(&self, queue: &str, high: bool) -> Value {
        let lane = if high { "high" } else { "normal" };
        name(format!("{}{lane}:{queue}", self.tag))
    }

    pub(crate) fn dead(&self, queue: &str) -> Value {
        name(format!("{}dead:{queue}", self.tag))
    }

    pub(crate) fn lane(&self, queue: &Arc<str>, high: bool) -> Arc<LaneKeys> {
        Arc::new(LaneKeys {
            stream: self.stream(queue, high),
            dead: self.dead(queue),
            lane: Lane {
                queue: Arc::clone(queue),
                high,
            },
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
