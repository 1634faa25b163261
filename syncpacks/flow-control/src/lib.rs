//! The built-in SyncPack that executes operators: conditions, which choose a branch, and
//! transforms, which shape data with a template.
//!
//! What the steps are given is made by the host's compiler of applications
//! (`powerflow-model`) and is a contract between the two alone: an author of applications
//! writes operators, not these parameters. Templates follow Jinja2 of Python; the tests
//! compare them with what it makes.

mod condition;
mod data;
pub mod template;
mod transform;

pub use condition::{Condition, When};
pub use data::Data;
pub use transform::Transform;

powerflow_sdk::syncpack!(Condition, Transform);
