//! Webhooks.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod deliveries;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod put;
pub(crate) mod receive;
pub(crate) mod redeliver;
pub(crate) mod rotate;
