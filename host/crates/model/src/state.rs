//! The states of runs and steps. The numbers are what the store keeps: never
//! renumber, only add.

use serde::{Deserialize, Serialize};

macro_rules! states {
    ($(#[$doc:meta])* $name:ident { $($(#[$case_doc:meta])* $case:ident = $code:literal $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[repr(u8)]
        pub enum $name { $($(#[$case_doc])* $case = $code,)+ }

        impl $name {
            /// Every state.
            pub const ALL: &'static [Self] = &[$(Self::$case),+];

            /// The number that the store keeps.
            pub const fn code(self) -> u8 { self as u8 }

            /// The state of a stored number; `None` when no state has it.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$case),)+ _ => None }
            }

            /// The word that API, command line and page show.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$case => $word,)+ }
            }

            /// The state of that word; `None` when no state has it.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$case),)+ _ => None }
            }
        }
    };
}

states! {
    /// Where a run stands.
    RunState {
        /// Accepted; no step has started.
        Queued = 0 "queued",
        /// A step has started, and not all have ended.
        Running = 1 "running",
        /// All steps ended well.
        Success = 2 "success",
        /// All steps ended, at least one with a warning and none in failure.
        Warning = 3 "warning",
        /// At least one step failed.
        Failed = 4 "failed",
        /// Stopped, or one of its steps was, by a person or a program before its end.
        Cancelled = 5 "cancelled",
    }
}

states! {
    /// Where a step of a run stands.
    StepState {
        /// Not all of the steps that it depends on have ended.
        Pending = 0 "pending",
        /// May start as soon as a worker takes it.
        Ready = 1 "ready",
        /// A worker executes it.
        Running = 2 "running",
        /// Started children, or waits for a time: holds no worker.
        Waiting = 3 "waiting",
        /// Ended well.
        Success = 4 "success",
        /// Ended well, with a warning.
        Warning = 5 "warning",
        /// Ended in an error.
        Failed = 6 "failed",
        /// Not executed: a step that it depends on failed or was not executed.
        Skipped = 7 "skipped",
        /// Not executed to its end: it was stopped, or its run was.
        Cancelled = 8 "cancelled",
        /// Not executed: no condition chose a branch that leads to it.
        NotTaken = 9 "not_taken",
    }
}

states! {
    /// What a waiting step waits for.
    WaitKind {
        /// The next attempt, after one that failed.
        Retry = 1 "retry",
        /// The end of the runs that it started.
        Children = 2 "children",
        /// A moment that the application names.
        Delay = 3 "delay",
        /// Somebody's decision.
        Approval = 4 "approval",
        /// A message from outside.
        Webhook = 5 "webhook",
        /// A place, or its turn, under a limit that others have reached.
        Limit = 6 "limit",
    }
}

impl RunState {
    /// Whether the run has ended.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

impl StepState {
    /// Whether the step has ended, in whichever way.
    pub const fn is_final(self) -> bool {
        !matches!(
            self,
            Self::Pending | Self::Ready | Self::Running | Self::Waiting
        )
    }
}
