//! Applications that start each other in a circle, found when one of them is saved.
//!
//! What was looked at is checked again in the transaction that saves (`Save::relies`), so that
//! two who save an application each do not close a circle together. Names that are made when a
//! step runs are caught by the depth of the runs (`children`).

use std::collections::{HashMap, VecDeque};

use model::{application::Application, calls::called, id::TenantId};
use store::definitions::Kind;

use crate::{
    Engine,
    error::{Fault, Result},
};

/// Applications start each other in a circle.
pub(crate) const CIRCLE: &str = "PF-A072";

/// What following the calls of an application gave.
#[derive(Default)]
pub(crate) struct Calls {
    /// The circle, if there is one.
    pub(crate) fault: Option<Fault>,
    /// The applications that were looked at, with the rows of their newest revisions; 0: there
    /// is none.
    pub(crate) relies: Vec<(String, i64)>,
}

impl Engine {
    /// Follows what an application starts, and what that starts, as far as documents say it.
    pub(crate) async fn follow_calls(
        &self,
        tenant: TenantId,
        application: &Application,
    ) -> Result<Calls> {
        let catalogue = self.catalogue.active(tenant);
        let mut calls = Calls::default();
        let Some(own) = application.name() else {
            return Ok(calls);
        };
        // Each with the one that starts it.
        let mut found: HashMap<String, String> = HashMap::new();
        let mut open: VecDeque<String> = VecDeque::new();
        let mut from = own.to_owned();
        let mut names = called(application, &*catalogue);
        loop {
            if names.contains(own) {
                calls.fault = Some(circle(own, &from, &found));
                return Ok(calls);
            }
            for name in names {
                if !found.contains_key(&name) {
                    found.insert(name.clone(), from.clone());
                    open.push_back(name);
                }
            }
            let Some(next) = open.pop_front() else {
                return Ok(calls);
            };
            let stored = self
                .store
                .definition(tenant, Kind::Application, &next)
                .await?;
            let revision = stored.as_ref().map_or(0, |stored| stored.revision);
            calls.relies.push((next.clone(), revision));
            // One that cannot be read starts nothing.
            names = stored
                .and_then(|stored| Application::parse(&stored.document).ok())
                .map(|child| called(&child, &*catalogue))
                .unwrap_or_default();
            from = next;
        }
    }
}

fn circle(own: &str, last: &str, found: &HashMap<String, String>) -> Fault {
    let mut way = vec![own];
    let mut at = last;
    while at != own {
        way.push(at);
        match found.get(at) {
            Some(before) => at = before,
            None => break,
        }
    }
    way.push(own);
    way.reverse();
    Fault {
        code: CIRCLE.to_owned(),
        at: "/steps".to_owned(),
        message: format!(
            "applications start each other in a circle: {}; a run would start runs until it is {} deep, and fail",
            way.join(" → "),
            crate::children::DEEPEST
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_told_in_the_order_of_its_calls() {
        let found = [("b", "a"), ("c", "b"), ("d", "a")];
        let found = found
            .into_iter()
            .map(|(to, from)| (to.to_owned(), from.to_owned()))
            .collect();
        let told = |last| circle("a", last, &found).message;
        assert!(told("c").contains(": a → b → c → a;"), "{}", told("c"));
        assert!(told("a").contains(": a → a;"), "{}", told("a"));
    }
}
