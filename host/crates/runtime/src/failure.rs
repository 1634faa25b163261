//! From what wasmtime reports to a typed failure.

use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap};
use wasmtime_wasi::I32Exit;

use crate::error::chain;
use crate::json::Flaw;
use crate::limits::Exceeded;
use crate::{Failure, Kind, Limits, code};

/// What ended a guest that did not return.
pub(crate) fn of(error: &wasmtime::Error, limits: &Limits) -> Failure {
    use Kind::{Permanent, Retryable};
    if let Some(exceeded) = error.downcast_ref::<Exceeded>() {
        let code = match exceeded {
            Exceeded::Memory(_) => code::OUT_OF_MEMORY,
            Exceeded::Table(_) => code::TABLE_LIMIT,
            Exceeded::HostCalls(_) => code::HOST_CALL_LIMIT,
            Exceeded::CacheValue => code::INVALID_CACHE_VALUE,
        };
        return Failure::host(Permanent, code, exceeded.to_string());
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return match trap {
            Trap::StackOverflow => Failure::host(
                Permanent,
                code::STACK_OVERFLOW,
                "the step's calls are nested too deeply: its stack is exhausted",
            ),
            Trap::UnreachableCodeReached => Failure::host(
                Permanent,
                code::TRAP,
                "the step panicked; its log holds what it printed before",
            ),
            trap => Failure::host(Permanent, code::TRAP, format!("the step trapped: {trap}")),
        };
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Failure::host(
            Retryable,
            code::BUSY,
            "no instance is free for the step; nothing was executed",
        );
    }
    if let Some(I32Exit(status)) = error.downcast_ref::<I32Exit>() {
        let message = format!("the step left by exit({status}); a step returns its result");
        return Failure::host(Permanent, code::EXIT, message);
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref::<ResourceTableError>() {
        let message = format!(
            "the step holds more than {} handles: it does not drop what it opens",
            limits.resources
        );
        return Failure::host(Permanent, code::RESOURCE_LIMIT, message);
    }
    if error.is::<std::str::Utf8Error>() || error.is::<std::string::FromUtf8Error>() {
        return Failure::host(
            Permanent,
            code::INVALID_OUTPUT,
            "the step handed over a text that is not UTF-8",
        );
    }
    let text = chain(error);
    // wasmtime keeps the type of this error to itself.
    if text.contains("fuel allocated for hostcalls") {
        return too_large(limits);
    }
    if text.contains("string pointer/length out of bounds")
        || text.contains("list pointer/length out of bounds")
    {
        return Failure::host(
            Permanent,
            code::INVALID_OUTPUT,
            "the step handed over a text outside of its memory",
        );
    }
    Failure::host(Permanent, code::TRAP, format!("the step was ended: {text}"))
}

/// The output is beyond its limit.
pub(crate) fn too_large(limits: &Limits) -> Failure {
    let message = format!(
        "the step handed over more than {} bytes at once",
        limits.output_bytes
    );
    Failure::host(Kind::Permanent, code::OUTPUT_TOO_LARGE, message)
}

/// The output is not what it has to be.
pub(crate) fn invalid(what: &str, flaw: Flaw) -> Failure {
    Failure::host(
        Kind::Permanent,
        code::INVALID_OUTPUT,
        format!("{what} cannot be used: {flaw}"),
    )
}
