//! What stands in for the sandbox: steps whose length and outcome chance decides.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use engine::simulation::StandIn;
use model::id::{StepKey, Token};
use parking_lot::Mutex;
use runtime::{Call, Execution, Failure, Kind, Outcome, Usage, code};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{chance::Chance, journal::Journal, net::Link};

/// The steps of a process.
pub(crate) struct Steps {
    pub(crate) link: Arc<Link>,
    /// The world's.
    pub(crate) seed: u64,
    pub(crate) chance: Mutex<Chance>,
    pub(crate) journal: Journal,
}

/// How a step takes its time.
const ENDLESS: Duration = Duration::from_hours(24);

fn failure(kind: Kind, code: &str, by_guest: bool) -> Failure {
    Failure {
        kind,
        code: code.to_owned(),
        message: "as chance has it".to_owned(),
        detail: None,
        by_guest,
    }
}

fn output(data: String, warning: Option<String>) -> Outcome {
    Outcome::Output {
        data,
        warning,
        attributes: None,
    }
}

impl Steps {
    fn length(&self) -> Duration {
        let mut chance = self.chance.lock();
        match chance.of(0..1000) {
            0..300 => Duration::ZERO,
            300..850 => chance.millis(1..80),
            850..980 => chance.millis(80..2500),
            980..990 => chance.millis(2500..15_000),
            _ => ENDLESS,
        }
    }

    fn outcome(&self, key: StepKey, token: Token, call: &Call) -> Result<Outcome, Failure> {
        let parameters: Value = serde_json::from_str(&call.parameters).unwrap_or_default();
        let mut chance = self.chance.lock();
        if &*call.step == "Condition" {
            let branches = parameters["branches"].as_array().map_or(0, Vec::len) as u64;
            let index = chance.of(0..branches + 1);
            let index = (index < branches).then_some(index);
            return Ok(output(json!({ "index": index }).to_string(), None));
        }
        // What is wrong with a step is wrong each time.
        if Chance::new(self.seed ^ (key.run.0 as u64) << 8 ^ u64::from(key.step.0)).happens(80) {
            return Err(failure(Kind::Permanent, "wrong", true));
        }
        if chance.happens(60) {
            return Err(failure(Kind::Retryable, "busy", true));
        }
        if &*call.step == "Start" {
            return Ok(Outcome::StartChildren(parameters["start"].to_string()));
        }
        let warning = chance.happens(50).then(|| "odd".to_owned());
        let data = json!({"run": key.run.0, "step": key.step.0, "token": token.0,
            "index": parameters["index"]});
        Ok(output(data.to_string(), warning))
    }
}

#[async_trait]
impl StandIn for Steps {
    async fn execute(&self, key: StepKey, token: Token, call: Call) -> Execution {
        self.link.live().await;
        let process = self.link.process;
        self.journal.speaks(process);
        self.journal
            .tell(process, || format!("executes {key:?} {token:?}"));
        self.journal
            .check(|check| check.begins(process, (key, token), &call.data, &call.parameters));
        let length = self.length();
        let result = tokio::select! {
            biased;
            () = call.cancel.cancelled() => Err(failure(Kind::Permanent, code::CANCELLED, false)),
            () = sleep(call.deadline) => Err(failure(Kind::Retryable, code::TIMEOUT, false)),
            () = sleep(length) => self.outcome(key, token, &call),
        };
        self.link.live().await;
        self.journal
            .tell(process, || format!("has executed {key:?} {token:?}"));
        self.journal
            .check(|check| check.is_over(process, key, token));
        Execution {
            result,
            usage: Usage::default(),
        }
    }
}
