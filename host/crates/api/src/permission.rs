//! What a caller may do: five roles, each of which includes the one before.

use std::fmt;

/// What a role allows, and what a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// Read everything.
    View,
    /// Run applications and steps, cancel and replay runs; pause, resume and backfill
    /// schedules; read webhooks, whose addresses start runs.
    Execute,
    /// Save configuration objects; change variables and alignments of applications.
    Configuration,
    /// Save applications, schedules and webhooks, upload SyncPacks.
    Developer,
    /// Install, activate and delete SyncPacks; delete applications, configuration
    /// objects and cache records; set workers; pause runs, and cancel, retry or replay many at once.
    Administrator,
}

impl Permission {
    /// Every permission, the least first.
    pub const ALL: [Self; 5] = [
        Self::View,
        Self::Execute,
        Self::Configuration,
        Self::Developer,
        Self::Administrator,
    ];

    /// Its name, which is that of the role that just has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::View => "View",
            Self::Execute => "Execute",
            Self::Configuration => "Configuration",
            Self::Developer => "Developer",
            Self::Administrator => "Administrator",
        }
    }

    /// What the role of that name allows; `None` for a role that does not exist,
    /// which allows nothing.
    pub fn of_role(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|one| one.name().eq_ignore_ascii_case(name))
    }

    /// Whether a caller who has this may do what asks for `needed`.
    pub fn includes(self, needed: Self) -> bool {
        self >= needed
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_includes_those_before_it() {
        for (at, role) in Permission::ALL.into_iter().enumerate() {
            assert_eq!(Permission::of_role(role.name()), Some(role));
            for (other, needed) in Permission::ALL.into_iter().enumerate() {
                assert_eq!(role.includes(needed), other <= at);
            }
        }
        assert_eq!(
            Permission::of_role("administrator"),
            Some(Permission::Administrator)
        );
        assert_eq!(Permission::of_role("root"), None);
        assert_eq!(Permission::of_role(""), None);
    }
}
