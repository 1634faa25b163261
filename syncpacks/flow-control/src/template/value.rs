//! Lists and dicts that can be changed, as Python's can.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;
use minijinja::{
    Error, ErrorKind, State, Value,
    value::{Enumerator, Kwargs, Object, ObjectRepr, ValueKind, from_args},
};

use super::{list, wrong};

/// A list.
#[derive(Debug, Default)]
pub struct List(Mutex<Vec<Value>>);

/// A dict; keys stay in the order in which they came.
#[derive(Debug, Default)]
pub struct Dict(Mutex<IndexMap<Value, Value>>);

fn none() -> Value {
    Value::from(())
}

/// The name that errors of Python begin with.
fn error(kind: &str, message: &str) -> Error {
    wrong(format!("{kind}: {message}"))
}

impl List {
    /// A list of these values.
    pub fn new(values: Vec<Value>) -> Self {
        Self(Mutex::new(values))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An index as Python counts: negative ones from the end.
    fn place(index: i64, length: usize) -> Option<usize> {
        let length = length as i64;
        let at = if index < 0 { index + length } else { index };
        (0..length).contains(&at).then_some(at as usize)
    }

    fn sort(&self, reverse: bool) -> Result<(), Error> {
        let mut values = self.lock().clone();
        for pair in values.windows(2) {
            comparable(&pair[0], &pair[1])?;
        }
        values.sort_by(Value::cmp);
        if reverse {
            values.reverse();
        }
        *self.lock() = values;
        Ok(())
    }
}

fn comparable(a: &Value, b: &Value) -> Result<(), Error> {
    let number = |value: &Value| matches!(value.kind(), ValueKind::Number | ValueKind::Bool);
    if a.kind() == b.kind() || (number(a) && number(b)) {
        return Ok(());
    }
    Err(error(
        "TypeError",
        &format!("'<' not supported between {} and {}", a.kind(), b.kind()),
    ))
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let values = self.lock();
        let at = Self::place(key.as_i64()?, values.len())?;
        values.get(at).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.lock().clone())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.lock().len())
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let _ = &state;
        match method {
            "append" => {
                let (value,): (Value,) = from_args(args)?;
                self.lock().push(value);
            }
            "extend" => {
                let (more,): (Value,) = from_args(args)?;
                let more: Vec<Value> = more.try_iter()?.collect();
                self.lock().extend(more);
            }
            "insert" => {
                let (index, value): (i64, Value) = from_args(args)?;
                let mut values = self.lock();
                let length = values.len() as i64;
                let at = if index < 0 { index + length } else { index };
                values.insert(at.clamp(0, length) as usize, value);
            }
            "pop" => {
                let (index,): (Option<i64>,) = from_args(args)?;
                let mut values = self.lock();
                if values.is_empty() {
                    return Err(error("IndexError", "pop from empty list"));
                }
                let at = Self::place(index.unwrap_or(-1), values.len())
                    .ok_or_else(|| error("IndexError", "pop index out of range"))?;
                return Ok(values.remove(at));
            }
            "remove" => {
                let (value,): (Value,) = from_args(args)?;
                let at = self.lock().iter().position(|one| *one == value);
                let at = at.ok_or_else(|| error("ValueError", "list.remove(x): x not in list"))?;
                self.lock().remove(at);
            }
            "index" => {
                let (value,): (Value,) = from_args(args)?;
                let at = self.lock().iter().position(|one| *one == value);
                return at
                    .map(Value::from)
                    .ok_or_else(|| error("ValueError", "the value is not in list"));
            }
            "count" => {
                let (value,): (Value,) = from_args(args)?;
                let count = self.lock().iter().filter(|one| **one == value).count();
                return Ok(Value::from(count));
            }
            "clear" => {
                let () = from_args(args)?;
                self.lock().clear();
            }
            "reverse" => {
                let () = from_args(args)?;
                self.lock().reverse();
            }
            "copy" => {
                let () = from_args(args)?;
                return Ok(list(self.lock().clone()));
            }
            "sort" => {
                let (kwargs,): (Kwargs,) = from_args(args)?;
                let reverse = kwargs.get::<Option<bool>>("reverse")?.unwrap_or(false);
                kwargs.assert_all_used()?;
                self.sort(reverse)?;
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        }
        Ok(none())
    }
}

impl Dict {
    /// A dict of these members.
    pub fn new(members: IndexMap<Value, Value>) -> Self {
        Self(Mutex::new(members))
    }

    /// A dict of a mapping, or of pairs.
    ///
    /// # Errors
    /// Where the value is neither.
    pub fn from_value(value: &Value) -> Result<Self, Error> {
        let mut members = IndexMap::new();
        if value.kind() == ValueKind::Map {
            for key in value.try_iter()? {
                let value = value.get_item(&key)?;
                members.insert(key, value);
            }
        } else if !value.is_undefined() {
            for pair in value.try_iter()? {
                let pair: Vec<Value> = pair.try_iter()?.collect();
                let [key, value] = <[Value; 2]>::try_from(pair).map_err(|pair| {
                    error(
                        "ValueError",
                        &format!(
                            "dictionary update sequence element has length {}; 2 is required",
                            pair.len()
                        ),
                    )
                })?;
                members.insert(key, value);
            }
        }
        Ok(Self::new(members))
    }

    fn lock(&self) -> MutexGuard<'_, IndexMap<Value, Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes members over from a mapping or pairs, and from named arguments.
    ///
    /// # Errors
    /// Where the value is neither.
    pub fn update(&self, with: Option<&Value>, named: &Kwargs) -> Result<(), Error> {
        let mut more = match with {
            Some(with) => Self::from_value(with)?.lock().clone(),
            None => IndexMap::new(),
        };
        for name in named.args() {
            more.insert(Value::from(name), named.get::<Value>(name)?);
        }
        self.lock().extend(more);
        Ok(())
    }
}

impl Object for Dict {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.lock().get(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.lock().keys().cloned().collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.lock().len())
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let _ = &state;
        match method {
            "update" => {
                let (with, named): (Option<Value>, Kwargs) = from_args(args)?;
                self.update(with.as_ref(), &named)?;
            }
            "get" => {
                let (key, default): (Value, Option<Value>) = from_args(args)?;
                let found = self.lock().get(&key).cloned();
                return Ok(found.or(default).unwrap_or_else(none));
            }
            "pop" => {
                let (key, default): (Value, Option<Value>) = from_args(args)?;
                let found = self.lock().shift_remove(&key).or(default);
                return found.ok_or_else(|| error("KeyError", &format!("{key:?}")));
            }
            "popitem" => {
                let () = from_args(args)?;
                let (key, value) = self
                    .lock()
                    .pop()
                    .ok_or_else(|| error("KeyError", "popitem(): dictionary is empty"))?;
                return Ok(pair(key, value));
            }
            "setdefault" => {
                let (key, default): (Value, Option<Value>) = from_args(args)?;
                let default = default.unwrap_or_else(none);
                return Ok(self.lock().entry(key).or_insert(default).clone());
            }
            "keys" => {
                let () = from_args(args)?;
                return Ok(list(self.lock().keys().cloned().collect()));
            }
            "values" => {
                let () = from_args(args)?;
                return Ok(list(self.lock().values().cloned().collect()));
            }
            "items" => {
                let () = from_args(args)?;
                let members = self.lock();
                let pairs = members
                    .iter()
                    .map(|(key, value)| pair(key.clone(), value.clone()));
                return Ok(list(pairs.collect()));
            }
            "clear" => {
                let () = from_args(args)?;
                self.lock().clear();
            }
            "copy" => {
                let () = from_args(args)?;
                return Ok(Value::from_object(Self::new(self.lock().clone())));
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        }
        Ok(none())
    }
}

fn pair(key: Value, value: Value) -> Value {
    Value::from(minijinja::value::Tuple::from(vec![key, value]))
}
