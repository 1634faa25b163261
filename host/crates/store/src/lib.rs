//! What PowerFlow keeps, as traits by aggregate; the backends implement them.
//!
//! The store is the truth: a run, a result, a claim exists when a call here has
//! answered. This crate holds the traits, the records that they take and give, and
//! the errors, typed by whether trying again may help. It holds no SQL, and it
//! decides nothing about runs: what the end of a step brings about is
//! [`model::flow`]'s to say, which backends call inside their transaction.
//!
//! Not found is `Ok(None)`. Every call is one transaction. A call that changes
//! something answers after the commit is as durable as the backend was configured.

pub mod accounts;
pub mod asks;
pub mod bulk;
pub mod cache;
pub mod definitions;
mod error;
pub mod limits;
pub mod packs;
pub mod pauses;
pub mod runs;
pub mod schedules;
pub mod webhooks;
pub mod workers;

pub use error::{Error, Result};

/// A store: every aggregate on one backend.
pub trait Store:
    runs::Runs
    + runs::Waits
    + runs::History
    + definitions::Definitions
    + packs::Packs
    + cache::Cache
    + accounts::Accounts
    + schedules::Schedules
    + pauses::Pauses
    + asks::Asks
    + limits::Limits
    + webhooks::Webhooks
    + bulk::Bulks
    + workers::Workers
{
    /// What the backend is, for `/about`: `sqlite 3.51`, `postgresql 15.4`.
    fn description(&self) -> String;
}

/// A part of a list, in a stable order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// Where the next page starts: the `after` of the next call. `None` at the end.
    pub next: Option<String>,
}
