//! Stopping: the first SIGTERM or SIGINT drains, the second stops at once.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What the roles look at to know that they shall end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shutdown {
    /// Accept nothing new and finish what is under way.
    pub(crate) drain: CancellationToken,
    /// Stop now. Whatever is under way is fenced and taken up at the next start.
    pub(crate) now: CancellationToken,
}

impl Shutdown {
    /// Listens to the signals from now on.
    pub(crate) fn on_signals() -> anyhow::Result<Self> {
        let open = |kind| signal(kind).context("signals cannot be listened to");
        let terminate = open(SignalKind::terminate())?;
        let interrupt = open(SignalKind::interrupt())?;
        let shutdown = Self::default();
        tokio::spawn(shutdown.clone().listen(terminate, interrupt));
        Ok(shutdown)
    }

    async fn listen(self, mut terminate: Signal, mut interrupt: Signal) {
        for token in [&self.drain, &self.now] {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if self.drain.is_cancelled() {
                tracing::warn!(signal = name, "stopping at once");
            } else {
                tracing::info!(signal = name, "stopping; a second signal stops at once");
            }
            token.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{self, Command};

    use super::*;

    fn send(signal: &str) {
        let number = process::id().to_string();
        let status = Command::new("kill").args([signal, &number]).status();
        assert!(status.is_ok_and(|status| status.success()));
    }

    #[tokio::test]
    async fn the_first_signal_drains_and_the_second_stops_at_once() -> anyhow::Result<()> {
        let shutdown = Shutdown::on_signals()?;
        assert!(!shutdown.drain.is_cancelled());
        send("-TERM");
        shutdown.drain.cancelled().await;
        assert!(!shutdown.now.is_cancelled());
        send("-INT");
        shutdown.now.cancelled().await;
        Ok(())
    }
}
