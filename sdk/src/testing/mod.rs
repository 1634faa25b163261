//! A mock host: runs a step natively, through the same reading of parameters and the
//! same HTTP client as in a component; only the transport is replaced.

mod http;

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use serde::Serialize;
use serde_json::{Map, Value, json};

pub use http::{MockRequest, MockResponse};

use crate::{
    Execute, Level, Output, Result, Secret, StepEntry,
    host::{self, State},
    secret::HANDLE,
    step::Invocation,
};

/// What a step meets in a test: parameters, data of earlier steps, cache and a server.
pub struct MockHost {
    parameters: Map<String, Value>,
    data: Map<String, Value>,
    run: Map<String, Value>,
    secrets: Rc<RefCell<BTreeMap<String, String>>>,
    requests: Rc<RefCell<Vec<MockRequest>>>,
    state: Rc<RefCell<State>>,
}

impl Default for MockHost {
    fn default() -> Self {
        Self::new()
    }
}

impl MockHost {
    /// A host that gives nothing, keeps every line of the log, and answers no HTTP.
    pub fn new() -> Self {
        let run = json!({
            "run_id": "isapp-00000000-0000-7000-8000-000000000001",
            "task_id": "istask-00000000-0000-7000-8000-000000000002",
            "application": "mock", "step": "mock", "configuration": null, "attempt": 1,
            "idempotency_key": "mock-idempotency-key", "log_level": 10, "tenant": "default",
        });
        Self {
            parameters: Map::new(),
            data: Map::new(),
            run: match run {
                Value::Object(run) => run,
                _ => Map::new(),
            },
            secrets: Rc::default(),
            requests: Rc::default(),
            state: Rc::default(),
        }
    }

    /// Gives a parameter.
    ///
    /// # Panics
    /// When serde cannot write the value as JSON.
    pub fn parameter(mut self, name: &str, value: impl Serialize) -> Self {
        self.parameters.insert(name.to_owned(), value_of(&value));
        self
    }

    /// Gives a secret parameter: the step gets a handle, the server gets the secret.
    pub fn secret(mut self, name: &str, secret: &str) -> Self {
        let handle = format!("{HANDLE}mock-{}", self.secrets.borrow().len() + 1);
        self.parameters
            .insert(name.to_owned(), Value::String(handle.clone()));
        self.secrets.borrow_mut().insert(handle, secret.to_owned());
        self
    }

    /// Connects an earlier step and gives its data.
    ///
    /// # Panics
    /// When serde cannot write the value as JSON.
    pub fn data(mut self, step: &str, value: impl Serialize) -> Self {
        self.data.insert(step.to_owned(), value_of(&value));
        self
    }

    /// Sets a key of the description of the run, such as `attempt` or `log_level`.
    ///
    /// # Panics
    /// When serde cannot write the value as JSON.
    pub fn run_info(mut self, key: &str, value: impl Serialize) -> Self {
        self.run.insert(key.to_owned(), value_of(&value));
        self
    }

    /// Puts a record into the cache.
    ///
    /// # Panics
    /// When serde cannot write the value as JSON.
    pub fn cache(self, key: &str, value: impl Serialize) -> Self {
        self.state
            .borrow_mut()
            .cache
            .insert(key.to_owned(), value_of(&value).to_string());
        self
    }

    /// Refuses the cache, as the host does without a grant.
    pub fn deny_cache(self) -> Self {
        self.state.borrow_mut().cache_denied = true;
        self
    }

    /// Answers HTTP requests. The request shows what a server would see: secrets in
    /// the place of their handles.
    pub fn http(self, mut handler: impl FnMut(&MockRequest) -> MockResponse + 'static) -> Self {
        let (secrets, requests) = (Rc::clone(&self.secrets), Rc::clone(&self.requests));
        self.state.borrow_mut().handler = Some(Box::new(move |outgoing| {
            let request = MockRequest::new(outgoing, &secrets.borrow());
            requests.borrow_mut().push(request.clone());
            handler(&request).into_incoming()
        }));
        self
    }

    /// Executes the step `S` once.
    pub fn run<S: Execute>(&self) -> Result<Output> {
        let text = |map: &Map<String, Value>| Value::Object(map.clone()).to_string();
        let invocation = Invocation {
            parameters: text(&self.parameters),
            data: text(&self.data),
            context: text(&self.run),
        };
        let _entered = host::enter(Rc::clone(&self.state));
        StepEntry::of::<S>().run(invocation)
    }

    /// The lines of the log so far.
    pub fn log_lines(&self) -> Vec<(Level, String)> {
        self.state.borrow().lines.clone()
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<MockRequest> {
        self.requests.borrow().clone()
    }

    /// The record of the cache under `key`.
    pub fn cached(&self, key: &str) -> Option<Value> {
        serde_json::from_str(self.state.borrow().cache.get(key)?).ok()
    }
}

/// A secret that holds `text`, for testing functions that take one.
pub fn secret(text: &str) -> Secret {
    Secret::from_text(text)
}

#[expect(
    clippy::expect_used,
    reason = "a mistake in a test should stop the test"
)]
fn value_of(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("a value that serde can write as JSON")
}
