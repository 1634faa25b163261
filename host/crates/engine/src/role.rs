//! What a process of the service does.

/// What a process of the service does. All of it in one is the default; a cluster
/// has as many processes of each kind as it needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    #[default]
    All,
    /// Answers requests.
    Api,
    /// Executes steps.
    Worker,
    /// Keeps the queue in line with the store, takes back what lost workers held, and
    /// forgets what expired. Of several, one leads and the others wait.
    Scheduler,
}

impl Role {
    /// Its name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Api => "api",
            Self::Worker => "worker",
            Self::Scheduler => "scheduler",
        }
    }

    /// Whether it executes steps.
    pub const fn executes(self) -> bool {
        matches!(self, Self::All | Self::Worker)
    }

    /// Whether it answers requests.
    pub const fn serves(self) -> bool {
        matches!(self, Self::All | Self::Api)
    }

    /// Whether it may lead.
    pub const fn leads(self) -> bool {
        matches!(self, Self::All | Self::Scheduler)
    }
}
