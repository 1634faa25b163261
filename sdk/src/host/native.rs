//! The mock host's side: state of the running test, found through the thread.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use crate::{
    cache::Refusal,
    http::{Failure, Incoming, Outgoing},
    log::Level,
};

/// Answers an HTTP request.
type Handler = Box<dyn FnMut(&Outgoing<'_>) -> Result<Incoming, Failure>>;

/// What a mock host holds.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) lines: Vec<(Level, String)>,
    pub(crate) cache: BTreeMap<String, String>,
    pub(crate) cache_denied: bool,
    pub(crate) handler: Option<Handler>,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<RefCell<State>>>> = const { RefCell::new(None) };
}

/// Takes the mock host away again, whatever happened in between.
pub(crate) struct Entered(Option<Rc<RefCell<State>>>);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// Makes `state` the host of this thread until the guard is dropped.
pub(crate) fn enter(state: Rc<RefCell<State>>) -> Entered {
    Entered(CURRENT.replace(Some(state)))
}

fn current() -> Option<Rc<RefCell<State>>> {
    CURRENT.with_borrow(Clone::clone)
}

pub(crate) fn log(level: Level, message: &str) {
    if let Some(state) = current() {
        state.borrow_mut().lines.push((level, message.to_owned()));
    }
}

fn cache<T>(action: impl FnOnce(&mut BTreeMap<String, String>) -> T) -> Result<T, Refusal> {
    let state = current()
        .ok_or_else(|| Refusal::Denied("no host: run the step in a MockHost".to_owned()))?;
    let mut state = state.borrow_mut();
    if state.cache_denied {
        return Err(Refusal::Denied(
            "the SyncPack holds no grant of kind \"cache\"".to_owned(),
        ));
    }
    Ok(action(&mut state.cache))
}

pub(crate) fn cache_get(key: &str) -> Result<Option<String>, Refusal> {
    cache(|records| records.get(key).cloned())
}

pub(crate) fn cache_put(key: &str, value: &str, _ttl_seconds: Option<u64>) -> Result<(), Refusal> {
    cache(|records| {
        records.insert(key.to_owned(), value.to_owned());
    })
}

pub(crate) fn cache_delete(key: &str) -> Result<bool, Refusal> {
    cache(|records| records.remove(key).is_some())
}

pub(crate) fn send(request: &Outgoing<'_>) -> Result<Incoming, Failure> {
    let Some(state) = current() else {
        return Err(Failure::Denied(
            "no host: run the step in a MockHost".to_owned(),
        ));
    };
    // Taken out while it runs, so that the handler may look at the host.
    let Some(mut handler) = state.borrow_mut().handler.take() else {
        return Err(Failure::Denied(
            "this MockHost answers no HTTP: give it a handler with http(…)".to_owned(),
        ));
    };
    let answer = handler(request);
    state.borrow_mut().handler.get_or_insert(handler);
    answer.and_then(|answer| {
        if answer.body.len() > request.limit {
            Err(Failure::TooLarge {
                limit: request.limit,
            })
        } else {
            Ok(answer)
        }
    })
}
