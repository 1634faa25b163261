//! The processes of the service.

pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod set;
