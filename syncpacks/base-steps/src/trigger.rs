//! Starts other applications.

use powerflow_sdk::prelude::*;
use serde_json::{Map, json};

/// Starts an application, once or once for each item of a list, or several applications.
#[derive(Step)]
#[step(
    name = "TriggerApplication",
    friendly_name = "Trigger Application",
    version = "1.0.0",
    kind = "trigger"
)]
pub struct TriggerApplication {
    /// The application to start. Needed unless `children` says what to start.
    #[param(default = String::new(), sample = "create_ticket")]
    application: String,
    /// The parameters that it is given: values of its application variables.
    #[param(default = Map::new())]
    params: Map<String, Value>,
    /// The configuration object of what is started; the application's own where it is missing.
    #[param(default = String::new())]
    configuration: String,
    /// The queue of what is started; the application's own where it is missing.
    #[param(default = String::new())]
    queue: String,
    /// Starts the application once for each item of this list. An item that is an object adds its
    /// members to `params`, unless `item_parameter` is given.
    #[param(default = None::<Vec<Value>>)]
    items: Option<Vec<Value>>,
    /// The parameter that is given the item.
    #[param(default = String::new(), sample = "device")]
    item_parameter: String,
    /// Several applications, each as `{"application": …, "params": {…}}`, instead of `application`.
    #[param(default = None::<Vec<Value>>)]
    children: Option<Vec<Value>>,
    /// Whether the step waits for what it starts and ends with its results. It holds no worker
    /// meanwhile.
    #[param(default = true)]
    wait: bool,
    /// How many may be under way at a time.
    #[param(default = 1000)]
    parallel: u32,
    /// What becomes of the step when one that it waits for fails or is cancelled.
    #[param(default = "fail", choices = ["fail", "ignore"])]
    on_failure: String,
}

impl Execute for TriggerApplication {
    fn execute(&self, _: &mut Context) -> Result<Output> {
        let children = match &self.children {
            Some(children) => self.listed(children)?,
            None => self.repeated()?,
        };
        Output::start_children(&json!({
            "children": children,
            "wait": self.wait,
            "parallel": self.parallel,
            "on_failure": self.on_failure,
        }))
    }
}

impl TriggerApplication {
    /// The entries of `children`, each with what the step says for all.
    fn listed(&self, children: &[Value]) -> Result<Vec<Value>> {
        if !self.application.is_empty() || self.items.is_some() {
            return Err(wrong(
                "`children` says what to start; leave out `application` and `items`, or `children`",
            ));
        }
        children
            .iter()
            .enumerate()
            .map(|(at, child)| {
                let Some(name) = child.get("application").and_then(Value::as_str) else {
                    return Err(wrong(format!(
                        "`children[{at}]` names no application: it is to be {{\"application\": \"…\", \"params\": {{…}}}}"
                    )));
                };
                let own = match child.get("params") {
                    None | Some(Value::Null) => Map::new(),
                    Some(Value::Object(own)) => own.clone(),
                    Some(_) => {
                        return Err(wrong(format!(
                            "`children[{at}].params` is to be an object of parameters"
                        )));
                    }
                };
                Ok(self.child(name, own))
            })
            .collect()
    }

    /// `application`, once or for each of `items`.
    fn repeated(&self) -> Result<Vec<Value>> {
        if self.application.is_empty() {
            return Err(wrong(
                "name the `application` to start, or list what to start in `children`",
            ));
        }
        let Some(items) = &self.items else {
            if !self.item_parameter.is_empty() {
                return Err(wrong(
                    "`item_parameter` says which parameter is given the item, but there are no `items`",
                ));
            }
            return Ok(vec![self.child(&self.application, Map::new())]);
        };
        items
            .iter()
            .enumerate()
            .map(|(at, item)| {
                let own = match item {
                    item if !self.item_parameter.is_empty() => {
                        Map::from_iter([(self.item_parameter.clone(), item.clone())])
                    }
                    Value::Object(own) => own.clone(),
                    _ => {
                        return Err(wrong(format!(
                            "`items[{at}]` is no object of parameters; name the parameter that it is given to in `item_parameter`"
                        )));
                    }
                };
                Ok(self.child(&self.application, own))
            })
            .collect()
    }

    /// One child: what is its own goes before what all are given.
    fn child(&self, application: &str, own: Map<String, Value>) -> Value {
        let mut params = self.params.clone();
        for (key, value) in [
            ("configuration", &self.configuration),
            ("queue", &self.queue),
        ] {
            if !value.is_empty() {
                params.insert(key.to_owned(), Value::String(value.clone()));
            }
        }
        params.extend(own);
        json!({"application": application, "params": params})
    }
}

fn wrong(message: impl Into<String>) -> Error {
    Error::permanent(message.into()).with_code("bad-parameter")
}
