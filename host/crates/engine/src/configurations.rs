//! Saving and reading configuration objects. Values marked as encrypted are sealed
//! before they reach the store and never leave the engine in plain form.

use model::{
    configuration::{Configuration, code},
    id::TenantId,
    mask::{MASK, SHORTEST},
    validate::Severity,
};
use serde_json::Value;
use store::{
    Page,
    definitions::{Definition, Kind},
};
use vault::Purpose;

use crate::{
    Engine,
    definitions::{MAX_DOCUMENT, agreed_name, faults, lacks_name, refuse_other_kind, unreadable},
    error::{Error, Fault, Result},
    view::{Caller, Found, Saved},
};

const WHAT: &str = "configuration object";

/// Values to be encrypted that are too short to be masked.
fn too_short(configuration: &mut Configuration) -> Vec<Fault> {
    let plain = configuration.encrypted_values_mut();
    plain
        .filter(|(_, value)| {
            let characters = match value {
                Value::String(text) => text.chars().count(),
                Value::Number(number) => number.to_string().len(),
                _ => 0,
            };
            (1..SHORTEST).contains(&characters)
        })
        .map(|(variable, _)| Fault {
            code: "PF-C010".to_owned(),
            at: format!("/configuration_data/{variable}"),
            message: format!(
                "the value of `{variable}` has fewer than {SHORTEST} characters: it is encrypted, but not masked where a step writes it"
            ),
        })
        .collect()
}

/// Slips that would lose a secret: its ciphertext would count as the value where the variable
/// is not marked as encrypted any more, and nothing would where no value is given.
fn lost_secrets(configuration: &Configuration, before: Option<&Definition>) -> Vec<Fault> {
    let before = before.and_then(|before| Configuration::parse(&before.document).ok());
    let had = |name: &str| {
        let variable = before.as_ref()?.variable(name)?;
        (variable.encrypted && !variable.value.is_null()).then_some(())
    };
    let faults = configuration.variables().filter_map(|variable| {
        let name = variable.name;
        let (code, message) = match variable.value {
            Value::String(text) if !variable.encrypted && vault::claims_to_be_ours(text) => (
                code::SEALED,
                format!(
                    "the value of `{name}` is ciphertext, and the variable is not marked as encrypted: add `\"encrypted\": true` to keep the secret, or give the value itself"
                ),
            ),
            Value::Null if variable.encrypted && had(name).is_some() => (
                code::NO_SECRET,
                format!(
                    "`{name}` has no value: saved, the stored secret would be lost; send its ciphertext as a GET answers it to keep it, a new value, or `\"\"` to empty it"
                ),
            ),
            // Said in so many words, it is meant.
            _ if !variable.encrypted && !variable.marked && had(name).is_some() => (
                code::NO_SECRET,
                format!(
                    "`{name}` is stored as encrypted, and does not say so any more: add `\"encrypted\": true`, or `\"encrypted\": false` to show its value to everybody from now on"
                ),
            ),
            _ => return None,
        };
        Some(Fault {
            code: code.to_owned(),
            at: format!("/configuration_data/{name}"),
            message,
        })
    });
    faults.collect()
}

impl Engine {
    /// Saves a configuration object under `name`, or under the document's own. Plain
    /// values of encrypted variables are sealed; our own ciphertext is kept.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every fault, [`Error::Conflict`] when `expected` is not
    /// the newest revision.
    pub async fn save_configuration(
        &self,
        caller: &Caller,
        name: Option<&str>,
        document: &str,
        expected: Option<i64>,
    ) -> Result<Saved> {
        if document.len() > MAX_DOCUMENT {
            return Err(unreadable(
                WHAT,
                "PF-C001",
                &format!("the document is longer than {MAX_DOCUMENT} bytes"),
            ));
        }
        let mut configuration =
            Configuration::parse(document).map_err(|error| unreadable(WHAT, "PF-C001", &error))?;
        refuse_other_kind(Kind::Configuration, configuration.document())?;
        // A friendly name gives one only where nothing else does.
        let own = configuration
            .name()
            .or_else(|| configuration.friendly_name().filter(|_| name.is_none()))
            .map(str::to_owned);
        let name = agreed_name(WHAT, name, own)?;
        let mut changed = configuration.name() != Some(name.as_str());
        if changed && lacks_name(configuration.document().get("name")) {
            configuration.set_name(&name);
        }
        let problems = configuration.problems();
        let mut errors = faults(&problems, Severity::Error);
        let mut warnings = faults(&problems, Severity::Warning);
        warnings.extend(too_short(&mut configuration));
        let before = self
            .store
            .definition(caller.tenant, Kind::Configuration, &name)
            .await?;
        self.refuse_foreign(&mut configuration, before.as_ref(), &mut errors)
            .await?;
        errors.extend(lost_secrets(&configuration, before.as_ref()));
        changed |= self.seal_values(&mut configuration, &mut errors)?;
        if !errors.is_empty() {
            return Err(Error::Invalid {
                what: WHAT,
                faults: errors,
            });
        }
        let friendly_name = configuration.friendly_name().unwrap_or(&name).to_owned();
        let document = if changed {
            configuration.to_pretty()
        } else {
            document.to_owned()
        };
        let found = Found {
            faults: Vec::new(),
            warnings,
        };
        let saved = self.save_definition(
            caller,
            Kind::Configuration,
            name,
            friendly_name,
            document,
            (expected, Vec::new()),
            found,
        );
        saved
            .await?
            .ok_or_else(|| Error::Internal("a configuration object relies on none".to_owned()))
    }

    /// Refuses ciphertext in an object that exists, unless its variable had it before: of
    /// another object or variable it would lead a secret to where it was not given for. A new
    /// object may have any, because nothing is granted for it: so it can be copied and restored.
    pub(crate) async fn refuse_foreign(
        &self,
        configuration: &mut Configuration,
        before: Option<&Definition>,
        errors: &mut Vec<Fault>,
    ) -> Result<()> {
        let Some(before) = before else { return Ok(()) };
        let has = |document: &str, variable: &str, sealed: &str| {
            Configuration::parse(document).is_ok_and(|mut document| {
                let mut values = document.encrypted_values_mut();
                values.any(|(name, value)| name == variable && *value == *sealed)
            })
        };
        for (variable, value) in configuration.encrypted_values_mut() {
            let Some(sealed) = value.as_str().filter(|text| vault::is_ours(text)) else {
                continue;
            };
            if has(&before.document, &variable, sealed) {
                continue;
            }
            let earlier = self.store.revisions_with(before.id, sealed).await?;
            if !earlier.iter().any(|one| has(one, &variable, sealed)) {
                errors.push(Fault {
                    code: model::configuration::code::SEALED.to_owned(),
                    at: format!("/configuration_data/{variable}"),
                    message: format!(
                        "the encrypted value of `{variable}` is of another configuration object or variable: enter the value again in plain text"
                    ),
                });
            }
        }
        Ok(())
    }

    /// Seals plain values; says whether there was one.
    pub(crate) fn seal_values(
        &self,
        configuration: &mut Configuration,
        errors: &mut Vec<Fault>,
    ) -> Result<bool> {
        let mut sealed = false;
        for (variable, value) in configuration.encrypted_values_mut() {
            if value.is_null() {
                continue;
            }
            let plain = match &*value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            if plain == MASK {
                errors.push(Fault {
                    code: code::MASKED.to_owned(),
                    at: format!("/configuration_data/{variable}"),
                    message: format!(
                        "the value of `{variable}` is {MASK}, which stands where a secret is hidden: send the new value, or the ciphertext that a GET answers to keep the old one"
                    ),
                });
                continue;
            }
            if vault::claims_to_be_ours(&plain) {
                // Kept as it is, if it can be opened: a GET that is sent back changes nothing.
                if let Err(error) = self.vault.open(&plain, Purpose::Configuration) {
                    errors.push(Fault {
                        code: code::SEALED.to_owned(),
                        at: format!("/configuration_data/{variable}"),
                        message: format!(
                            "the encrypted value of `{variable}` cannot be opened: {error}; send the value itself, or the whole ciphertext as a GET of this system answers it"
                        ),
                    });
                }
                continue;
            }
            // What the value is in JSON is sealed, so that a number comes back as one.
            let text = value.to_string();
            *value = Value::String(
                self.vault
                    .seal(&text, Purpose::Configuration)
                    .map_err(|error| Error::Internal(error.to_string()))?,
            );
            sealed = true;
        }
        Ok(sealed)
    }

    /// One configuration object; encrypted values are ciphertext.
    pub async fn configuration(&self, tenant: TenantId, name: &str) -> Result<Definition> {
        self.find(tenant, Kind::Configuration, name).await
    }

    /// Configuration objects by name.
    pub async fn configurations(
        &self,
        tenant: TenantId,
        search: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Definition>> {
        Ok(self
            .store
            .definitions(
                tenant,
                Kind::Configuration,
                search,
                after,
                limit.clamp(1, 200),
            )
            .await?)
    }

    /// Deletes a configuration object that no application is aligned with.
    ///
    /// # Errors
    /// [`Error::InUse`] naming the applications.
    pub async fn delete_configuration(
        &self,
        caller: &Caller,
        name: &str,
        expected: Option<i64>,
    ) -> Result<()> {
        let aligned = self.aligned_applications(caller.tenant, name).await?;
        if !aligned.is_empty() {
            return Err(Error::InUse(format!(
                "the configuration object `{name}` is aligned with {}: align them with another one first",
                aligned.join(", ")
            )));
        }
        self.delete_by_name(caller, Kind::Configuration, name, expected)
            .await
    }

    /// The applications that are aligned with a configuration object, by name.
    pub async fn aligned_applications(
        &self,
        tenant: TenantId,
        configuration: &str,
    ) -> Result<Vec<String>> {
        self.applications_where(tenant, |application| {
            application.configuration() == Some(configuration)
        })
        .await
    }
}
