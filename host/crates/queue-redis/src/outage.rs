//! One word in the log when Redis goes away and one when it is back, whatever fails in
//! between and however often.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use parking_lot::Mutex;
use queue::{Health, Incarnation};
use tokio::sync::watch;

use crate::link::Fault;

pub(crate) struct Outage {
    away: AtomicBool,
    since: Mutex<Option<Instant>>,
    pub(crate) health: watch::Sender<Health>,
    server: String,
}

impl Outage {
    pub(crate) fn new(server: String) -> Self {
        Self {
            away: AtomicBool::new(false),
            since: Mutex::new(None),
            health: watch::Sender::new(Health {
                incarnation: None,
                available: true,
            }),
            server,
        }
    }

    /// A call failed. Answers what the caller is told.
    pub(crate) fn failed(&self, fault: &Fault) -> queue::Error {
        if let Fault::Refused(why) = fault {
            tracing::error!(server = %self.server, why, "Redis refused a command");
        }
        if let Fault::Away(why) = fault
            && !self.away.swap(true, Ordering::SeqCst)
        {
            *self.since.lock() = Some(Instant::now());
            tracing::warn!(
                server = %self.server,
                why,
                "Redis does not answer; what it should be told waits in the store"
            );
            self.health
                .send_if_modified(|health| std::mem::replace(&mut health.available, false));
        }
        queue::Error::Unavailable(fault.to_string())
    }

    /// A call was answered.
    pub(crate) fn answered(&self) {
        if self.away.load(Ordering::Relaxed) && self.away.swap(false, Ordering::SeqCst) {
            let since = self.since.lock().take();
            let seconds = since.map_or(0.0, |since| since.elapsed().as_secs_f64());
            tracing::info!(server = %self.server, seconds, "Redis answers again");
            self.health
                .send_if_modified(|health| !std::mem::replace(&mut health.available, true));
        }
    }

    /// Redis said which life it lives. Answers whether it is another than before.
    pub(crate) fn lives(&self, incarnation: Incarnation) -> bool {
        let before = self.health.borrow().incarnation;
        if before == Some(incarnation) {
            return false;
        }
        if before.is_some() {
            tracing::warn!(server = %self.server, "Redis has lost what it held");
        }
        self.health.send_if_modified(|health| {
            health.incarnation.replace(incarnation) != Some(incarnation)
        });
        true
    }
}
