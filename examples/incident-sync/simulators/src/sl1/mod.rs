//! The SL1 REST API, as far as events go.

mod routes;
mod store;

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::RwLock;
use serde_json::{Value, json};

use crate::admission::Gate;
use crate::control::{Control, Settings};
use crate::server::Serving;
use store::Store;

/// Everything that the handlers share.
pub(crate) struct State {
    gate: Gate,
    store: RwLock<Store>,
}

impl State {
    fn stats(&self) -> Value {
        let store = self.store.read();
        let (with_ticket, tickets) = store.tickets();
        json!({
            "requests": self.gate.requests(),
            "traces": self.gate.traces(),
            "events": store.len(),
            "events_with_ticket": with_ticket,
            "distinct_tickets": tickets,
            "writes": store.writes(),
            "settings": self.gate.control.to_json(),
        })
    }
}

/// A running simulator; it stops when dropped.
pub struct Server {
    state: Arc<State>,
    serving: Serving,
}

impl Server {
    /// Starts to listen, without events.
    pub async fn start(settings: Settings) -> std::io::Result<Self> {
        let state = Arc::new(State {
            gate: Gate::new(&settings),
            store: RwLock::default(),
        });
        let serving = Serving::start(settings.bind, routes::router(state.clone())).await?;
        Ok(Self { state, serving })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.serving.address
    }

    /// Base URL without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.serving.address)
    }

    /// The document of `GET /_sim/stats`.
    pub fn stats(&self) -> Value {
        self.state.stats()
    }

    /// The settings that can change while it runs.
    pub fn settings(&self) -> &Control {
        &self.state.gate.control
    }

    /// Adds events as [`crate::events::generate`] makes them; one with a known `eid` replaces it.
    /// Gives the number added; what has no numeric `eid` is left out.
    pub fn load(&self, events: impl IntoIterator<Item = Value>) -> usize {
        let mut store = self.state.store.write();
        events
            .into_iter()
            .filter(|event| store.put(event.clone()).is_ok())
            .count()
    }

    /// One event.
    pub fn event(&self, eid: u64) -> Option<Value> {
        self.state.store.read().get(eid).cloned().map(Value::Object)
    }

    /// All events by `eid`.
    pub fn events(&self) -> Vec<Value> {
        self.state
            .store
            .read()
            .all()
            .map(|(_, event)| Value::Object(event.clone()))
            .collect()
    }

    /// Stops listening.
    pub async fn stop(self) {
        self.serving.stop().await;
    }
}
