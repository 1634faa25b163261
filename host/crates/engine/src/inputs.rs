//! Secrets among the parameters of a run: sealed in the store, masked in everything
//! that is shown or handed on, and opened again where the run is taken up.
//!
//! What a step declares as secret is sealed, and beside it every value that looks like
//! ciphertext of ours: so whatever in the store looks sealed was sealed here, and can be
//! told from a text that a caller sent without knowing the application.

use std::convert::Infallible;

use model::{
    mask::{MASK, Masker, values},
    parameters::RunParameters,
    plan::Plan,
};
use secrecy::ExposeSecret as _;
use vault::Purpose;

use crate::{
    Engine,
    error::{Error, Result},
    prepared::Configured,
};

/// The parameters of a run as it executes with them, and which of them are secret.
#[derive(Clone, Default)]
pub(crate) struct Input {
    pub(crate) parameters: RunParameters,
    /// Names of secret ones. Empty for nearly every run.
    pub(crate) secret: Vec<Box<str>>,
}

/// The ciphertext in a raw JSON value, if it is one of ours.
fn sealed(raw: &str) -> Option<&str> {
    // Ciphertext holds nothing that JSON would escape.
    let text = raw.strip_prefix('"')?.strip_suffix('"')?;
    vault::is_ours(text).then_some(text)
}

impl Input {
    /// What a run is given, with the names that its plan declares as secret and those that
    /// take the place of a secret of the configuration object.
    pub(crate) fn new(
        parameters: RunParameters,
        plan: &Plan,
        configured: Option<&Configured>,
        mut secret: Vec<Box<str>>,
    ) -> Self {
        for (name, raw) in parameters.iter() {
            let declared = || plan.secret_inputs.iter().any(|one| **one == *name);
            let instead =
                || configured.is_some_and(|one| plan.replaces_secret(name, &one.resolved));
            if raw != "null"
                && (declared() || instead() || sealed(raw).is_some())
                && !secret.iter().any(|one| **one == *name)
            {
                secret.push(name.into());
            }
        }
        Self { parameters, secret }
    }

    /// The masker of a run with these parameters and that configuration object.
    pub(crate) fn masker(&self, configured: Option<&Configured>) -> Result<Masker> {
        if self.secret.is_empty() {
            return Ok(configured.map_or(const { Masker::none() }, |one| one.masker.clone()));
        }
        let own = self.secret.iter().flat_map(|name| {
            let raw = self.parameters.get(name).unwrap_or("null");
            values(raw)
                .into_iter()
                .map(move |value| (format!("the run's parameter `{name}`"), value))
        });
        let of_configuration = configured.map(Configured::secrets).unwrap_or_default();
        Masker::new(own.chain(of_configuration)).map_err(|error| Error::Internal(error.to_string()))
    }
}

impl Engine {
    /// The text that the store keeps of a run's parameters.
    pub(crate) fn seal_input(&self, input: &Input) -> Result<String> {
        let Input { parameters, secret } = input;
        if secret.is_empty() {
            return Ok(parameters.to_json());
        }
        parameters.to_json_with(|name, raw| {
            if !secret.iter().any(|one| **one == *name) {
                return Ok(None);
            }
            match self.vault.seal(raw, Purpose::RunParameter) {
                Ok(text) => Ok(Some(format!("\"{text}\""))),
                Err(error) => Err(Error::Internal(error.to_string())),
            }
        })
    }

    /// The parameters in what the store kept.
    pub(crate) fn open_input(&self, stored: &str) -> Result<Input> {
        let broken = |error: &dyn std::fmt::Display| {
            Error::Internal(format!("the run's parameters cannot be read: {error}"))
        };
        let parameters = RunParameters::parse(stored).map_err(|error| broken(&error))?;
        if !vault::may_hold_ours(stored) {
            return Ok(Input {
                parameters,
                secret: Vec::new(),
            });
        }
        let mut secret = Vec::new();
        let opened = parameters.to_json_with(|name, raw| -> Result<_> {
            let Some(text) = sealed(raw) else {
                return Ok(None);
            };
            let plain = self
                .vault
                .open(text, Purpose::RunParameter)
                .map_err(|error| {
                    Error::Internal(format!(
                        "the secret parameter `{name}` of the run cannot be opened: {error}"
                    ))
                })?;
            secret.push(name.into());
            Ok(Some(plain.expose_secret().to_owned()))
        })?;
        Ok(Input {
            parameters: RunParameters::parse(opened).map_err(|error| broken(&error))?,
            secret,
        })
    }
}

/// The parameters in what the store kept, for people: what is sealed is masked.
pub(crate) fn shown(stored: String) -> String {
    if !vault::may_hold_ours(&stored) {
        return stored;
    }
    let masked = RunParameters::parse(stored).map(|parameters| {
        parameters
            .to_json_with(|_, raw| Ok::<_, Infallible>(sealed(raw).map(|_| format!("\"{MASK}\""))))
    });
    match masked {
        Ok(Ok(text)) => text,
        // It was written from parameters, so it can be read.
        Err(_) => "{}".to_owned(),
    }
}
