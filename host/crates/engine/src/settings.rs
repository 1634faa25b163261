//! What of an application is changed without touching its definition: the values of its
//! variables, and what it is aligned with. It is saved as a revision like any other.

use model::{
    application::{Application, Variable},
    id::TenantId,
    mask::MASK,
    suggest,
    validate::pointer,
};
use serde_json::{Map, Value};
use store::definitions::Kind;

use crate::{
    Engine,
    error::{Error, Fault, Result},
    view::{Caller, Saved},
};

/// There is no such variable.
const NO_VARIABLE: &str = "PF-A070";
/// A secret would be readable.
const PLAIN_SECRET: &str = "PF-A071";

/// The settings of an application.
#[derive(Clone, Debug, PartialEq)]
pub struct ApplicationSettings {
    /// The revision that they are of.
    pub revision: i64,
    /// The configuration object that it is aligned with.
    pub configuration: Option<String>,
    /// The queue that it is aligned with.
    pub queue: Option<String>,
    /// Its variables.
    pub variables: Vec<SettingsVariable>,
}

/// A variable of an application.
#[derive(Clone, Debug, PartialEq)]
pub struct SettingsVariable {
    /// Its name.
    pub name: String,
    /// What it means, for people.
    pub description: Option<String>,
    /// Its own value.
    pub value: Option<Value>,
    /// Its value where it has none of its own.
    pub default_value: Option<Value>,
    /// An example.
    pub sample_value: Option<Value>,
    /// Whether a run cannot do without it.
    pub required: bool,
    /// Whether its values are secret; they are masked, but for references.
    pub secret: bool,
    /// Whether its value refers to a configuration object, which may make it secret.
    pub refers: bool,
}

/// What is to be changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChangeSettings {
    /// The configuration object to align it with; `none` un-aligns.
    pub configuration: Option<String>,
    /// The queue to align it with; `none` un-aligns.
    pub queue: Option<String>,
    /// Values of variables by name; null takes the own value away.
    pub variables: Map<String, Value>,
}

fn refers(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.contains("${config."))
}

impl Engine {
    /// The settings of an application.
    pub async fn application_settings(
        &self,
        tenant: TenantId,
        name: &str,
    ) -> Result<ApplicationSettings> {
        let found = self.find(tenant, Kind::Application, name).await?;
        let application = read(name, &found.document)?;
        let variables = application.variables().filter_map(|variable| {
            let secret = variable.secret();
            let of = |key: &str| {
                let value = variable.entry.get(key).filter(|value| !value.is_null())?;
                Some(if secret && !refers(value) {
                    Value::from(MASK)
                } else {
                    value.clone()
                })
            };
            let text = |key: &str| Some(variable.entry.get(key)?.as_str()?.to_owned());
            Some(SettingsVariable {
                name: variable.name()?.to_owned(),
                description: text("description"),
                value: of("value"),
                default_value: of("default_value"),
                sample_value: of("sample_value"),
                required: variable.required(),
                secret,
                refers: variable.value().is_some_and(|(_, value)| refers(value)),
            })
        });
        Ok(ApplicationSettings {
            revision: found.number,
            configuration: application.configuration().map(str::to_owned),
            queue: application.queue().map(str::to_owned),
            variables: variables.collect(),
        })
    }

    /// Changes values of variables and what an application is aligned with, and nothing else.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every fault of the request; [`Error::Conflict`] when `expected`
    /// is not the newest revision, or somebody saves one at the same moment.
    pub async fn change_settings(
        &self,
        caller: &Caller,
        name: &str,
        change: &ChangeSettings,
        expected: Option<i64>,
    ) -> Result<Saved> {
        let found = self.find(caller.tenant, Kind::Application, name).await?;
        let mut application = read(name, &found.document)?;
        let mut faults = self.faults_of(caller.tenant, &application, change).await?;
        if let Some(configuration) = &change.configuration {
            let aligned = (configuration != "none").then_some(configuration.as_str());
            application.set_configuration(aligned);
        }
        if let Some(queue) = &change.queue {
            if queue == "none" {
                application.document_mut().shift_remove("queue");
            } else if crate::workers::is_queue_name(queue) {
                let queue = Value::from(queue.as_str());
                application.document_mut().insert("queue".to_owned(), queue);
            } else {
                faults.push(Fault {
                    code: "PF-R011".to_owned(),
                    at: "/queue".to_owned(),
                    message: "a queue's name has at most 128 bytes and no control characters"
                        .to_owned(),
                });
            }
        }
        if !faults.is_empty() {
            return Err(Error::Invalid {
                what: "settings",
                faults,
            });
        }
        set_variables(&mut application, &change.variables);
        let document = application.to_pretty();
        let expected = expected.or(Some(found.number));
        self.save_application(caller, Some(name), &document, expected)
            .await
    }

    async fn faults_of(
        &self,
        tenant: TenantId,
        application: &Application,
        change: &ChangeSettings,
    ) -> Result<Vec<Fault>> {
        let mut faults = Vec::new();
        for (name, value) in &change.variables {
            let at = format!("/variables/{}", pointer(name));
            let mut fault = |code: &str, message: String| {
                faults.push(Fault {
                    code: code.to_owned(),
                    at: at.clone(),
                    message,
                });
            };
            let known = || application.variables().filter_map(Variable::name);
            let Some(variable) = application
                .variables()
                .find(|one| one.name() == Some(name.as_str()))
            else {
                let hint = suggest::hint(name, known());
                fault(
                    NO_VARIABLE,
                    format!("the application has no variable `{name}`{hint}"),
                );
                continue;
            };
            if variable.secret() && !value.is_null() && !refers(value) {
                fault(
                    PLAIN_SECRET,
                    format!(
                        "`{name}` is secret, and everybody who may read the application would read its value: put it into an encrypted variable of a configuration object and refer to it, as in `${{config.{name}}}`"
                    ),
                );
            }
        }
        if let Some(configuration) = change
            .configuration
            .as_deref()
            .filter(|name| *name != "none")
        {
            match self.find(tenant, Kind::Configuration, configuration).await {
                Ok(_) => {}
                Err(error @ Error::NotFound { .. }) => faults.push(Fault {
                    code: model::plan::run_code::NO_CONFIGURATION.to_owned(),
                    at: "/configuration".to_owned(),
                    message: error.to_string(),
                }),
                Err(error) => return Err(error),
            }
        }
        Ok(faults)
    }
}

fn read(name: &str, document: &str) -> Result<Application> {
    Application::parse(document).map_err(|error| {
        Error::Internal(format!(
            "the stored application `{name}` cannot be read: {error}"
        ))
    })
}

fn set_variables(application: &mut Application, values: &Map<String, Value>) {
    let list = application
        .document_mut()
        .get_mut("app_variables")
        .and_then(Value::as_array_mut);
    for entry in list.into_iter().flatten().filter_map(Value::as_object_mut) {
        let name = entry.get("name").and_then(Value::as_str);
        let Some(value) = name.and_then(|name| values.get(name)) else {
            continue;
        };
        if value.is_null() {
            entry.shift_remove("value");
        } else {
            entry.insert("value".to_owned(), value.clone());
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_values_that_are_named_change() {
        let mut application = Application::from_value(json!({"name": "a", "app_variables": [
            {"name": "x", "value": 1, "default_value": 2}, 7, {"name": "y"}, {"name": "z", "value": 3}]}))
        .unwrap();
        let values = json!({"x": null, "y": [1]});
        set_variables(&mut application, values.as_object().unwrap());
        assert_eq!(
            application.document()["app_variables"],
            json!([{"name": "x", "default_value": 2}, 7, {"name": "y", "value": [1]},
                {"name": "z", "value": 3}])
        );
    }
}
