//! Who calls: Basic authentication against the accounts in the store.

pub(crate) mod basic;
pub(crate) mod bootstrap;
pub(crate) mod credentials;
pub(crate) mod guard;
pub(crate) mod password;
