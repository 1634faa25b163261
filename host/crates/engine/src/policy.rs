//! What holds for the attempts of a step on this service: what its documents say, within
//! what the service allows, and else what the service's settings say.

use std::time::Duration;

use model::{
    application::{Application, Step},
    policy::{self, OnWorkerLost, Policy},
    validate::{Lookup, Problem, Registry, code},
};

use crate::{Settings, catalogue::Snapshot};

/// What holds for the attempts of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// After this, an attempt counts as late.
    pub soft: Duration,
    /// After this, it is ended.
    pub hard: Duration,
    /// What becomes of it when its worker is lost.
    pub on_worker_lost: OnWorkerLost,
}

impl Settings {
    /// What holds for a step of that policy.
    pub(crate) fn rules(&self, policy: &Policy) -> Rules {
        let most = self.step_timeout_max.max(self.step_timeout);
        Rules {
            soft: policy.soft.unwrap_or(self.step_soft_timeout),
            hard: policy.hard.unwrap_or(self.step_timeout).min(most),
            on_worker_lost: policy.on_worker_lost.unwrap_or(self.on_worker_lost),
        }
    }

    /// What holds for a step of an application, as the active packs know it.
    pub(crate) fn rules_of(
        &self,
        application: &Application,
        step: Step<'_>,
        packs: &Snapshot,
    ) -> Rules {
        let (pack, file) = step.executes().unwrap_or_default();
        let idempotent = match packs.step(pack, file) {
            Lookup::Found { descriptor, .. } => descriptor.idempotent,
            _ => true,
        };
        self.rules(&Policy::of_step(application, step, idempotent))
    }

    /// Warns of time limits beyond what the service allows.
    pub(crate) fn beyond_maximum(&self, application: &Application) -> Vec<Problem> {
        let most = self.step_timeout_max.max(self.step_timeout);
        let places = std::iter::once((String::new(), application.document())).chain(
            application
                .steps()
                .map(|step| (format!("/steps/{}", step.index), step.entry)),
        );
        places
            .filter(|(_, map)| Policy::of(map).hard.is_some_and(|hard| hard > most))
            .map(|(path, _)| {
                Problem::warning(
                    code::TIME_LIMIT,
                    format!("{path}/{}", policy::HARD),
                    format!(
                        "this service ends steps after {} s at the latest (worker.step_timeout_max): more has no effect",
                        most.as_secs_f64()
                    ),
                )
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_go_before_settings_up_to_the_maximum() {
        let settings = Settings {
            step_soft_timeout: Duration::from_secs(10),
            step_timeout: Duration::from_secs(20),
            step_timeout_max: Duration::from_mins(1),
            on_worker_lost: OnWorkerLost::Fail,
            ..Settings::default()
        };
        let seconds = |soft, hard| Policy {
            soft: Some(Duration::from_secs(soft)),
            hard: Some(Duration::from_secs(hard)),
            on_worker_lost: Some(OnWorkerLost::Retry),
        };
        let rules = |policy: &Policy| {
            let rules = settings.rules(policy);
            let word = rules.on_worker_lost.word();
            (rules.soft.as_secs(), rules.hard.as_secs(), word)
        };
        assert_eq!(rules(&Policy::default()), (10, 20, "fail"));
        assert_eq!(rules(&seconds(30, 40)), (30, 40, "retry"));
        assert_eq!(rules(&seconds(30, 400)), (30, 60, "retry"));
        let Ok(application) = Application::from_value(json!({
            "name": "a", "task_time_limit": 61, "steps": [
                {"name": "one", "file": "F", "task_time_limit": 60},
                {"name": "two", "file": "F", "task_time_limit": 1e6},
            ],
        })) else {
            panic!("it is an object");
        };
        let warned = settings.beyond_maximum(&application);
        let paths: Vec<_> = warned.iter().map(|one| &*one.path).collect();
        assert_eq!(paths, ["/task_time_limit", "/steps/1/task_time_limit"]);
    }
}
