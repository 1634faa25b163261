//! Who calls: Basic authentication against the accounts in the store, or a session that began so.

pub(crate) mod basic;
pub(crate) mod bootstrap;
pub(crate) mod credentials;
pub(crate) mod guard;
pub(crate) mod password;
pub(crate) mod sessions;
