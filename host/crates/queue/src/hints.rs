//! Wake-ups between processes: a run has finished, a step is to be cancelled, a
//! worker's settings have changed. A hint says "look now"; whoever waits for one looks
//! from time to time anyway, because hints may be lost.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::broadcast;

/// How many hints a slow receiver may be behind before it misses some.
const BEHIND: usize = 1024;

/// What a receiver gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Something was published.
    Message(Arc<[u8]>),
    /// Hints may have been lost: look at everything. Comes also when listening has
    /// truly begun, since what was published before is lost.
    Missed,
}

/// A way to publish hints and to listen for them. Lossy: no hint is kept, repeated or
/// waited for.
pub trait Hints: Send + Sync + 'static {
    /// Tells everybody who listens on the topic, in this process too. Never waits.
    fn publish(&self, topic: &str, message: &[u8]);

    /// Listens from now on.
    fn subscribe(&self, topic: &str) -> Receiver;
}

/// Listens on a topic; dropping it ends that.
#[derive(Debug)]
pub struct Receiver {
    hints: broadcast::Receiver<Hint>,
}

impl Receiver {
    /// A hint that is there already.
    pub fn try_next(&mut self) -> Option<Hint> {
        match self.hints.try_recv() {
            Ok(hint) => Some(hint),
            Err(broadcast::error::TryRecvError::Lagged(_)) => Some(Hint::Missed),
            Err(_) => None,
        }
    }

    /// The next hint; `None` when no more can come. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Hint> {
        match self.hints.recv().await {
            Ok(hint) => Some(hint),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Hint::Missed),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// The receivers of this process, by topic. Backends deliver through it.
#[derive(Debug, Default)]
pub struct Topics {
    topics: Mutex<HashMap<Arc<str>, broadcast::Sender<Hint>>>,
}

impl Topics {
    /// A receiver, and whether it is the first on its topic.
    pub fn subscribe(&self, topic: &str) -> (Receiver, bool) {
        let mut topics = self.topics.lock();
        let known = topics.get(topic).map(broadcast::Sender::subscribe);
        let first = known.is_none();
        let hints = known.unwrap_or_else(|| {
            let (sender, hints) = broadcast::channel(BEHIND);
            topics.insert(topic.into(), sender);
            hints
        });
        (Receiver { hints }, first)
    }

    /// Hands a hint to the receivers on that topic.
    pub fn deliver(&self, topic: &str, hint: Hint) {
        let mut topics = self.topics.lock();
        if let Some(sender) = topics.get(topic)
            && sender.send(hint).is_err()
        {
            topics.remove(topic);
        }
    }

    /// Tells every receiver that it may have missed something.
    pub fn missed(&self) {
        for sender in self.topics.lock().values() {
            let _ = sender.send(Hint::Missed);
        }
    }

    /// The topics that somebody listens on.
    pub fn names(&self) -> Vec<Arc<str>> {
        let mut topics = self.topics.lock();
        topics.retain(|_, sender| sender.receiver_count() > 0);
        topics.keys().cloned().collect()
    }
}

/// Hints within one process.
#[derive(Debug, Default)]
pub struct MemoryHints {
    topics: Topics,
}

impl Hints for MemoryHints {
    fn publish(&self, topic: &str, message: &[u8]) {
        self.topics.deliver(topic, Hint::Message(message.into()));
    }

    fn subscribe(&self, topic: &str) -> Receiver {
        self.topics.subscribe(topic).0
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_hint_reaches_all_who_listen_on_its_topic() {
        let hints = MemoryHints::default();
        hints.publish("runs", b"nobody listens");
        let mut one = hints.subscribe("runs");
        let mut two = hints.subscribe("runs");
        let mut other = hints.subscribe("workers");
        hints.publish("runs", b"7");
        for receiver in [&mut one, &mut two] {
            assert_eq!(
                receiver.next().await,
                Some(Hint::Message((*b"7").as_slice().into()))
            );
        }
        assert!(other.next().now_or_never().is_none());
    }

    #[tokio::test]
    async fn a_slow_receiver_learns_that_it_missed_some() {
        let hints = MemoryHints::default();
        let mut slow = hints.subscribe("runs");
        for _ in 0..=BEHIND {
            hints.publish("runs", b"x");
        }
        assert_eq!(slow.next().await, Some(Hint::Missed));
        assert!(matches!(slow.next().await, Some(Hint::Message(_))));
    }

    #[test]
    fn a_topic_without_receivers_is_forgotten() {
        let topics = Topics::default();
        drop(topics.subscribe("runs"));
        let (_kept, first) = topics.subscribe("workers");
        assert!(first);
        assert_eq!(topics.names(), ["workers".into()]);
    }
}
