//! The service's own log: `tracing` events on standard output, as text or JSON.
//!
//! Events carry named fields (`run = %reference`, `step`, `pack`, `elapsed_ms`),
//! never a formatted sentence with values in it, so that both forms can be searched.

use std::io::{self, IsTerminal};

use anyhow::Context;
use config::sections::{Format, Log};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Starts logging. Once in a process.
pub(crate) fn start(settings: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(with_audit(&settings.level))
        .with_context(|| format!("log.level `{}` is not understood", settings.level))?;
    let registry = tracing_subscriber::registry().with(filter);
    let started = match settings.format {
        Format::Text => registry
            .with(fmt::layer().with_ansi(io::stdout().is_terminal()))
            .try_init(),
        Format::Json => registry
            .with(
                fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_current_span(true)
                    .with_span_list(false),
            )
            .try_init(),
    };
    started.context("the log was started before")
}

/// The filter, with the audit trail unless the filter itself speaks of it: whoever wants only
/// warnings would miss it without knowing.
fn with_audit(level: &str) -> String {
    if level.contains("audit") {
        level.to_owned()
    } else {
        format!("{level},audit=info")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_trail_is_written_unless_the_filter_says_otherwise() {
        assert_eq!(with_audit("warn"), "warn,audit=info");
        assert_eq!(with_audit("debug,audit=off"), "debug,audit=off");
    }
}
