//! Schedules: saving, reading and pausing them, what they would do, and filling a range.
//! What starts their runs is the [`scheduler`].

use model::{
    clock::Timestamp,
    id::TenantId,
    schedule::{Compiled, Schedule as Document, code},
    suggest,
    validate::{Problem, Severity, pointer},
};
use store::{
    Page,
    schedules::{Occurrence, Outcome, SaveSchedule, Schedule, ScheduleFilter},
};

use crate::{
    Engine,
    definitions::{faults, unreadable},
    error::{Error, Fault, Result},
    made::check,
    submit::parse_params,
    view::Caller,
};

mod backfill;
mod calendar;
mod fire;
mod pack;
mod scheduler;

pub use backfill::{Backfill, BackfillQuery};
pub use calendar::{Calendar, CalendarEntry};
pub(crate) use pack::read_brought;
pub use scheduler::Look;
pub(crate) use scheduler::Scheduler;

const WHAT: &str = "schedule";
/// The longest document, in bytes.
const MAX_DOCUMENT: usize = 1 << 20;
/// A part of an address that is no name.
const RESERVED: &str = "preview";

/// Which schedules a list has.
#[derive(Clone, Debug, Default)]
pub struct SchedulesQuery {
    /// Those of this application.
    pub application: Option<String>,
    /// Those whose name or application contains this, whatever the case.
    pub search: String,
    /// After this name.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// Which occurrences a list has.
#[derive(Clone, Debug, Default)]
pub struct OccurrencesQuery {
    /// Those with this outcome.
    pub outcome: Option<Outcome>,
    /// After this place.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// A schedule with what follows from its document.
#[derive(Clone, Debug)]
pub struct ScheduleDetail {
    /// As it is stored.
    pub schedule: Schedule,
    /// Its document.
    pub document: Document,
    /// When it is due, in plain words; `None` for a document that this version cannot read.
    pub description: Option<String>,
    /// Its next occurrences.
    pub next: Vec<Timestamp>,
}

/// A saved schedule.
#[derive(Clone, Debug)]
pub struct SavedSchedule {
    /// The schedule as stored.
    pub detail: ScheduleDetail,
    /// Whether there was none of that name before.
    pub created: bool,
    /// Whether it is a new revision.
    pub changed: bool,
    /// What needs attention, though it was saved.
    pub warnings: Vec<Fault>,
}

/// What a document would do.
#[derive(Clone, Debug)]
pub struct NextRuns {
    /// Its name.
    pub name: String,
    /// When it is due, in plain words.
    pub description: String,
    /// Its next occurrences.
    pub next: Vec<Timestamp>,
    /// What needs attention.
    pub warnings: Vec<Fault>,
}

fn refused(errors: Vec<Fault>) -> Error {
    Error::Invalid {
        what: WHAT,
        faults: errors,
    }
}

/// The document and what it means; refused with everything that is wrong with it.
fn read(document: &str) -> Result<(Document, Compiled, Vec<Problem>)> {
    if document.len() > MAX_DOCUMENT {
        let message = format!("the document is longer than {MAX_DOCUMENT} bytes");
        return Err(unreadable(WHAT, code::UNREADABLE, &message));
    }
    let document =
        Document::parse(document).map_err(|error| unreadable(WHAT, code::UNREADABLE, &error))?;
    let (compiled, problems) = document.compile();
    match compiled {
        Some(compiled) => Ok((document, compiled, problems)),
        None => Err(refused(faults(&problems, Severity::Error))),
    }
}

/// Where a schedule that is saved begins, and its next occurrence. What was due stays due
/// when something else was changed.
fn place(
    found: Option<&Schedule>,
    compiled: &Compiled,
    now: Timestamp,
) -> (Timestamp, Option<Timestamp>) {
    let same = found.filter(|found| {
        let before = Document::parse(&found.document).ok();
        let before = before.and_then(|before| before.compile().0);
        before.is_some_and(|before| before.timing == compiled.timing)
    });
    let anchor = same.map_or(now, |found| found.anchor);
    if !compiled.enabled {
        return (anchor, None);
    }
    let kept = same
        .filter(|found| found.enabled)
        .and_then(|found| found.next_due);
    (anchor, kept.or_else(|| compiled.timing.next(now, anchor)))
}

/// The next occurrences of a schedule after a moment.
fn following(
    compiled: &Compiled,
    anchor: Timestamp,
    after: Timestamp,
    count: usize,
) -> Vec<Timestamp> {
    compiled
        .timing
        .between(after, Timestamp(i64::MAX), anchor)
        .take(count)
        .collect()
}

/// A schedule with so many of its next occurrences.
pub(crate) fn detailed(schedule: Schedule, next: usize) -> ScheduleDetail {
    // What cannot be read is shown as it is, and why it does not start anything.
    let document = Document::parse(&schedule.document).unwrap_or_default();
    let (compiled, problems) = document.compile();
    let unreadable = || {
        let first = problems.first().map_or("", |problem| &problem.message);
        format!("cannot be read by this version of PowerFlow, and starts nothing: {first}")
    };
    let next = match (&compiled, schedule.next_due) {
        (Some(compiled), Some(due)) if next > 0 => {
            let mut all = vec![due];
            all.extend(following(compiled, schedule.anchor, due, next - 1));
            all
        }
        _ => Vec::new(),
    };
    ScheduleDetail {
        description: Some(match &compiled {
            Some(compiled) => compiled.timing.describe(),
            None => unreadable(),
        }),
        schedule,
        document,
        next,
    }
}

impl Engine {
    /// Saves a schedule under `name`, or under the document's own, or one made of what it
    /// runs and when. `moves`: one of another application may be replaced.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every fault; [`Error::Conflict`] when `expected` is not the
    /// newest revision, or when one of another application has the name.
    pub async fn save_schedule(
        &self,
        caller: &Caller,
        name: Option<&str>,
        document: &str,
        expected: Option<i64>,
        moves: bool,
    ) -> Result<SavedSchedule> {
        let (mut document, compiled, problems) = read(document)?;
        let name = agreed_name(name, &document, &compiled)?;
        document.set_name(&name);
        let found = self.store.schedule(caller.tenant, &name).await?;
        if let Some(found) = &found
            && !moves
            && expected.is_none()
            && found.application != compiled.application
        {
            return Err(Error::Conflict(format!(
                "there is a schedule `{name}` of the application `{}`: choose another name, or delete that one first",
                found.application
            )));
        }
        let mut warnings = faults(&problems, Severity::Warning);
        warnings.extend(self.would_fail(caller.tenant, &compiled).await?);
        let now = self.now();
        let (anchor, next_due) = place(found.as_ref(), &compiled, now);
        if let Some(found) = &found
            // One that stood still because it could not be read goes on.
            && found.next_due.is_some() == next_due.is_some()
            && expected.is_none_or(|revision| revision == found.revision)
            && Document::parse(&found.document).is_ok_and(|stored| stored == document)
        {
            return Ok(SavedSchedule {
                detail: detailed(found.clone(), 5),
                created: false,
                changed: false,
                warnings,
            });
        }
        let saved = self
            .store
            .save_schedule(SaveSchedule {
                tenant: caller.tenant,
                name,
                application: compiled.application,
                document: document.to_pretty(),
                origin: None,
                enabled: compiled.enabled,
                anchor,
                next_due,
                by: caller.name.clone(),
                at: now,
                expected,
            })
            .await?;
        self.tell_scheduled();
        Ok(SavedSchedule {
            created: saved.revision == 1,
            changed: true,
            detail: detailed(saved, 5),
            warnings,
        })
    }

    /// What would keep its runs from being accepted as things are.
    async fn would_fail(&self, tenant: TenantId, compiled: &Compiled) -> Result<Vec<Fault>> {
        let told = |error: Error| match error {
            Error::NotFound { .. } => Ok(vec![Fault {
                code: code::WOULD_FAIL.to_owned(),
                at: "/application_id".to_owned(),
                message: format!("{error}; its runs are refused until there is one"),
            }]),
            Error::CannotRun { faults, .. } => Ok(faults
                .into_iter()
                .map(|fault| Fault {
                    code: code::WOULD_FAIL.to_owned(),
                    at: format!("/params/{}", pointer(&fault.at)),
                    message: format!("its runs are refused as things are: {}", fault.message),
                })
                .collect()),
            error => Err(error),
        };
        let runnable = match self.runnable(tenant, &compiled.application).await {
            Ok(runnable) => runnable,
            Err(error) => return told(error),
        };
        let request = match parse_params(&compiled.application, &compiled.params) {
            Ok(request) => request,
            Err(error) => return told(error),
        };
        let aligned = self
            .align(tenant, &runnable, request.configuration.as_deref())
            .await;
        let checked = aligned.and_then(|configured| {
            check(
                &runnable.name,
                &runnable.plan,
                &request,
                configured.as_deref().map(|one| &one.resolved),
            )
        });
        checked.map_or_else(told, |()| Ok(Vec::new()))
    }

    /// The scheduler looks again, here or wherever it leads.
    pub(crate) fn tell_scheduled(&self) {
        self.scheduler.look();
        if let Some(outbox) = &self.outbox {
            outbox.scheduled();
        }
    }

    async fn stored_schedule(&self, tenant: TenantId, name: &str) -> Result<Schedule> {
        if let Some(found) = self.store.schedule(tenant, name).await? {
            return Ok(found);
        }
        let all = ScheduleFilter::default();
        let names = self.store.schedules(tenant, &all, None, 1000).await?.items;
        Err(Error::NotFound {
            what: WHAT,
            name: name.to_owned(),
            hint: suggest::hint(name, names.iter().map(|one| &*one.name)),
        })
    }

    /// One schedule, with so many of its next occurrences.
    pub async fn schedule(
        &self,
        tenant: TenantId,
        name: &str,
        next: usize,
    ) -> Result<ScheduleDetail> {
        Ok(detailed(self.stored_schedule(tenant, name).await?, next))
    }

    /// Schedules by name.
    pub async fn schedules(
        &self,
        tenant: TenantId,
        query: &SchedulesQuery,
    ) -> Result<Page<ScheduleDetail>> {
        let filter = ScheduleFilter {
            application: query.application.clone(),
            search: query.search.clone(),
        };
        let limit = query.limit.clamp(1, 200);
        let page = self
            .store
            .schedules(tenant, &filter, query.after.as_deref(), limit)
            .await?;
        Ok(Page {
            items: page.items.into_iter().map(|one| detailed(one, 1)).collect(),
            next: page.next,
        })
    }

    /// Deletes a schedule; its runs stay.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] when `expected` is not the newest revision.
    pub async fn delete_schedule(
        &self,
        caller: &Caller,
        name: &str,
        expected: Option<i64>,
    ) -> Result<()> {
        let deleted = self
            .store
            .delete_schedule(caller.tenant, name, expected)
            .await?;
        if !deleted {
            self.stored_schedule(caller.tenant, name).await?;
        }
        self.tell_scheduled();
        Ok(())
    }

    /// Has a schedule rest, or go on. What was due while it rested is not caught up.
    pub async fn set_schedule_enabled(
        &self,
        caller: &Caller,
        name: &str,
        enabled: bool,
    ) -> Result<SavedSchedule> {
        let found = self.stored_schedule(caller.tenant, name).await?;
        let mut document = Document::parse(&found.document)
            .map_err(|error| unreadable(WHAT, code::UNREADABLE, &error))?;
        if found.enabled != enabled {
            document.set_enabled(enabled);
        }
        let text = document.to_pretty();
        self.save_schedule(caller, Some(name), &text, Some(found.revision), true)
            .await
    }

    /// What a document would do, saved or not.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every fault.
    pub async fn preview_schedule(
        &self,
        tenant: TenantId,
        document: &str,
        after: Option<Timestamp>,
        count: usize,
    ) -> Result<NextRuns> {
        let (_, compiled, problems) = read(document)?;
        let mut warnings = faults(&problems, Severity::Warning);
        warnings.extend(self.would_fail(tenant, &compiled).await?);
        let now = self.now();
        // The phase of one that is saved begins where it did.
        let found = self.store.schedule(tenant, &compiled.name).await?;
        let (anchor, _) = place(found.as_ref(), &compiled, now);
        Ok(NextRuns {
            description: compiled.timing.describe(),
            next: following(&compiled, anchor, after.unwrap_or(now), count),
            name: compiled.name,
            warnings,
        })
    }

    /// What became of a schedule's occurrences, the newest first.
    pub async fn occurrences(
        &self,
        tenant: TenantId,
        name: &str,
        query: &OccurrencesQuery,
    ) -> Result<Page<Occurrence>> {
        let found = self.stored_schedule(tenant, name).await?;
        let before = match &query.after {
            None => None,
            Some(text) => Some(Timestamp(
                text.parse().map_err(|_| Error::Position(text.clone()))?,
            )),
        };
        let limit = query.limit.clamp(1, 200);
        Ok(self
            .store
            .occurrences(found.id, query.outcome, before, limit)
            .await?)
    }

    /// Refuses to take away an application that schedules run.
    pub(crate) async fn refuse_scheduled(&self, tenant: TenantId, application: &str) -> Result<()> {
        let filter = ScheduleFilter {
            application: Some(application.to_owned()),
            search: String::new(),
        };
        let found = self.store.schedules(tenant, &filter, None, 10).await?;
        if found.items.is_empty() {
            return Ok(());
        }
        let mut names: Vec<_> = found
            .items
            .iter()
            .map(|one| format!("`{}`", one.name))
            .collect();
        if found.next.is_some() {
            names.push("others".to_owned());
        }
        Err(Error::InUse(format!(
            "the application `{application}` is run by the schedule {}: delete it first",
            names.join(", ")
        )))
    }
}

/// The name to save under: the address's, which the document must not contradict, the
/// document's, or the one that was made for it.
fn agreed_name(address: Option<&str>, document: &Document, compiled: &Compiled) -> Result<String> {
    let fault = |message: String| {
        refused(vec![Fault {
            code: code::NAME.to_owned(),
            at: "/entry_id".to_owned(),
            message,
        }])
    };
    let name = match (address, document.name()) {
        (Some(address), Some(own)) if address != own => {
            return Err(fault(format!(
                "the schedule is named `{own}`, but was sent to `{address}`: make both the same"
            )));
        }
        (Some(address), None) => {
            let mut named = document.clone();
            named.set_name(address);
            let problems = named.compile().1;
            let errors = faults(&problems, Severity::Error);
            if !errors.is_empty() {
                return Err(refused(errors));
            }
            address.to_owned()
        }
        _ => compiled.name.clone(),
    };
    if name == RESERVED {
        return Err(fault(format!(
            "`{RESERVED}` is an address of the API: choose another name"
        )));
    }
    Ok(name)
}
