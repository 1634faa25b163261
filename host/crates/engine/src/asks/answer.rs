//! Decisions and messages from outside, and who waits for them.

use std::time::Duration;

use model::{
    clock::Timestamp,
    id::{Ordinal, RunId, StepKey, TaskRef, TenantId},
    operator::LONGEST_KEY,
    state::WaitKind,
};
use serde_json::{Value, json};
use store::{
    Page,
    asks::{AskFilter, AskSummary, NewSignal},
    definitions::Kind,
};

use super::{Decided, Question, is_key, moment};
use crate::{
    Engine,
    error::{Error, Fault, Result},
    view::Caller,
};

pub(super) const APPROVED: &str = "approved";
pub(super) const REJECTED: &str = "rejected";
/// The code of a fault in a decision or a message.
const FAULT: &str = "PF-1012";
/// The longest note, in bytes.
const LONGEST_NOTE: usize = 4_000;
/// The most that a step can be given, in bytes.
const MOST_DATA: usize = 1 << 20;
/// The longest id of a sender, in bytes.
const LONGEST_ID: usize = 255;
/// How long a message is kept for a step that will wait for it, at most.
const LONGEST_KEEP: Duration = Duration::from_hours(7 * 24);
/// How long a sender's id is remembered, at least.
const REMEMBER: Duration = Duration::from_hours(24);

/// What somebody has decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// Whether the run may go on.
    pub approve: bool,
    /// Why, in words; may be empty.
    pub note: String,
    /// What the following steps are given with the decision.
    pub data: Value,
}

/// A step that waits for a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The step.
    pub task: TaskRef,
    /// Its name.
    pub step: String,
    /// The application's name.
    pub application: String,
    /// What is asked.
    pub question: String,
    /// Who may decide; empty: whoever may execute applications.
    pub approvers: Vec<String>,
    /// Since when it waits.
    pub since: Timestamp,
    /// Until when.
    pub until: Option<Timestamp>,
}

impl Approval {
    fn of(ask: &AskSummary) -> Self {
        let question = Question::read(&ask.detail);
        Self {
            task: ask.reference.task(ask.step.step),
            step: question.step,
            application: ask.application_name.clone(),
            question: question.text,
            approvers: question.approvers,
            since: ask.since,
            until: ask.until,
        }
    }
}

/// Which approvals are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApprovalsQuery {
    /// Of this application.
    pub application: Option<String>,
    /// Behind this place of the list.
    pub after: Option<String>,
    /// How many, at most.
    pub limit: usize,
}

/// A message for a step that waits under a key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signal {
    /// The key.
    pub key: String,
    /// The sender's id: the same one again is the same message.
    pub id: Option<String>,
    /// What the step is given.
    pub body: Value,
    /// How long it is kept where no step waits for it.
    pub keep: Duration,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signalled {
    /// This step was given it.
    Delivered(TaskRef),
    /// It is kept for a step that will wait for it, until then.
    Kept(Timestamp),
    /// No step waits for it.
    Nobody,
    /// It came before.
    Duplicate,
}

fn fault(at: &str, message: String) -> Fault {
    Fault {
        code: FAULT.to_owned(),
        at: at.to_owned(),
        message,
    }
}

impl Engine {
    /// Decides for a step that waits for it. The first decision counts.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such step, [`Error::RunState`] when it waits for no
    /// decision or somebody else has to decide, [`Error::Invalid`] with every fault.
    pub async fn decide_step(
        &self,
        caller: &Caller,
        task: TaskRef,
        decision: Decision,
    ) -> Result<()> {
        let mut faults = Vec::new();
        if decision.note.len() > LONGEST_NOTE {
            faults.push(fault(
                "note",
                format!("it has at most {LONGEST_NOTE} bytes"),
            ));
        }
        if decision.data.to_string().len() > MOST_DATA {
            faults.push(fault("data", format!("it has at most {MOST_DATA} bytes")));
        }
        if !faults.is_empty() {
            return Err(Error::Invalid {
                what: "decision",
                faults,
            });
        }
        let missing = || Error::not_found("task", task.to_string());
        let (reference, step) = task.split().ok_or_else(missing)?;
        let run = self.summary(caller.tenant, reference).await?;
        if step.0 >= run.steps {
            return Err(missing());
        }
        let key = StepKey { run: run.run, step };
        let asked = self.store.asked(key).await?;
        let Some(asked) = asked.filter(|one| one.kind == WaitKind::Approval) else {
            return Err(no_decision(task));
        };
        let question = Question::read(&asked.detail);
        if !question.approvers.is_empty() && !question.approvers.contains(&caller.name) {
            return Err(Error::RunState(format!(
                "{task} waits for a decision of {}; you are {}",
                question.approvers.join(", "),
                caller.name
            )));
        }
        let now = self.now();
        let answer = json!(Decided {
            decision: if decision.approve { APPROVED } else { REJECTED }.to_owned(),
            by: Some(caller.name.clone()),
            at: moment(now),
            note: decision.note,
            data: decision.data,
        });
        let answer = answer.to_string().into();
        let ready = self
            .store
            .answer(key, WaitKind::Approval, answer, now)
            .await?;
        #[cfg(feature = "simulation")]
        if ready.is_none() && crate::simulation::has(crate::simulation::Mutation::DecidesTwice) {
            return Ok(());
        }
        let Some(ready) = ready else {
            return Err(no_decision(task));
        };
        self.queue_woken(vec![ready]).await;
        Ok(())
    }

    /// The steps that wait for a decision, in the order of acceptance of their runs.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such application, [`Error::Position`].
    pub async fn approvals(
        &self,
        tenant: TenantId,
        query: &ApprovalsQuery,
    ) -> Result<Page<Approval>> {
        let application = match &query.application {
            Some(name) => Some(self.find(tenant, Kind::Application, name).await?.id),
            None => None,
        };
        let after = query.after.as_deref().map(place).transpose()?;
        let filter = AskFilter {
            application,
            ..super::filter(tenant, WaitKind::Approval)
        };
        let mut found = self.store.asks(&filter, after, query.limit + 1).await?;
        let more = found.len() > query.limit;
        found.truncate(query.limit);
        let last = found.last().map(|one| one.step);
        Ok(Page {
            items: found.iter().map(Approval::of).collect(),
            next: last
                .filter(|_| more)
                .map(|step| format!("{}.{}", step.run.0, step.step.0)),
        })
    }

    /// Gives a message to the step that waits longest under its key, or keeps it.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every fault, [`Error::Busy`] when too many are kept under the key.
    pub async fn signal(&self, caller: &Caller, signal: Signal) -> Result<Signalled> {
        let now = self.now();
        let body = json!({
            "key": signal.key,
            "by": caller.name,
            "at": moment(now),
            "timed_out": false,
            "body": signal.body,
        });
        let body = body.to_string();
        let faults = faults(&signal, body.len());
        if !faults.is_empty() {
            return Err(Error::Invalid {
                what: "message",
                faults,
            });
        }
        let keep_until = now.plus_micros(signal.keep.as_micros() as i64);
        let remember = now.plus_micros(REMEMBER.as_micros() as i64);
        let sent = self
            .store
            .signal(NewSignal {
                tenant: caller.tenant,
                key: signal.key.clone(),
                sender_id: signal.id,
                body: body.into(),
                at: now,
                keep_until,
                remember_until: remember.max(keep_until),
            })
            .await?;
        Ok(match sent {
            store::asks::Signalled::Delivered { step, reference } => {
                let task = reference.task(step.key.step);
                self.queue_woken(vec![step]).await;
                Signalled::Delivered(task)
            }
            store::asks::Signalled::Kept => Signalled::Kept(keep_until),
            store::asks::Signalled::Nobody => Signalled::Nobody,
            store::asks::Signalled::Duplicate => Signalled::Duplicate,
            store::asks::Signalled::Full => {
                return Err(Error::Busy(format!(
                    "{} messages are kept under the key `{}` and no step waits for them",
                    store::asks::MOST_KEPT,
                    signal.key
                )));
            }
        })
    }

    /// What a waiting step asks, in words; `None` when it asks nothing.
    pub(crate) async fn asked_in_words(&self, step: StepKey) -> Result<Option<String>> {
        let Some(ask) = self.store.asked(step).await? else {
            return Ok(None);
        };
        let question = Question::read(&ask.detail);
        Ok(Some(match ask.kind {
            WaitKind::Webhook => format!("waiting for a message under the key `{}`", ask.key),
            _ if question.approvers.is_empty() => {
                format!("waiting for a decision: {}", question.text)
            }
            _ => format!(
                "waiting for a decision of {}: {}",
                question.approvers.join(", "),
                question.text
            ),
        }))
    }
}

fn no_decision(task: TaskRef) -> Error {
    Error::RunState(format!(
        "{task} waits for no decision: it does not ask yet, or it has been decided"
    ))
}

/// A place of a list.
fn place(text: &str) -> Result<StepKey> {
    let read = || {
        let (run, step) = text.split_once('.')?;
        Some(StepKey {
            run: RunId(run.parse().ok()?),
            step: Ordinal(step.parse().ok()?),
        })
    };
    read().ok_or_else(|| Error::Position(text.to_owned()))
}

/// What keeps a message from being sent.
fn faults(signal: &Signal, size: usize) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !is_key(&signal.key) {
        faults.push(fault(
            "key",
            format!("it has 1 to {LONGEST_KEY} bytes and no control characters"),
        ));
    }
    if let Some(id) = &signal.id
        && (id.is_empty() || id.len() > LONGEST_ID || id.chars().any(char::is_control))
    {
        faults.push(fault(
            "id",
            format!("it has 1 to {LONGEST_ID} bytes and no control characters"),
        ));
    }
    if signal.keep > LONGEST_KEEP {
        faults.push(fault(
            "keep",
            format!("it is at most {} seconds, a week", LONGEST_KEEP.as_secs()),
        ));
    }
    if size > MOST_DATA {
        faults.push(fault("body", format!("it has at most {MOST_DATA} bytes")));
    }
    faults
}
