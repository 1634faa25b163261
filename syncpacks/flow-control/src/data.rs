//! The data that templates see: that of the connected steps, by name and as `input`.

use std::sync::{Arc, OnceLock};

use minijinja::{
    Value,
    value::{Enumerator, Object},
};
use powerflow_sdk::{Context, Result};
use serde_json::value::RawValue;

use crate::template::json;

/// What a reference in a template is called; the compiler of applications says so.
const REFERENCE: &str = "__ref";

/// A JSON text that is read when a template first asks for it.
#[derive(Debug)]
struct Lazy {
    json: Box<str>,
    value: OnceLock<Value>,
}

impl Lazy {
    fn new(json: &str) -> Arc<Self> {
        Arc::new(Self {
            json: json.into(),
            value: OnceLock::new(),
        })
    }

    fn get(&self) -> Value {
        self.value.get_or_init(|| json::read(&self.json)).clone()
    }
}

/// The data of steps by name, in the order of their connection.
#[derive(Debug, Default)]
pub struct Data(Vec<(Box<str>, Arc<Lazy>)>);

impl Data {
    /// The data of the steps of these names; null for one that did not run.
    ///
    /// # Errors
    /// What the host's data cannot be read for.
    pub fn of(cx: &Context, connected: &[String]) -> Result<Self> {
        let with_data = cx.connected()?;
        let of = |name: &String| {
            let data = if with_data.contains(&name.as_str()) {
                Lazy::new(cx.raw(name)?.text())
            } else {
                Lazy::new("null")
            };
            Ok((name.as_str().into(), data))
        };
        connected.iter().map(of).collect::<Result<_>>().map(Self)
    }

    /// Data as JSON texts by name.
    pub fn new<'n>(data: impl IntoIterator<Item = (&'n str, &'n str)>) -> Self {
        let of = |(name, json): (&str, &str)| (name.into(), Lazy::new(json));
        Self(data.into_iter().map(of).collect())
    }

    /// What the names in a template mean.
    pub(crate) fn root(&self, references: &[Box<RawValue>]) -> Value {
        let steps = Members(self.0.clone());
        let mut root = Members(Vec::with_capacity(2 * self.0.len() + references.len() + 2));
        let input = match self.0.as_slice() {
            [(_, only)] => only.clone(),
            _ => Arc::new(Lazy {
                json: Box::default(),
                value: OnceLock::from(Value::from_object(Members(self.0.clone()))),
            }),
        };
        let steps = Arc::new(Lazy {
            json: Box::default(),
            value: OnceLock::from(Value::from_object(steps)),
        });
        root.0.push(("input".into(), input));
        root.0.push(("steps".into(), steps));
        for (number, reference) in references.iter().enumerate() {
            let name = format!("{REFERENCE}{number}").into();
            root.0.push((name, Lazy::new(reference.get())));
        }
        root.0.extend(self.0.iter().cloned());
        for (name, data) in &self.0 {
            root.0
                .extend(variable(name).map(|name| (name, data.clone())));
        }
        Value::from_object(root)
    }
}

/// Values by name; of several of one name the first counts.
#[derive(Debug)]
struct Members(Vec<(Box<str>, Arc<Lazy>)>);

impl Object for Members {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let (_, found) = self.0.iter().find(|(name, _)| **name == *key)?;
        Some(found.get())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names = self.0.iter().map(|(name, _)| Value::from(&**name));
        Enumerator::Values(names.collect())
    }
}

/// The name that a template can write, where it cannot write the step's own: every other
/// character becomes `_`.
fn variable(name: &str) -> Option<Box<str>> {
    let may = |c: char| c == '_' || c.is_alphanumeric();
    let starts = |c: char| may(c) && !c.is_numeric();
    if name.starts_with(starts) && name.chars().all(may) {
        return None;
    }
    let mut made = String::with_capacity(name.len() + 1);
    if !name.starts_with(starts) && name.starts_with(may) {
        made.push('_');
    }
    made.extend(name.chars().map(|c| if may(c) { c } else { '_' }));
    Some(made.into())
}
