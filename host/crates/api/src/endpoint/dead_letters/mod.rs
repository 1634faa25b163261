//! Steps that nobody executes any more.

pub(crate) mod delete;
pub(crate) mod list;
pub(crate) mod replay;
pub(crate) mod set_aside;
