//! The service itself: versions, health, and its pages.

pub(crate) mod about;
pub(crate) mod document;
pub(crate) mod errors;
pub(crate) mod health;
pub(crate) mod home;
pub(crate) mod metrics;
pub(crate) mod pages;
pub(crate) mod ready;
pub(crate) mod reference;
