//! The ServiceNow Table API, as far as incidents go.

mod query;
mod routes;
mod table;

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::RwLock;
use serde_json::{Value, json};

use crate::admission::Gate;
use crate::control::{Control, Settings};
use crate::server::Serving;
use table::Table;

/// Everything that the handlers share.
pub(crate) struct State {
    gate: Gate,
    table: RwLock<Table>,
}

impl State {
    fn stats(&self) -> Value {
        let table = self.table.read();
        json!({
            "requests": self.gate.requests(),
            "traces": self.gate.traces(),
            "incidents": table.len(),
            "correlations": table.correlations(),
            "duplicate_correlations": table.duplicates(),
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
    /// Starts to listen.
    pub async fn start(settings: Settings) -> std::io::Result<Self> {
        let state = Arc::new(State {
            gate: Gate::new(&settings),
            table: RwLock::new(Table::new(settings.user)),
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

    /// All incidents in the order of their creation.
    pub fn incidents(&self) -> Vec<Value> {
        self.state
            .table
            .read()
            .all()
            .map(|record| Value::Object(record.clone()))
            .collect()
    }

    /// Stops listening.
    pub async fn stop(self) {
        self.serving.stop().await;
    }
}
