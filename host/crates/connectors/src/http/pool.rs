//! Connections that wait for their next request.
//!
//! A request holds one of its origin's slots from before it takes a connection until after it has
//! given the connection back, so idle and busy connections together never exceed the slots.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use hyper::client::conn::http1::SendRequest;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;

use super::Host;
use super::body::Outgoing;
use super::connector::Settings;

/// What two requests must share to share a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) tenant: i64,
    pub(super) pack: Arc<str>,
    pub(super) grant: Arc<str>,
    /// The connection may lead to a private address.
    pub(super) private: bool,
    pub(super) https: bool,
    pub(super) host: Host,
    pub(super) port: u16,
    /// Name of the TLS identity.
    pub(super) identity: Arc<str>,
}

/// One open connection; dropping it closes it at once.
pub(super) struct Connection {
    pub(super) sender: SendRequest<Outgoing>,
    driver: AbortHandle,
    opened: Instant,
    idle_since: Instant,
    pub(super) reused: bool,
    /// Its part of what all may hold together.
    _room: OwnedSemaphorePermit,
}

impl Connection {
    pub(super) fn new(
        sender: SendRequest<Outgoing>,
        driver: AbortHandle,
        room: OwnedSemaphorePermit,
    ) -> Self {
        let now = Instant::now();
        Self {
            sender,
            driver,
            opened: now,
            idle_since: now,
            reused: false,
            _room: room,
        }
    }
}

/// What all origins may hold together.
struct Room {
    permits: Arc<Semaphore>,
    /// Those who wait for a connection to close: none is kept for later meanwhile.
    waiting: AtomicUsize,
}

/// One who waits.
struct Waiting<'room>(&'room Room);

impl<'room> Waiting<'room> {
    fn new(room: &'room Room) -> Self {
        room.waiting.fetch_add(1, Ordering::SeqCst);
        Self(room)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The driver owns the socket: without it the connection is gone, whatever it was doing.
        self.driver.abort();
    }
}

/// The connections of one key.
pub(super) struct Origin {
    idle: Mutex<Idle>,
    slots: Arc<Semaphore>,
    settings: Arc<Settings>,
    room: Arc<Room>,
}

#[derive(Default)]
struct Idle {
    connections: VecDeque<Connection>,
    /// Evicted: what comes back is closed.
    retired: bool,
}

impl Origin {
    fn new(settings: Arc<Settings>, room: Arc<Room>) -> Self {
        let slots = Arc::new(Semaphore::new(settings.max_connections));
        Self {
            idle: Mutex::default(),
            slots,
            settings,
            room,
        }
    }

    /// Waits for a slot.
    pub(super) async fn slot(self: &Arc<Self>) -> Option<Slot> {
        let permit = match self.slots.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.slots.clone().acquire_owned().await.ok()?,
        };
        Some(Slot {
            origin: self.clone(),
            _permit: permit,
        })
    }

    fn expired(&self, connection: &Connection, now: Instant) -> bool {
        connection.sender.is_closed()
            || now.duration_since(connection.idle_since) >= self.settings.idle_timeout
            || now.duration_since(connection.opened) >= self.settings.max_lifetime
    }

    /// Closes what has expired; true if nothing is left and nobody uses the origin.
    fn sweep(self: &Arc<Self>, now: Instant) -> bool {
        let mut idle = self.idle.lock();
        idle.connections
            .retain(|connection| !self.expired(connection, now));
        idle.connections.is_empty() && Arc::strong_count(self) == 1
    }

    fn retire(&self) {
        let mut idle = self.idle.lock();
        idle.retired = true;
        idle.connections.clear();
    }
}

/// The right to use one connection of an origin.
pub(super) struct Slot {
    origin: Arc<Origin>,
    _permit: OwnedSemaphorePermit,
}

impl Slot {
    /// The connection that was used last, so that the others can age.
    pub(super) fn take_idle(&self) -> Option<Connection> {
        let now = Instant::now();
        let mut idle = self.origin.idle.lock();
        while let Some(mut connection) = idle.connections.pop_back() {
            if !self.origin.expired(&connection, now) {
                connection.reused = true;
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose exchange is complete, and gives the slot back after that.
    pub(super) fn keep(self, mut connection: Connection) {
        let now = Instant::now();
        connection.idle_since = now;
        let mut idle = self.origin.idle.lock();
        let wanted = self.origin.room.waiting.load(Ordering::SeqCst) > 0;
        if wanted || idle.retired || self.origin.expired(&connection, now) {
            return;
        }
        idle.connections.push_back(connection);
        if idle.connections.len() > self.origin.settings.max_idle {
            idle.connections.pop_front();
        }
    }
}

/// What the pool has done and holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Connections opened since the start.
    pub opened: u64,
    /// Requests that went over a connection used before.
    pub reused: u64,
    /// Connections open and waiting.
    pub idle: usize,
    /// Origins known.
    pub origins: usize,
}

/// All connections of one connector.
pub(super) struct Pool {
    settings: Arc<Settings>,
    room: Arc<Room>,
    state: Mutex<State>,
    pub(super) opened: AtomicU64,
    pub(super) reused: AtomicU64,
}

#[derive(Default)]
struct State {
    origins: HashMap<Key, Arc<Origin>>,
    sweeping: bool,
}

impl Pool {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        let room = Room {
            permits: Arc::new(Semaphore::new(
                settings.max_connections_of_all.min(Semaphore::MAX_PERMITS),
            )),
            waiting: AtomicUsize::new(0),
        };
        Self {
            settings,
            room: Arc::new(room),
            state: Mutex::default(),
            opened: AtomicU64::new(0),
            reused: AtomicU64::new(0),
        }
    }

    /// The origin of a key; the first one starts the sweeper, which ends when none is left.
    pub(super) fn origin(self: &Arc<Self>, key: Key) -> Arc<Origin> {
        let mut state = self.state.lock();
        if !state.sweeping {
            state.sweeping = true;
            tokio::spawn(sweep(
                Sweeping(Arc::downgrade(self)),
                self.settings.idle_timeout / 2,
            ));
        }
        state
            .origins
            .entry(key)
            .or_insert_with(|| Arc::new(Origin::new(self.settings.clone(), self.room.clone())))
            .clone()
    }

    /// Waits for room for a new connection; closes an idle one of another origin for it.
    pub(super) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        let permits = &self.room.permits;
        if let Ok(room) = permits.clone().try_acquire_owned() {
            return Some(room);
        }
        let _waiting = Waiting::new(&self.room);
        self.close_idlest();
        permits.clone().acquire_owned().await.ok()
    }

    fn close_idlest(&self) {
        let state = self.state.lock();
        let idlest = state
            .origins
            .values()
            .filter_map(|origin| {
                let idle = origin.idle.lock();
                Some((idle.connections.front()?.idle_since, origin))
            })
            .min_by_key(|(since, _)| *since);
        if let Some((_, origin)) = idlest {
            origin.idle.lock().connections.pop_front();
        }
    }

    /// Forgets the origins that match; their idle connections close now, the busy ones after their
    /// response.
    pub(super) fn evict(&self, matches: impl Fn(&Key) -> bool) {
        let mut state = self.state.lock();
        state.origins.retain(|key, origin| {
            let evicted = matches(key);
            if evicted {
                origin.retire();
            }
            !evicted
        });
    }

    pub(super) fn stats(&self) -> Stats {
        let state = self.state.lock();
        Stats {
            opened: self.opened.load(Ordering::Relaxed),
            reused: self.reused.load(Ordering::Relaxed),
            idle: state
                .origins
                .values()
                .map(|origin| origin.idle.lock().connections.len())
                .sum(),
            origins: state.origins.len(),
        }
    }

    /// Removes what has expired; false if nothing is left to watch.
    fn sweep(&self) -> bool {
        let now = Instant::now();
        let mut state = self.state.lock();
        state.origins.retain(|_, origin| !origin.sweep(now));
        state.sweeping = !state.origins.is_empty();
        state.sweeping
    }
}

/// Lets the next request start a new sweeper if this one's runtime goes away under it.
struct Sweeping(Weak<Pool>);

impl Drop for Sweeping {
    fn drop(&mut self) {
        if let Some(pool) = self.0.upgrade() {
            pool.state.lock().sweeping = false;
        }
    }
}

async fn sweep(mut sweeping: Sweeping, every: Duration) {
    loop {
        tokio::time::sleep(every.max(Duration::from_millis(10))).await;
        let Some(pool) = sweeping.0.upgrade() else {
            return;
        };
        if !pool.sweep() {
            // The flag is down already, and another sweeper may have raised it since.
            sweeping.0 = Weak::new();
            return;
        }
    }
}
