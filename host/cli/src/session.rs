//! What a command works with.

use crate::{arguments::Global, client::Client, failure::Failure, output::Output, profile::Access};

/// What a command works with.
pub(crate) struct Session {
    global: Global,
    pub(crate) output: Output,
}

impl Session {
    pub(crate) fn new(global: Global) -> Self {
        Self {
            output: Output { json: global.json },
            global,
        }
    }

    /// The service; commands that need none never ask for it.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        Client::new(Access::of(&self.global)?)
    }
}
