//! Delays: steps that let time pass and hold nothing meanwhile.

use model::{
    id::{Ordinal, Token},
    operator::{self, Operator},
    plan::{PlannedStep, run_code},
    state::WaitKind,
};
use serde_json::Value;
use store::runs::Suspension;

use crate::{Engine, attempt::End, problem::Problem, worker::Chain};

/// Whether a step is a delay.
pub(crate) fn is_one(step: &PlannedStep) -> bool {
    let operator = step.operator.as_ref();
    operator.is_some_and(|one| one.operator == Operator::Delay)
}

/// How long to wait, in microseconds.
fn micros(parameters: &str) -> Result<i64, Box<Problem>> {
    let parameters: Value = serde_json::from_str(parameters).unwrap_or_default();
    let value = &parameters[operator::SECONDS];
    let number = match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    };
    match number.filter(|seconds| operator::is_delay(*seconds)) {
        Some(seconds) => Ok((seconds * 1e6) as i64),
        None => Err(Box::new(Problem::permanent(
            run_code::TYPE_MISMATCH,
            format!(
                "`seconds` of a delay is a number from 0 to {}, and became {value}",
                operator::LONGEST_DELAY
            ),
        ))),
    }
}

impl Engine {
    /// An attempt of a delay: it waits, or it has waited.
    pub(crate) fn delay(
        &self,
        chain: &Chain,
        step: Ordinal,
        token: Token,
        parameters: &str,
    ) -> End {
        let micros = match micros(parameters) {
            Ok(micros) => micros,
            Err(problem) => return self.end(chain, step, token, Err(*problem), Vec::new()),
        };
        if micros == 0 || chain.waited_for(WaitKind::Delay) {
            let waited = runtime::Outcome::Output {
                data: serde_json::json!({operator::SECONDS: micros as f64 / 1e6}).to_string(),
                warning: None,
                attributes: None,
            };
            return self.end(chain, step, token, Ok(waited), Vec::new());
        }
        let now = self.clock.now();
        End::Waits(Suspension {
            key: chain.key(step),
            token,
            kind: WaitKind::Delay,
            until: Some(now.plus_micros(micros)),
            children: (0, 0),
            detail: None,
            ask: None,
            ended: None,
            error: None,
            log: None,
            at: now,
            expires_at: chain.header.expires_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_numbers_within_a_year() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1.5", Some(1_500_000)),
            ("\" 30 \"", Some(30_000_000)),
            ("31536000", Some(31_536_000_000_000)),
            ("31536001", None),
            ("-1", None),
            ("null", None),
            ("\"NaN\"", None),
            ("\"soon\"", None),
            ("[1]", None),
        ] {
            let found = micros(&format!("{{\"seconds\":{text}}}"));
            assert_eq!(found.ok(), expected, "{text}");
        }
    }
}
