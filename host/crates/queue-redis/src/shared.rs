//! What all parts of a queue on Redis share: the connection for everything that does not
//! wait, the names, the state.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fred::types::{Value, config::ServerConfig};
use parking_lot::Mutex;
use queue::{Delivery, Error, Incarnation};
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    StartError,
    acks::Acks,
    answers,
    hints::RedisHints,
    interest::Interest,
    keys::{GROUP, Keys, OPENED},
    link::{Fault, Link, Plug, strange},
    outage::Outage,
    reader::{self, Reader},
    scripts,
    settings::Settings,
    state::State,
};

pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) keys: Keys,
    pub(crate) plug: Plug,
    pub(crate) clustered: bool,
    pub(crate) main: Arc<Link>,
    pub(crate) outage: Arc<Outage>,
    pub(crate) hints: Arc<RedisHints>,
    pub(crate) state: Mutex<State>,
    pub(crate) acks: Acks,
    pub(crate) closed: CancellationToken,
    /// The readers, which give back at their end what nobody received.
    pub(crate) reading: TaskTracker,
    pub(crate) watched: Mutex<bool>,
    /// The server's version, once it was there.
    pub(crate) version: Mutex<Option<String>>,
}

/// A random part of a quarter more or less, so that processes do not come all at once.
pub(crate) fn jitter(pause: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness they come at once.
    let _ = getrandom::fill(&mut byte);
    pause * 3 / 4 + pause * u32::from(byte[0]) / 512
}

impl Shared {
    pub(crate) fn new(settings: Settings) -> Result<Arc<Self>, StartError> {
        let keys = Keys::new(&settings.prefix);
        let plug = Plug::new(&settings, keys.slot)?;
        let server = &settings.address.config.server;
        let outage = Arc::new(Outage::new(settings.address.to_string()));
        let main = plug
            .lasting()
            .map_err(|fault| StartError::Client(fault.to_string()))?;
        let main = Arc::new(main);
        let closed = CancellationToken::new();
        Ok(Arc::new(Self {
            clustered: matches!(server, ServerConfig::Clustered { .. }),
            hints: Arc::new(RedisHints::new(
                plug.clone(),
                Arc::clone(&main),
                keys.clone(),
                closed.clone(),
            )),
            acks: Acks::start(Arc::clone(&main), Arc::clone(&outage)),
            main,
            outage,
            keys,
            plug,
            settings,
            state: Mutex::default(),
            closed,
            reading: TaskTracker::new(),
            watched: Mutex::new(false),
            version: Mutex::default(),
        }))
    }

    /// The end of a dead letter's reason.
    pub(crate) fn reason(&self) -> String {
        answers::reason(self.settings.limits.lease)
    }

    /// Notes how a call ended.
    pub(crate) fn seen<T>(&self, answer: Result<T, Fault>) -> Result<T, Error> {
        match answer {
            Ok(value) => {
                self.outage.answered();
                Ok(value)
            }
            Err(fault) => Err(self.outage.failed(&fault)),
        }
    }

    /// Makes queues known, with the groups of their lanes.
    pub(crate) async fn open(
        &self,
        link: &Link,
        queues: &[Arc<str>],
    ) -> Result<Incarnation, Fault> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)
            .map_err(|error| Fault::Away(format!("no randomness: {error}")))?;
        let mut keys = vec![self.keys.incarnation.clone(), self.keys.names.clone()];
        let mut args: Vec<Value> = vec![
            GROUP.into(),
            format!("{:032x}", u128::from_be_bytes(random)).into(),
            self.keys.channel(OPENED).into(),
        ];
        for queue in queues {
            for high in [true, false] {
                keys.push(self.keys.lane(queue, high).stream.clone());
            }
            keys.push(self.keys.bell(queue));
            args.push(queue.to_string().into());
        }
        let answer = link.run(&scripts::OPEN, &keys, args).await?;
        let incarnation =
            answers::incarnation(&answer).ok_or_else(|| strange("its incarnation"))?;
        self.outage.lives(incarnation);
        Ok(incarnation)
    }

    /// All queues there are, by name.
    pub(crate) async fn queues(&self, link: &Link) -> Result<Vec<Arc<str>>, Fault> {
        let answer = link.call("SMEMBERS", vec![self.keys.names.clone()]).await?;
        let mut queues: Vec<Arc<str>> = answer
            .into_array()
            .iter()
            .filter_map(|name| name.as_bytes_str().map(|name| Arc::from(&*name)))
            .collect();
        queues.sort_unstable();
        Ok(queues)
    }

    /// Takes what is there or, when nothing is, joins those who wait with `bell`.
    pub(crate) fn take_or_wait(
        self: &Arc<Self>,
        interest: &Interest,
        max: usize,
        bell: &Arc<Notify>,
    ) -> Result<Vec<Delivery>, Error> {
        let mut state = self.state.lock();
        state.check_open()?;
        let taken = state.take(interest, max);
        if taken.is_empty() {
            let reader = self.reader(&mut state, interest);
            state.wait(&reader, max, bell);
            reader.wanted.notify_one();
        }
        state.wake();
        Ok(taken)
    }

    /// The reader for this interest, which begins on use.
    fn reader(self: &Arc<Self>, state: &mut State, interest: &Interest) -> Arc<Reader> {
        if let Some(reader) = state.readers.get(interest) {
            return Arc::clone(reader);
        }
        let taken = |number| state.readers.values().any(|reader| reader.number == number);
        let number = (0..=state.readers.len())
            .find(|number| !taken(*number))
            .unwrap_or_default();
        let consumer = match number {
            0 => self.settings.consumer.clone(),
            more => format!("{}:{more}", self.settings.consumer),
        };
        let reader = Arc::new(Reader {
            interest: interest.clone(),
            consumer: consumer.into(),
            number,
            wanted: Notify::new(),
            unwanted: Notify::new(),
        });
        state.readers.insert(interest.clone(), Arc::clone(&reader));
        self.reading
            .spawn(reader::run(Arc::clone(self), Arc::clone(&reader)));
        reader
    }

    /// A receiver has gone without taking anything.
    pub(crate) fn leave(&self, interest: &Interest, bell: &Arc<Notify>) {
        let mut state = self.state.lock();
        if state.leave(bell) {
            if let Some(reader) = state.readers.get(interest)
                && state.demand(reader) == 0
            {
                reader.unwanted.notify_one();
            }
        } else {
            state.wake();
        }
    }

    /// Looks at the incarnation from time to time, once somebody wants to know it. A
    /// reader sees it with each read, but a process that does not receive has none.
    pub(crate) fn watch(self: &Arc<Self>) {
        if std::mem::replace(&mut *self.watched.lock(), true) {
            return;
        }
        let shared = Arc::downgrade(self);
        let closed = self.closed.clone();
        tokio::spawn(async move {
            loop {
                let Some(shared) = shared.upgrade() else {
                    return;
                };
                let asked = Instant::now();
                if shared.outage.health.receiver_count() > 0 {
                    let _ = shared.seen(shared.check_incarnation().await);
                }
                drop(shared);
                let next = asked + jitter(Duration::from_secs(1));
                tokio::select! {
                    () = tokio::time::sleep_until(next.into()) => {}
                    () = closed.cancelled() => return,
                }
            }
        });
    }

    async fn check_incarnation(&self) -> Result<(), Fault> {
        let answer = self
            .main
            .call("GET", vec![self.keys.incarnation.clone()])
            .await?;
        match answers::incarnation(&answer) {
            Some(incarnation) => {
                self.outage.lives(incarnation);
            }
            None => {
                self.open(&self.main, &[]).await?;
            }
        }
        Ok(())
    }
}
