//! What the example produced: as a table, a summary and a verdict.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use anyhow::bail;
use serde_json::Value;

/// The widest text of a column.
const WIDEST: usize = 56;

/// An event whose run has ended.
#[derive(Debug)]
pub(crate) struct Synchronised {
    pub(super) eid: String,
    pub(super) run: String,
    /// The correlation of its incident; empty if no step said.
    pub(super) correlation: String,
    /// `created` or `updated`.
    pub(super) action: String,
    /// Why its run did not succeed.
    pub(super) failure: Option<String>,
}

/// What was done, and what the simulators hold then.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(super) events: Vec<Synchronised>,
    pub(super) incidents: Vec<Value>,
    /// The external ticket of each event in SL1, empty for none.
    pub(super) tickets: HashMap<String, String>,
    pub(super) took: Duration,
}

impl Outcome {
    /// A line for each event with the incident that it led to.
    pub(crate) fn table(&self) -> String {
        let heads = [
            "event",
            "action",
            "incident",
            "correlation",
            "short description",
            "ticket in SL1",
        ];
        let mut rows = vec![heads.map(str::to_owned)];
        for event in &self.events {
            let incident = self.incident(&event.correlation);
            let of = |field: &str| {
                incident
                    .and_then(|found| found[field].as_str())
                    .unwrap_or("-")
                    .to_owned()
            };
            rows.push([
                event.eid.clone(),
                if event.action.is_empty() {
                    "failed".to_owned()
                } else {
                    event.action.clone()
                },
                of("number"),
                of("correlation_id"),
                cut(&of("short_description")),
                self.ticket(event).unwrap_or("-").to_owned(),
            ]);
        }
        let widths: Vec<usize> = (0..heads.len())
            .map(|column| {
                rows.iter()
                    .map(|row| row[column].chars().count())
                    .max()
                    .unwrap_or_default()
            })
            .collect();
        let line = |row: &[String; 6]| {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            cells.join("  ").trim_end().to_owned() + "\n"
        };
        rows.iter().map(line).collect()
    }

    /// How many of what, and how long it took.
    pub(crate) fn summary(&self) -> String {
        let count = |action: &str| {
            self.events
                .iter()
                .filter(|event| event.action == action)
                .count()
        };
        format!(
            "{} events in {:.2} s: {} incidents created, {} updates; ServiceNow holds {} incidents, {} events have their ticket",
            self.events.len(),
            self.took.as_secs_f64(),
            count("created"),
            count("updated"),
            self.incidents.len(),
            self.events
                .iter()
                .filter(|event| self.ticket(event).is_some())
                .count(),
        )
    }

    /// An error with everything that is not as it must be.
    pub(crate) fn judge(&self) -> anyhow::Result<()> {
        let mut wrong = Vec::new();
        for event in &self.events {
            if let Some(failure) = &event.failure {
                wrong.push(format!(
                    "event {} (run {}): {failure}",
                    event.eid, event.run
                ));
            }
        }
        let mut held: BTreeMap<&str, usize> = BTreeMap::new();
        for incident in &self.incidents {
            *held
                .entry(incident["correlation_id"].as_str().unwrap_or_default())
                .or_default() += 1;
        }
        let wanted: HashSet<&str> = self
            .events
            .iter()
            .map(|event| event.correlation.as_str())
            .collect();
        for correlation in &wanted {
            match held.get(correlation) {
                Some(1) => {}
                found => wrong.push(format!(
                    "ServiceNow holds {} incidents of {correlation}, not one",
                    found.unwrap_or(&0)
                )),
            }
        }
        for correlation in held.keys().filter(|held| !wanted.contains(*held)) {
            wrong.push(format!(
                "ServiceNow holds an incident of {correlation}, which no event has"
            ));
        }
        for event in &self.events {
            let number = self
                .incident(&event.correlation)
                .and_then(|incident| incident["number"].as_str());
            if number.is_none() || self.ticket(event) != number {
                wrong.push(format!(
                    "event {} has the ticket {:?} in SL1, not {number:?}",
                    event.eid,
                    self.ticket(event)
                ));
            }
        }
        if self.events.is_empty() {
            wrong.push("nothing was run".to_owned());
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            bail!("{}", wrong.join("; "))
        }
    }

    fn incident(&self, correlation: &str) -> Option<&Value> {
        self.incidents
            .iter()
            .find(|incident| incident["correlation_id"] == correlation)
    }

    fn ticket(&self, event: &Synchronised) -> Option<&str> {
        self.tickets
            .get(&event.eid)
            .map(String::as_str)
            .filter(|ticket| !ticket.is_empty())
    }
}

fn cut(text: &str) -> String {
    if text.chars().count() <= WIDEST {
        return text.to_owned();
    }
    text.chars().take(WIDEST - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn outcome() -> Outcome {
        let event = |eid: &str, action: &str| Synchronised {
            eid: eid.to_owned(),
            run: "isapp-1".to_owned(),
            correlation: "C1".to_owned(),
            action: action.to_owned(),
            failure: None,
        };
        Outcome {
            events: vec![event("1", "created"), event("2", "updated")],
            incidents: vec![
                json!({"number": "INC1", "correlation_id": "C1", "short_description": "x".repeat(80)}),
            ],
            tickets: [("1", "INC1"), ("2", "INC1")]
                .map(|(eid, ticket)| (eid.to_owned(), ticket.to_owned()))
                .into(),
            took: Duration::from_millis(1500),
        }
    }

    fn fault(change: impl FnOnce(&mut Outcome)) -> String {
        let mut outcome = outcome();
        change(&mut outcome);
        outcome
            .judge()
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn a_whole_result_is_shown_and_accepted() {
        let outcome = outcome();
        assert!(outcome.judge().is_ok());
        assert!(
            outcome.table().contains("2      updated  INC1"),
            "{}",
            outcome.table()
        );
        assert!(
            outcome
                .summary()
                .starts_with("2 events in 1.50 s: 1 incidents created, 1 updates")
        );
    }

    #[test]
    fn whatever_is_missing_or_too_many_is_named() {
        assert!(fault(|outcome| outcome.incidents.clear()).contains("0 incidents of C1"));
        assert!(
            fault(|outcome| outcome.incidents.push(outcome.incidents[0].clone()))
                .contains("2 incidents of C1")
        );
        assert!(
            fault(|outcome| outcome.incidents.push(json!({"correlation_id": "C2"})))
                .contains("C2, which no event has")
        );
        assert!(
            fault(|outcome| _ = outcome.tickets.insert("2".into(), String::new()))
                .contains("event 2 has the ticket None")
        );
        assert!(
            fault(|outcome| _ = outcome.tickets.insert("2".into(), "INC9".into())).contains("INC9")
        );
        assert!(fault(|outcome| outcome.events[0].failure = Some("why".into())).contains("why"));
        assert!(fault(|outcome| outcome.events.clear()).contains("nothing was run"));
    }
}
