//! The limits of a step.

use super::{Compiler, Scope};
use crate::{
    application::Step,
    limits::{self, Limit},
    plan::PlannedLimit,
};

impl Compiler<'_> {
    /// The limits of a step: their keys may refer to whatever its parameters may.
    pub(super) fn limits(&mut self, step: Step<'_>, path: &str) -> Box<[PlannedLimit]> {
        let concurrency = limits::concurrency(step.entry)
            .map(|(key, limit)| (limits::CONCURRENCY, key, Limit::Concurrency(limit)));
        let rate =
            limits::rate(step.entry).map(|(key, rate)| (limits::RATE, key, Limit::Rate(rate)));
        let both = concurrency.into_iter().chain(rate);
        both.map(|(name, key, limit)| {
            let path = format!("{path}/{name}/{}", limits::KEY);
            let scope = Scope {
                steps: self.names,
                variables: &self.variables.positions,
                item: self.item,
            };
            let key = scope.parse(key, &path, self.problems);
            self.read(step, &key, &path.into());
            PlannedLimit { name, key, limit }
        })
        .collect()
    }
}
