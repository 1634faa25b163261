//! The built-in SyncPack with the steps that most applications need.

mod trigger;

pub use trigger::TriggerApplication;

powerflow_sdk::syncpack!(TriggerApplication);
