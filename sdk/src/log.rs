//! The log of a step.

use std::fmt::Display;

use crate::host;

/// The severity of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For finding a fault.
    Debug,
    /// The ordinary course of things.
    Info,
    /// Progress of the run; kept at every log level.
    Flow,
    /// Something that a person should look at.
    Warning,
    /// A failure.
    Error,
}

impl Level {
    /// The number of the level in a run's `log_level`.
    pub fn number(self) -> u32 {
        match self {
            Self::Debug => 10,
            Self::Info => 20,
            Self::Flow => 25,
            Self::Warning => 30,
            Self::Error => 40,
        }
    }
}

/// The log of this step, at the level of the run.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    threshold: u32,
}

impl Log {
    pub(crate) fn new(threshold: u32) -> Self {
        Self { threshold }
    }

    /// Whether a line of this level is kept.
    pub fn enabled(self, level: Level) -> bool {
        level == Level::Flow || level.number() >= self.threshold
    }

    /// Writes a line if its level is kept; formats it only then.
    pub fn write(self, level: Level, message: impl Display) {
        if self.enabled(level) {
            host::log(level, &message.to_string());
        }
    }

    /// Writes a line of level debug.
    pub fn debug(self, message: impl Display) {
        self.write(Level::Debug, message);
    }

    /// Writes a line of level info.
    pub fn info(self, message: impl Display) {
        self.write(Level::Info, message);
    }

    /// Writes a line of level flow.
    pub fn flow(self, message: impl Display) {
        self.write(Level::Flow, message);
    }

    /// Writes a line of level warning.
    pub fn warning(self, message: impl Display) {
        self.write(Level::Warning, message);
    }

    /// Writes a line of level error.
    pub fn error(self, message: impl Display) {
        self.write(Level::Error, message);
    }
}

/// Writes a line of level debug: `debug!(cx, "{} rows", rows.len())`.
#[macro_export]
macro_rules! debug {
    ($cx:expr, $($message:tt)+) => { $cx.log().debug(::core::format_args!($($message)+)) };
}

/// Writes a line of level info: `info!(cx, "{} rows", rows.len())`.
#[macro_export]
macro_rules! info {
    ($cx:expr, $($message:tt)+) => { $cx.log().info(::core::format_args!($($message)+)) };
}

/// Writes a line of level flow, which every log level keeps.
#[macro_export]
macro_rules! flow {
    ($cx:expr, $($message:tt)+) => { $cx.log().flow(::core::format_args!($($message)+)) };
}

/// Writes a line of level warning.
#[macro_export]
macro_rules! warning {
    ($cx:expr, $($message:tt)+) => { $cx.log().warning(::core::format_args!($($message)+)) };
}

/// Writes a line of level error.
#[macro_export]
macro_rules! error {
    ($cx:expr, $($message:tt)+) => { $cx.log().error(::core::format_args!($($message)+)) };
}
