//! The component's side of the contract.

pub(crate) mod http;

use crate::{cache::Refusal, log::Level};

use bindings::powerflow::syncpack as host;

/// The generated bindings of the world `syncpack`, and the bridge from them to a
/// [`Pack`](crate::Pack).
#[expect(
    clippy::pedantic,
    clippy::too_many_arguments,
    missing_docs,
    reason = "generated"
)]
pub mod bindings {
    use crate::{ErrorKind, Pack, output::Wire};

    mod generated {
        wit_bindgen::generate!({
            world: "syncpack",
            path: "../wit",
            pub_export_macro: true,
            default_bindings_module: "powerflow_sdk::bindings",
            generate_all,
        });
    }

    pub use generated::powerflow::syncpack::types::{
        Error, ErrorKind as WireKind, Invocation, Outcome, Output,
    };
    pub use generated::*;

    /// Executes a step of `pack` and puts what came of it into the contract's types.
    pub fn run(pack: &Pack, step: &str, invocation: Invocation) -> Result<Outcome, Error> {
        let Invocation {
            parameters,
            data,
            context,
        } = invocation;
        let outcome = pack
            .execute(
                step,
                crate::Invocation {
                    parameters,
                    data,
                    context,
                },
            )
            .and_then(crate::Output::into_wire);
        match outcome {
            Ok(Wire::Data { data, attributes }) => Ok(Outcome::Output(Output { data, attributes })),
            Ok(Wire::Children(request)) => Ok(Outcome::StartChildren(request)),
            Err(error) => Err(Error {
                kind: match error.kind() {
                    ErrorKind::Retryable => WireKind::Retryable,
                    ErrorKind::Permanent => WireKind::Permanent,
                },
                code: error.code().to_owned(),
                message: error.message().to_owned(),
                detail: error.detail().map(ToString::to_string),
            }),
        }
    }
}

pub(crate) fn log(level: Level, message: &str) {
    let level = match level {
        Level::Debug => host::log::Level::Debug,
        Level::Info => host::log::Level::Info,
        Level::Flow => host::log::Level::Flow,
        Level::Warning => host::log::Level::Warning,
        Level::Error => host::log::Level::Error,
    };
    host::log::log(level, message);
}

pub(crate) fn cache_get(key: &str) -> Result<Option<String>, Refusal> {
    host::cache::get(key).map_err(refusal)
}

pub(crate) fn cache_put(key: &str, value: &str, ttl_seconds: Option<u64>) -> Result<(), Refusal> {
    host::cache::put(key, value, ttl_seconds).map_err(refusal)
}

pub(crate) fn cache_delete(key: &str) -> Result<bool, Refusal> {
    host::cache::delete(key).map_err(refusal)
}

fn refusal(error: host::cache::Error) -> Refusal {
    match error {
        host::cache::Error::Denied(text) => Refusal::Denied(text),
        host::cache::Error::TooLarge(text) => Refusal::TooLarge(text),
        host::cache::Error::Unavailable(text) => Refusal::Unavailable(text),
    }
}
