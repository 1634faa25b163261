//! Occurrences of a range in the past that shall run after all.

use model::{clock::Timestamp, schedule::rfc3339};
use store::schedules::Outcome;

use crate::{
    Engine,
    error::{Error, Fault, Result},
    view::Caller,
};

/// How many occurrences one request may fill.
const MOST: usize = 1000;

/// Which range is to be filled.
#[derive(Clone, Copy, Debug)]
pub struct BackfillQuery {
    /// From this moment,
    pub from: Timestamp,
    /// until this one, both inclusive.
    pub until: Timestamp,
    /// Only say what would run.
    pub preview: bool,
}

/// A range that is filled, or would be.
#[derive(Clone, Debug)]
pub struct Backfill {
    /// The occurrences that run.
    pub run: Vec<Timestamp>,
    /// Those that have started a run already, or wait to, and are left as they are.
    pub left: Vec<(Timestamp, Outcome)>,
    /// Whether the schedule rests: nothing runs until it goes on.
    pub paused: bool,
}

impl Engine {
    /// Has those occurrences of a range run that have started none. They wait in the store
    /// until the scheduler starts them, one after another where the schedule's policy lets
    /// no two run side by side.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the range is no such.
    pub async fn backfill_schedule(
        &self,
        caller: &Caller,
        name: &str,
        query: BackfillQuery,
    ) -> Result<Backfill> {
        let found = self.stored_schedule(caller.tenant, name).await?;
        let compiled = self.scheduler.compile(&found).map_err(Error::Internal)?;
        let now = self.now();
        if query.until > now {
            return Err(fault(
                "/until",
                "this is in the future: only what is past can be filled",
            ));
        }
        if query.until < query.from {
            return Err(fault("/until", "this is before `from`"));
        }
        let anchor = compiled.timing.earlier_anchor(query.from, found.anchor);
        let dues: Vec<_> = compiled
            .timing
            .between(query.from.plus_micros(-1), query.until, anchor)
            .take(MOST + 1)
            .collect();
        if dues.len() > MOST {
            let message =
                format!("there are more than {MOST} occurrences in this range: fill it in parts");
            return Err(fault("/until", &message));
        }
        let recorded = self
            .store
            .occurrences_between(found.id, query.from, query.until)
            .await?;
        // Asked after what is recorded, of which something may be forgotten meanwhile. Before
        // it was saved first a schedule has started nothing.
        if let Some(gone) = self.forgotten_until().await?
            && dues
                .iter()
                .any(|due| (found.created_at..gone).contains(due))
        {
            return Err(fault(
                "/from",
                &format!(
                    "what ran until {} is not recorded any more (store.result_expires), and would run a second time: fill from then on",
                    rfc3339(gone)
                ),
            ));
        }
        let mut filled = Backfill {
            run: Vec::new(),
            left: Vec::new(),
            paused: !found.enabled,
        };
        for due in dues {
            let outcome = recorded
                .iter()
                .find(|one| one.due == due)
                .map(|one| one.outcome);
            match outcome {
                Some(outcome @ (Outcome::Started | Outcome::Waiting)) => {
                    filled.left.push((due, outcome));
                }
                _ => filled.run.push(due),
            }
        }
        if !query.preview && !filled.run.is_empty() {
            self.store
                .backfill(found.id, filled.run.clone(), now)
                .await?;
            self.tell_scheduled();
        }
        Ok(filled)
    }
}

fn fault(at: &str, message: &str) -> Error {
    Error::Invalid {
        what: "range",
        faults: vec![Fault {
            code: "PF-S015".to_owned(),
            at: at.to_owned(),
            message: message.to_owned(),
        }],
    }
}
