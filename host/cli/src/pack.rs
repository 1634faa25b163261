//! Writing, building and reading SyncPacks on this machine; no service is needed.

pub(crate) mod build;
mod describe;
pub(crate) mod inspect;
pub(crate) mod new;

use crate::failure::{Exit, Failure};

impl From<syncpack::Error> for Failure {
    fn from(error: syncpack::Error) -> Self {
        Self::new(Exit::Refused, error.code(), error.to_string())
    }
}
