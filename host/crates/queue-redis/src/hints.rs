//! Hints over publish/subscribe, on a connection of their own that exists once somebody
//! listens. What is published while Redis is away is lost, as hints may be.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use fred::{
    interfaces::{ClientLike, EventInterface, PubsubInterface},
    types::Value,
};
use queue::hints::{Hint, Hints, Receiver, Topics};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::{
    keys::Keys,
    link::{Fault, Link, Plug},
    shared::jitter,
};

/// Hints that wait to be sent; more are dropped.
const WAITING: usize = 4096;
/// How often a silent connection is asked whether it still is one.
const ASK_EVERY: Duration = Duration::from_secs(10);

/// Hints through Redis.
pub struct RedisHints {
    shared: Arc<Shared>,
    outgoing: mpsc::Sender<(String, Vec<u8>)>,
    listens: AtomicBool,
}

struct Shared {
    plug: Plug,
    keys: Keys,
    topics: Topics,
    /// Rings when there is another topic.
    topic: Notify,
    closed: CancellationToken,
}

impl RedisHints {
    pub(crate) fn new(plug: Plug, main: Arc<Link>, keys: Keys, closed: CancellationToken) -> Self {
        let (outgoing, mut waiting) = mpsc::channel::<(String, Vec<u8>)>(WAITING);
        tokio::spawn(async move {
            let mut batch = Vec::new();
            while waiting.recv_many(&mut batch, 256).await > 0 {
                let commands = batch
                    .drain(..)
                    .map(|(channel, message)| {
                        let message = Value::Bytes(message.into());
                        ("PUBLISH", vec![channel.into(), message])
                    })
                    .collect();
                if let Err(fault) = main.calls(commands).await {
                    tracing::debug!(%fault, "hints were lost");
                }
            }
        });
        Self {
            shared: Arc::new(Shared {
                plug,
                keys,
                topics: Topics::default(),
                topic: Notify::new(),
                closed,
            }),
            outgoing,
            listens: AtomicBool::new(false),
        }
    }
}

impl Hints for RedisHints {
    fn publish(&self, topic: &str, message: &[u8]) {
        let channel = self.shared.keys.channel(topic);
        // A full queue drops it: hints may be lost, and nobody waits for them.
        let _ = self.outgoing.try_send((channel, message.to_vec()));
    }

    fn subscribe(&self, topic: &str) -> Receiver {
        let (receiver, first) = self.shared.topics.subscribe(topic);
        if !self.listens.swap(true, Ordering::SeqCst) {
            tokio::spawn(listen(Arc::downgrade(&self.shared)));
        } else if first {
            self.shared.topic.notify_one();
        } else {
            // Listening had begun: what was published before is lost for this one too.
            self.shared.topics.deliver(topic, Hint::Missed);
        }
        receiver
    }
}

/// Listens until the queue is closed, over any number of connections.
async fn listen(shared: Weak<Shared>) {
    let mut pause = Duration::from_millis(100);
    while let Some(shared) = shared.upgrade() {
        if shared.closed.is_cancelled() {
            return;
        }
        let mut began = false;
        if let Err(fault) = listen_once(&shared, &mut began).await {
            tracing::debug!(%fault, "hints cannot be received at present");
        }
        if began {
            pause = Duration::from_millis(100);
        }
        tokio::select! {
            () = tokio::time::sleep(jitter(pause)) => {}
            () = shared.closed.cancelled() => return,
        }
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}

/// Listens on one connection until it ends.
async fn listen_once(shared: &Shared, began: &mut bool) -> Result<(), Fault> {
    let link = shared.plug.single().await?;
    let mut messages = link.client.message_rx();
    let mut faults = link.client.error_rx();
    let mut subscribed = Vec::new();
    let prefix = shared.keys.channel_prefix();
    loop {
        let mut changed = false;
        for topic in shared.topics.names() {
            if !subscribed.contains(&topic) {
                link.subscribe(shared.keys.channel(&topic)).await?;
                subscribed.push(topic);
                changed = true;
            }
        }
        if changed {
            *began = true;
            shared.topics.missed();
        }
        tokio::select! {
            message = messages.recv() => match message {
                Ok(message) => {
                    let bytes = message.value.as_bytes().unwrap_or_default();
                    if let Some(topic) = message.channel.strip_prefix(&prefix) {
                        shared.topics.deliver(topic, Hint::Message(bytes.into()));
                    }
                }
                Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => shared.topics.missed(),
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return Ok(()),
            },
            () = shared.topic.notified() => {}
            () = tokio::time::sleep(ASK_EVERY) => link.ask().await?,
            _ = faults.recv() => return Err(Fault::Away("the connection ended".to_owned())),
            () = shared.closed.cancelled() => return Ok(()),
        }
    }
}

impl Link {
    async fn subscribe(&self, channel: String) -> Result<(), Fault> {
        let client = self.client.with_options(&self.options(Duration::ZERO));
        Ok(client.subscribe(channel).await?)
    }

    async fn ask(&self) -> Result<(), Fault> {
        let client = self.client.with_options(&self.options(Duration::ZERO));
        Ok(client.ping::<()>(None).await?)
    }
}
