//! Schedules.

pub(crate) mod backfill;
pub(crate) mod calendar;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod occurrences;
pub(crate) mod pause;
pub(crate) mod predecessor;
pub(crate) mod preview;
pub(crate) mod put;
pub(crate) mod resume;
