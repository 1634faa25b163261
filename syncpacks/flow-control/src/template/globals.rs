//! Functions that every template has.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use minijinja::{
    Environment, Error, ErrorKind, State, Value,
    value::{Kwargs, Object, ObjectRepr, from_args},
};

use super::{value::Dict, wrong};

pub(super) fn add(environment: &mut Environment<'_>) {
    environment.add_function("dict", dict);
    environment.add_function("cycler", |items: minijinja::value::Rest<Value>| {
        Cycler::of(items.0)
    });
    environment.add_function("joiner", minijinja_contrib::globals::joiner);
    // Of the engine, not of Jinja2.
    environment.remove_global("debug");
}

fn dict(with: Option<Value>, named: Kwargs) -> Result<Value, Error> {
    let made = Dict::default();
    made.update(with.as_ref(), &named)?;
    Ok(Value::from_object(made))
}

/// Values in turn.
#[derive(Debug)]
struct Cycler {
    items: Vec<Value>,
    at: AtomicUsize,
}

impl Cycler {
    fn of(items: Vec<Value>) -> Result<Value, Error> {
        if items.is_empty() {
            return Err(wrong("TypeError: at least one item has to be provided"));
        }
        let at = AtomicUsize::new(0);
        Ok(Value::from_object(Self { items, at }))
    }

    fn current(&self) -> Value {
        let at = self.at.load(Ordering::Relaxed) % self.items.len();
        self.items.get(at).cloned().unwrap_or_default()
    }
}

impl Object for Cycler {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str() == Some("current")).then(|| self.current())
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let () = from_args(args)?;
        match method {
            "next" => {
                let current = self.current();
                self.at.fetch_add(1, Ordering::Relaxed);
                Ok(current)
            }
            "reset" => {
                self.at.store(0, Ordering::Relaxed);
                Ok(Value::from(()))
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}
