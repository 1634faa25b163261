//! `powerflow:syncpack/log`: the lines of a step's log.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::clock::{Clock, Timestamp};
use model::mask::Masker;
use parking_lot::Mutex;

use crate::bindings::powerflow::syncpack::log as wit;
use crate::state::State;

/// Severity of a line; the numbers are the predecessor's and order them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// For whoever develops the step.
    Debug = 10,
    /// What the step did.
    Info = 20,
    /// What the run does as a whole.
    Flow = 25,
    /// Something that a person should look at.
    Warning = 30,
    /// Why the step fails.
    Error = 40,
}

impl Level {
    /// The level of that number or the next more severe one.
    pub fn at_least(number: u8) -> Self {
        match number {
            0..=10 => Self::Debug,
            11..=20 => Self::Info,
            21..=25 => Self::Flow,
            26..=30 => Self::Warning,
            _ => Self::Error,
        }
    }
}

impl From<wit::Level> for Level {
    fn from(level: wit::Level) -> Self {
        match level {
            wit::Level::Debug => Self::Debug,
            wit::Level::Info => Self::Info,
            wit::Level::Flow => Self::Flow,
            wit::Level::Warning => Self::Warning,
            wit::Level::Error => Self::Error,
        }
    }
}

/// A line of a step's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When it was written.
    pub at: Timestamp,
    /// Its severity.
    pub level: Level,
    /// Its text, masked as far as the log knows secrets.
    pub message: String,
}

/// How much one attempt may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimits {
    /// Lines.
    pub lines: usize,
    /// Bytes of all lines together.
    pub bytes: usize,
    /// Bytes of one line; the rest of it is cut off.
    pub line_bytes: usize,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            lines: 10_000,
            bytes: 1 << 20,
            line_bytes: 64 << 10,
        }
    }
}

/// The log of one attempt of a step. The step writes it while the engine takes lines out, so that a
/// long step can be followed; what was taken still counts for the limits.
pub struct LogBuffer {
    clock: Arc<dyn Clock>,
    level: Level,
    limits: LogLimits,
    masker: Masker,
    full: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    waiting: Vec<Line>,
    lines: usize,
    bytes: usize,
    dropped: u64,
}

impl LogBuffer {
    /// An empty log that keeps lines from `level` on, and those of [`Level::Flow`].
    pub fn new(clock: Arc<dyn Clock>, level: Level, limits: LogLimits) -> Self {
        Self {
            clock,
            level,
            limits,
            masker: Masker::none(),
            full: AtomicBool::new(false),
            inner: Mutex::default(),
        }
    }

    /// The same, of an execution with these secrets: they are masked before a line is cut.
    #[must_use]
    pub fn masking(mut self, masker: Masker) -> Self {
        self.masker = masker;
        self
    }

    pub(crate) const fn masker(&self) -> &Masker {
        &self.masker
    }

    /// Whether a line of that level would be kept.
    pub fn keeps(&self, level: Level) -> bool {
        self.takes(level) && !self.full.load(Ordering::Relaxed)
    }

    /// What the run does as a whole is kept at every level.
    fn takes(&self, level: Level) -> bool {
        level >= self.level || level == Level::Flow
    }

    /// Appends a line; drops it when it is below the level or beyond the limits.
    pub fn append(&self, level: Level, message: &str) {
        if !self.takes(level) {
            return;
        }
        let message = if self.full.load(Ordering::Relaxed) {
            Cow::Borrowed("")
        } else {
            self.masker.mask_start(message, self.limits.line_bytes)
        };
        let mut inner = self.inner.lock();
        if inner.lines >= self.limits.lines || inner.bytes + message.len() > self.limits.bytes {
            if inner.dropped == 0 {
                self.full.store(true, Ordering::Relaxed);
                let LogLimits { lines, bytes, .. } = self.limits;
                let message = format!(
                    "the log of this step reached its limit of {lines} lines or {bytes} bytes: the rest is dropped"
                );
                inner.waiting.push(Line {
                    at: self.clock.now(),
                    level: Level::Warning,
                    message,
                });
            }
            inner.dropped += 1;
            // Nothing small slips in after the notice.
            inner.lines = self.limits.lines;
            return;
        }
        inner.lines += 1;
        inner.bytes += message.len();
        inner.waiting.push(Line {
            at: self.clock.now(),
            level,
            message: message.into_owned(),
        });
    }

    /// Takes the lines written since the last time. Whoever shows or stores them masks the secrets
    /// of the run in them: those of the host are not known here in every form.
    pub fn take(&self) -> Vec<Line> {
        std::mem::take(&mut self.inner.lock().waiting)
    }

    /// Lines dropped beyond the limits.
    pub fn dropped(&self) -> u64 {
        self.inner.lock().dropped
    }
}

impl std::fmt::Debug for LogBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let inner = self.inner.lock();
        f.debug_struct("LogBuffer")
            .field("level", &self.level)
            .field("lines", &inner.lines)
            .finish_non_exhaustive()
    }
}

impl wit::Host for State {
    fn log(&mut self, level: wit::Level, message: String) -> wasmtime::Result<()> {
        self.count_call()?;
        self.log.append(level.into(), &message);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;
    impl Clock for Fixed {
        fn now(&self) -> Timestamp {
            Timestamp(7)
        }
    }

    fn log(level: Level, lines: usize, bytes: usize) -> LogBuffer {
        LogBuffer::new(
            Arc::new(Fixed),
            level,
            LogLimits {
                lines,
                bytes,
                line_bytes: 5,
            },
        )
    }

    fn texts(log: &LogBuffer) -> Vec<String> {
        log.take().into_iter().map(|line| line.message).collect()
    }

    #[test]
    fn lines_below_the_level_are_dropped_and_cost_nothing() {
        let log = log(Level::Error, 2, 100);
        log.append(Level::Warning, "a");
        assert!(log.keeps(Level::Flow) && !log.keeps(Level::Warning));
        log.append(Level::Flow, "b");
        log.append(Level::Error, "c");
        assert_eq!(
            log.take(),
            [
                Line {
                    at: Timestamp(7),
                    level: Level::Flow,
                    message: "b".into()
                },
                Line {
                    at: Timestamp(7),
                    level: Level::Error,
                    message: "c".into()
                },
            ]
        );
        assert_eq!(log.dropped(), 0);
    }

    #[test]
    fn beyond_the_limit_one_line_says_so() {
        for log in [log(Level::Debug, 2, 100), log(Level::Debug, 100, 3)] {
            log.append(Level::Info, "a");
            assert_eq!(texts(&log), ["a"]);
            log.append(Level::Info, "b");
            for _ in 0..50 {
                log.append(Level::Info, "more");
            }
            log.append(Level::Info, "x");
            let lines = texts(&log);
            assert_eq!(lines.len(), 2, "{lines:?}");
            assert!(lines[1].contains("the rest is dropped"));
            assert_eq!(log.dropped(), 51);
            assert!(!log.keeps(Level::Error));
        }
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let log = log(Level::Debug, 9, 100);
        log.append(Level::Info, "aääää");
        assert_eq!(texts(&log), ["aää"]);
    }

    #[test]
    fn a_secret_is_masked_before_its_line_is_cut() {
        let log = log(Level::Debug, 9, 100).masking(Masker::new([("it", "secret")]).unwrap());
        log.append(Level::Info, "a secret");
        log.append(Level::Info, "abc secret");
        assert_eq!(texts(&log), ["a ***", "abc *"]);
    }

    #[test]
    fn numbers_become_levels() {
        use Level::{Debug, Error, Flow, Info, Warning};
        let levels = [0, 10, 20, 25, 30, 40, 50].map(Level::at_least);
        assert_eq!(levels, [Debug, Debug, Info, Flow, Warning, Error, Error]);
    }
}
