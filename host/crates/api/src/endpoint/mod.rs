//! One file per endpoint.

pub(crate) mod applications;
pub(crate) mod asks;
pub(crate) mod cache;
pub(crate) mod configurations;
pub(crate) mod dead_letters;
pub(crate) mod limits;
pub(crate) mod operators;
pub(crate) mod overview;
pub(crate) mod runs;
pub(crate) mod schedules;
pub(crate) mod service;
pub(crate) mod session;
pub(crate) mod steps;
pub(crate) mod syncpacks;
pub(crate) mod tasks;
pub(crate) mod webhooks;
pub(crate) mod workers;

use std::future::Future;

use crate::problem::{Answer, Problem};

/// Brings work to its end even when the caller goes away in the middle of it.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Answer<T>> + Send + 'static,
) -> Answer<T> {
    use tracing::Instrument as _;
    match tokio::spawn(work.in_current_span()).await {
        Ok(answer) => answer,
        Err(error) => Err(Problem::internal(&error.to_string())),
    }
}
