//! An attempt while it executes: its log is stored as it goes on, and its time limits are kept.

use std::time::Duration;

use bytes::Bytes;
use model::{
    clock::Timestamp,
    id::{Ordinal, Token},
    mask::Masker,
};
use tokio::{sync::Notify, time::Instant};

use crate::{
    Engine, Settings,
    attempt::Prepared,
    log::{Stored, without_handles},
    policy::Rules,
    problem::Problem,
    worker::Chain,
};

/// How long a step executes before its log is first stored while it goes on.
const FLUSH: Duration = Duration::from_secs(1);

/// How long an attempt may take, counted from its claim by this process.
pub(crate) struct Limits {
    pub(crate) rules: Rules,
    began: Instant,
}

impl Limits {
    pub(crate) fn new(chain: &Chain, step: Ordinal, settings: &Settings) -> Self {
        let policy = chain.planned(step).map(|planned| planned.policy);
        Self {
            rules: settings.rules(&policy.unwrap_or_default()),
            began: Instant::now(),
        }
    }

    /// When it is late; `None` where it is ended before.
    fn late(&self) -> Option<Instant> {
        (self.rules.soft < self.rules.hard).then(|| self.began + self.rules.soft)
    }

    /// When it is ended.
    pub(crate) fn end(&self) -> Instant {
        self.began + self.rules.hard
    }

    /// How long it may take from now on.
    pub(crate) fn left(&self) -> Duration {
        self.rules.hard.saturating_sub(self.began.elapsed())
    }

    /// Why it fails that was ended before the step began.
    pub(crate) fn exceeded(&self) -> Problem {
        Problem::permanent(
            runtime::code::TIMEOUT,
            format!(
                "the step could not begin within {} s: what it needs did not answer",
                self.rules.hard.as_secs_f64()
            ),
        )
    }
}

impl Engine {
    /// Stores log lines of an attempt that has not completed; says whether they are.
    pub(crate) async fn append_log(
        &self,
        chain: &Chain,
        step: Ordinal,
        token: Token,
        lines: &[runtime::Line],
    ) -> bool {
        let Some(stored) = stored_lines(lines, &chain.masker) else {
            return true;
        };
        let expires_at = chain.header.expires_at;
        let appended = self
            .store
            .append_log(chain.key(step), token, expires_at, stored)
            .await;
        if let Err(error) = &appended {
            tracing::warn!(%error, run = %chain.header.reference, "log lines of a running step could not be stored");
        }
        appended.is_ok()
    }

    /// Executes, storing the log of a step that takes long while it goes on. Answers when it
    /// ended and the lines that are not stored yet too.
    pub(crate) async fn execute(
        &self,
        chain: &Chain,
        step: Ordinal,
        token: Token,
        prepared: Prepared,
        limits: &Limits,
    ) -> ((runtime::Execution, Timestamp), Vec<runtime::Line>) {
        let log = prepared.call.log.clone();
        let over = Notify::new();
        let execution = async {
            let execution = self.run_program(chain.key(step), token, prepared).await;
            over.notify_one();
            (execution, self.clock.now())
        };
        // Beside it, not between its parts: a store that does not answer must keep neither
        // a time limit nor a cancellation from it.
        let attended = self.attend(chain, step, token, &log, limits, &over);
        tokio::join!(execution, attended)
    }

    /// Stores the log of a step while it goes on, and tells when it is late. Answers the
    /// lines that are not stored yet when it is over.
    async fn attend(
        &self,
        chain: &Chain,
        step: Ordinal,
        token: Token,
        log: &runtime::LogBuffer,
        limits: &Limits,
        over: &Notify,
    ) -> Vec<runtime::Line> {
        // As many as the limits of the log allow: what waits here has been counted.
        let mut waiting = Vec::new();
        let mut late_at = limits.late();
        loop {
            let flush_at = Instant::now() + FLUSH;
            let (wake_at, late) = match late_at {
                Some(late_at) if late_at <= flush_at => (late_at, true),
                _ => (flush_at, false),
            };
            tokio::select! {
                biased;
                () = over.notified() => {
                    add(&mut waiting, log.take());
                    return waiting;
                }
                () = tokio::time::sleep_until(wake_at) => {}
            }
            add(&mut waiting, log.take());
            if late {
                waiting.push(self.late_line(limits));
            }
            if self.append_log(chain, step, token, &waiting).await {
                waiting.clear();
            }
            // Whoever sees the mark finds the line.
            if late {
                late_at = None;
                self.mark_late(chain, step, token, limits).await;
            }
        }
    }

    /// The line that tells in the log of a late attempt that it is, at any level of the run.
    fn late_line(&self, limits: &Limits) -> runtime::Line {
        runtime::Line {
            at: self.clock.now(),
            level: runtime::Level::Warning,
            message: format!(
                "the step takes longer than {} s (task_soft_time_limit); after {} s it is ended (task_time_limit)",
                limits.rules.soft.as_secs_f64(),
                limits.rules.hard.as_secs_f64()
            ),
        }
    }

    /// Marks an attempt as late: an event of its run.
    async fn mark_late(&self, chain: &Chain, step: Ordinal, token: Token, limits: &Limits) {
        tracing::warn!(run = %chain.header.reference, step = step.0, limit = ?limits.rules.soft, "a step is late");
        let at = self.clock.now();
        let marked = self.store.mark_late(chain.key(step), token, at).await;
        if let Err(error) = marked {
            tracing::warn!(%error, run = %chain.header.reference, "a late step could not be marked");
        }
    }
}

fn add(waiting: &mut Vec<runtime::Line>, more: Vec<runtime::Line>) {
    if waiting.is_empty() {
        *waiting = more;
    } else {
        waiting.extend(more);
    }
}

/// Log lines as they are stored, masked; `None` when there are none.
pub(crate) fn stored_lines(lines: &[runtime::Line], masker: &Masker) -> Option<Bytes> {
    if lines.is_empty() {
        return None;
    }
    let lines: Vec<Stored<'_>> = lines
        .iter()
        .map(|line| Stored {
            time: line.at,
            level: line.level as u8,
            message: without_handles(masker.mask(&line.message)),
        })
        .collect();
    serde_json::to_vec(&lines).ok().map(Bytes::from)
}
