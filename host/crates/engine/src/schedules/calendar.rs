//! What is due in a span of time, of all schedules together.

use model::{clock::Timestamp, id::TenantId};

use super::{ScheduleDetail, detailed};
use crate::{
    Engine,
    error::{Error, Fault, Result},
};

/// How many schedules a calendar has.
const SCHEDULES: usize = 1_000;
/// How many occurrences of one it names.
const EACH: usize = 200;
/// How many occurrences it names in all.
const ALL: usize = 20_000;
/// The longest span, in microseconds: 31 days.
const LONGEST: i64 = 31 * 86_400 * 1_000_000;

/// What is due in a span of time.
#[derive(Clone, Debug)]
pub struct Calendar {
    /// Schedules that are due in it, the soonest first, each with its occurrences.
    pub entries: Vec<CalendarEntry>,
    /// There are more schedules.
    pub more: bool,
}

/// A schedule that is due.
#[derive(Clone, Debug)]
pub struct CalendarEntry {
    /// The schedule; its `next` are its occurrences in the span, the first of them.
    pub schedule: ScheduleDetail,
    /// It is due more often in the span.
    pub more: bool,
}

impl Engine {
    /// What is due before `until`.
    ///
    /// # Errors
    /// [`Error::Invalid`] when that is later than in 31 days, or what the store answers.
    pub async fn calendar(&self, tenant: TenantId, until: Timestamp) -> Result<Calendar> {
        if until.micros_since(self.now()) > LONGEST {
            return Err(Error::Invalid {
                what: "query",
                faults: vec![Fault {
                    code: "PF-1005".to_owned(),
                    at: "until".to_owned(),
                    message: "`until` is later than in 31 days".to_owned(),
                }],
            });
        }
        let due = self.store.due(Some(tenant), until, SCHEDULES + 1).await?;
        let more = due.len() > SCHEDULES;
        let mut left = ALL;
        let mut entries = Vec::new();
        for schedule in due.into_iter().take(SCHEDULES) {
            let most = EACH.min(left.max(1));
            let mut schedule = detailed(schedule, most + 1);
            schedule.next.retain(|at| *at < until);
            let more = schedule.next.len() > most;
            schedule.next.truncate(most);
            left = left.saturating_sub(schedule.next.len());
            if !schedule.next.is_empty() {
                entries.push(CalendarEntry { schedule, more });
            }
        }
        Ok(Calendar { entries, more })
    }
}
