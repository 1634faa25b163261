//! Operators of applications: conditions and transforms.

pub(crate) mod preview;
pub(crate) mod schema;
