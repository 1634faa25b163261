//! What every handler can reach.

use std::{ops::Deref, sync::Arc, time::Duration};

use engine::Engine;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    audit::Refusals,
    auth::{credentials::Credentials, sessions::Sessions},
};

/// What the API is made of.
#[derive(Clone)]
pub struct State {
    /// Does the work.
    pub engine: Engine,
    /// How callers prove who they are.
    pub auth: AuthSettings,
    /// How much of everything is taken.
    pub limits: Limits,
    /// No connection is accepted any more: answers without an end of their own end.
    pub closing: CancellationToken,
}

/// How callers prove who they are.
#[derive(Clone, Debug)]
pub struct AuthSettings {
    /// The realm that browsers show when they ask for a password.
    pub realm: String,
    /// For how long a verified password is remembered.
    pub remember: Duration,
    /// After how long a remembered account is compared with the stored one, so that
    /// a changed password, role or a disabled account counts at most so much later.
    pub recheck: Duration,
    /// After how long without use a session of a browser ends.
    pub session_idle: Duration,
    /// After how long a session of a browser ends, used or not.
    pub session_lifetime: Duration,
    /// How many passwords are verified at a time; each takes about 19 MiB.
    pub verifications: usize,
    /// How many requests may wait for a verification; more are answered with 429.
    pub waiting: usize,
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self {
            realm: "PowerFlow".to_owned(),
            remember: Duration::from_mins(1),
            recheck: Duration::from_secs(1),
            session_idle: Duration::from_hours(8),
            session_lifetime: Duration::from_hours(7 * 24),
            verifications: 2,
            waiting: 256,
        }
    }
}

/// How much of everything is taken. Sizes are in bytes.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The largest application or configuration object.
    pub document: usize,
    /// The largest other request body, such as a run's parameters.
    pub request: usize,
    /// The largest SyncPack.
    pub pack: usize,
    /// How many requests are worked on at a time; more are answered with 429.
    pub concurrent: usize,
    /// How many SyncPacks are received at a time, for each is held in memory.
    pub uploads: usize,
    /// How many runs are followed at a time; more are answered with 429.
    pub followers: usize,
    /// How long a run is followed by one request.
    pub follow: Duration,
    /// How long a request may take.
    pub timeout: Duration,
    /// How long receiving, installing or activating a SyncPack may take.
    pub pack_timeout: Duration,
    /// The longest `wait` of a run request.
    pub wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document: 2 << 20,
            request: 8 << 20,
            pack: 256 << 20,
            concurrent: 2048,
            uploads: 2,
            followers: 256,
            follow: Duration::from_mins(5),
            timeout: Duration::from_mins(1),
            pack_timeout: Duration::from_mins(15),
            wait: Duration::from_secs(30),
        }
    }
}

/// [`State`] with what belongs to the process, shared by all requests.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) credentials: Credentials,
    pub(crate) sessions: Sessions,
    pub(crate) refusals: Refusals,
    pub(crate) limits: Limits,
    pub(crate) requests: Semaphore,
    pub(crate) uploads: Arc<Semaphore>,
    pub(crate) followers: Arc<Semaphore>,
    pub(crate) closing: CancellationToken,
}

impl Shared {
    pub(crate) fn new(state: State) -> Self {
        let store = state.engine.store();
        Self(Arc::new(Inner {
            sessions: Sessions::new(store.clone(), state.auth.clone()),
            credentials: Credentials::new(store, state.auth),
            refusals: Refusals::default(),
            requests: Semaphore::new(state.limits.concurrent.clamp(1, Semaphore::MAX_PERMITS)),
            uploads: Arc::new(Semaphore::new(
                state.limits.uploads.clamp(1, Semaphore::MAX_PERMITS),
            )),
            followers: Arc::new(Semaphore::new(
                state.limits.followers.clamp(1, Semaphore::MAX_PERMITS),
            )),
            closing: state.closing,
            engine: state.engine,
            limits: state.limits,
        }))
    }
}

impl Deref for Shared {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}
