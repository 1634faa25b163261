//! Steps that nobody executes any more, because their workers were lost, and what a queue has set
//! aside.

use model::id::{Ordinal, TenantId, Token};
use store::{
    Page,
    bulk::{DeadLetter, DeadLetterFilter, NewDeadLetter},
    definitions::Kind,
    runs::LostStep,
};

use crate::{
    Engine,
    error::{Error, Result},
    problem::Problem,
    retry::RetryQuery,
    view::{Caller, Started},
    worker::Chain,
};

/// Which dead letters a list has.
#[derive(Clone, Debug, Default)]
pub struct DeadLetterQuery {
    /// Those of runs of this application.
    pub application: Option<String>,
    /// Those of runs on this queue.
    pub queue: Option<String>,
    /// Those with this code: `worker-lost`, `dead-letter`.
    pub code: Option<String>,
    /// After this place.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// A dead letter with its step's name.
#[derive(Clone, Debug)]
pub struct DeadLetterDetail {
    /// As it is stored.
    pub letter: DeadLetter,
    /// The step's name in the application; empty where the revision cannot be read.
    pub step: String,
}

/// What a queue has set aside, and delivers anew by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// The queue.
    pub queue: String,
    /// How many entries.
    pub count: usize,
    /// Why, of the oldest.
    pub reason: String,
}

impl Engine {
    /// Dead letters, the newest first.
    pub async fn dead_letters(
        &self,
        tenant: TenantId,
        query: &DeadLetterQuery,
    ) -> Result<Page<DeadLetterDetail>> {
        let application = match &query.application {
            Some(name) => Some(self.find(tenant, Kind::Application, name).await?.id),
            None => None,
        };
        let before = match &query.after {
            None => None,
            Some(after) => Some(after.parse().map_err(|_| Error::Position(after.clone()))?),
        };
        let filter = DeadLetterFilter {
            application,
            queue: query
                .queue
                .as_deref()
                .map(|name| queue::canonical(name).to_owned()),
            code: query.code.clone(),
        };
        let page = self
            .store
            .dead_letters(tenant, &filter, before, query.limit.clamp(1, 200))
            .await?;
        let mut items = Vec::with_capacity(page.items.len());
        for letter in page.items {
            let step = self.name_of(&letter).await?;
            items.push(DeadLetterDetail { letter, step });
        }
        Ok(Page {
            items,
            next: page.next,
        })
    }

    async fn name_of(&self, letter: &DeadLetter) -> Result<String> {
        let revision = self.store.revision(letter.application_revision).await?;
        let application =
            revision.and_then(|found| model::application::Application::parse(&found.document).ok());
        let name = application.as_ref().and_then(|application| {
            let mut steps = application.steps();
            steps.find(|step| step.index == letter.step.index())?.name()
        });
        Ok(name.unwrap_or_default().to_owned())
    }

    /// What queues have set aside because it was delivered too often: it is delivered anew
    /// within a minute.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the queue does not answer.
    pub async fn set_aside(&self) -> Result<Vec<SetAside>> {
        let mut all = Vec::new();
        for depth in self.queue.depths().await? {
            let letters = self.queue.dead_letters(&depth.queue).await?;
            if let Some(oldest) = letters.first() {
                all.push(SetAside {
                    queue: depth.queue.to_string(),
                    count: letters.len(),
                    reason: oldest.reason.clone(),
                });
            }
        }
        Ok(all)
    }

    async fn letter(&self, tenant: TenantId, number: &str) -> Result<DeadLetter> {
        let missing = || Error::not_found("dead letter", number);
        let id = number.parse().map_err(|_| missing())?;
        let found = self.store.dead_letter(tenant, id).await?;
        found.ok_or_else(missing)
    }

    /// Retries the run of a dead letter; what else of it is dead is executed again as well, and
    /// all of it is off the list.
    ///
    /// # Errors
    /// As [`Engine::retry_run`].
    pub async fn replay_dead_letter(&self, caller: &Caller, number: &str) -> Result<Started> {
        let letter = self.letter(caller.tenant, number).await?;
        let asked = RetryQuery::default();
        // Asked twice, it is one run.
        let key = format!("dead-letter/{}/{}", letter.id, letter.run);
        self.retry_as(caller, letter.run, &asked, Some(key)).await
    }

    /// Takes a dead letter off the list; its run stays as it is.
    pub async fn delete_dead_letter(&self, tenant: TenantId, number: &str) -> Result<()> {
        let letter = self.letter(tenant, number).await?;
        self.store.delete_dead_letter(tenant, letter.id).await?;
        Ok(())
    }

    /// Records that a step is about to fail because nobody executes it any more. It counts
    /// only once the step has failed.
    pub(crate) async fn note_dead_letter(
        &self,
        chain: &Chain,
        step: Ordinal,
        token: Token,
        problem: &Problem,
    ) {
        let new = NewDeadLetter {
            run: chain.header.run,
            step,
            attempt: token.0,
            queue: chain.header.queue.to_string(),
            code: problem.code.clone(),
            reason: problem.message.clone(),
            at: self.now(),
        };
        self.record_dead_letter(new).await;
    }

    /// The same for an attempt of a lost worker.
    pub(crate) async fn note_lost(&self, lost: &LostStep, problem: &Problem) {
        let new = NewDeadLetter {
            run: lost.key.run,
            step: lost.key.step,
            attempt: lost.token.0,
            queue: lost.queue.to_string(),
            code: problem.code.clone(),
            reason: problem.message.clone(),
            at: self.now(),
        };
        self.record_dead_letter(new).await;
    }

    /// Somebody has seen to a run.
    pub(crate) async fn settle_letters(&self, run: model::id::RunId) {
        if let Err(error) = self.store.settle_dead_letters(run).await {
            // They stay on the list; the new run is committed.
            tracing::warn!(%error, run = run.0, "dead letters could not be taken off the list");
        }
    }

    async fn record_dead_letter(&self, new: NewDeadLetter) {
        let run = new.run.0;
        if let Err(error) = self.store.add_dead_letter(new).await {
            // The step says itself why it failed.
            tracing::warn!(%error, run, "a dead letter could not be recorded");
        }
    }
}
