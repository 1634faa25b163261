//! Webhooks: saving and reading them, their secrets, and the log of their deliveries. What
//! becomes of a delivery is in [`receive`].

use model::{
    clock::Timestamp,
    id::TenantId,
    suggest,
    validate::Severity,
    webhook::{self, Webhook as Document},
};
use serde_json::{Map, Value};
use store::{
    Page,
    definitions::Kind,
    webhooks::{Delivery, Outcome, SaveWebhook, Webhook},
};

use crate::{
    Engine,
    definitions::faults,
    error::{Error, Fault, Result},
    view::Caller,
};

mod receive;
mod secrets;
mod signature;

pub(crate) use receive::Refused;
pub use receive::{Delivered, Received};

const WHAT: &str = "webhook";
/// The application of a webhook is not there (warning).
const NO_APPLICATION: &str = "PF-W002";
/// How long the secret before counts after a rotation, where nobody says.
const OVERLAP: u64 = 24 * 3600;
/// The longest that it may.
const MOST_OVERLAP: u64 = 30 * 24 * 3600;
/// How long deliveries are kept, in seconds.
const KEPT_FOR: i64 = 7 * 24 * 3600;
/// How many deliveries are forgotten in one commit.
const FORGET: usize = 500;

/// A webhook to be saved.
#[derive(Clone, Debug, Default)]
pub struct WebhookWrite {
    /// Its name.
    pub name: String,
    /// Its document, without the secret.
    pub document: Map<String, Value>,
    /// The secret, in place of whatever there was; where it is missing, the stored one stays,
    /// or one is made up.
    pub secret: Option<String>,
}

/// Which webhooks a list has.
#[derive(Clone, Debug, Default)]
pub struct WebhookQuery {
    /// Those of this application.
    pub application: Option<String>,
    /// Those whose name or application contains this, whatever the case.
    pub search: String,
    /// After this name.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// What is told of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebhookSecret {
    /// Since when it is one.
    pub since: Timestamp,
    /// Until when it counts.
    pub until: Option<Timestamp>,
}

/// A webhook with what follows from its columns.
#[derive(Clone, Debug)]
pub struct WebhookDetail {
    /// As it is stored.
    pub webhook: Webhook,
    /// Its document.
    pub document: Map<String, Value>,
    /// The secrets that count, the newest first.
    pub secrets: Vec<WebhookSecret>,
}

/// A saved webhook.
#[derive(Clone, Debug)]
pub struct SavedWebhook {
    /// The webhook as stored.
    pub detail: WebhookDetail,
    /// Whether there was none of that name before.
    pub created: bool,
    /// Whether it is a new revision.
    pub changed: bool,
    /// The secret that was made up: nobody is told it again.
    pub secret: Option<String>,
    /// What needs attention, though it was saved.
    pub warnings: Vec<Fault>,
}

/// How a secret is changed.
#[derive(Clone, Debug, Default)]
pub struct RotateWebhook {
    /// The new secret; one is made up where it is missing.
    pub secret: Option<String>,
    /// For how many seconds the one before counts as well.
    pub keep_seconds: Option<u64>,
}

/// What the address of a webhook ends with.
pub fn public_text(public: u128) -> String {
    format!("{public:032x}")
}

/// The number of an address; `None` for what is none.
pub fn parse_public(text: &str) -> Option<u128> {
    let is_one = text.len() == 32
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_one.then(|| u128::from_str_radix(text, 16).ok())?
}

fn refused(faults: Vec<Fault>) -> Error {
    Error::Invalid { what: WHAT, faults }
}

fn fault(at: &str, message: impl Into<String>) -> Fault {
    Fault {
        code: webhook::FAULT.to_owned(),
        at: at.to_owned(),
        message: message.into(),
    }
}

impl Engine {
    /// Saves a webhook. Its address never changes.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every fault; [`Error::Conflict`] when `expected` is not the
    /// newest revision, or somebody saves one at the same moment.
    pub async fn save_webhook(
        &self,
        caller: &Caller,
        write: WebhookWrite,
        expected: Option<i64>,
    ) -> Result<SavedWebhook> {
        let WebhookWrite {
            name,
            mut document,
            secret,
        } = write;
        document.retain(|_, value| !value.is_null());
        let (read, problems) = Document::read(&document);
        let mut errors = faults(&problems, Severity::Error);
        let fits = (1..=webhook::MAX_NAME).contains(&name.chars().count());
        if !fits || name.contains(char::is_control) {
            errors.push(fault(
                "/name",
                format!(
                    "a name has 1 to {} characters and no control characters",
                    webhook::MAX_NAME
                ),
            ));
        }
        errors.extend(secret.as_deref().and_then(secrets::check));
        if let (Some(read), Some(_)) = (&read, &secret)
            && !read.signature.needs_secret()
        {
            errors.push(fault(
                "/secret",
                "the scheme `none` has no secret: whoever knows the address is believed",
            ));
        }
        let Some(read) = read.filter(|_| errors.is_empty()) else {
            return Err(refused(errors));
        };
        let warnings = self.warnings_of(caller.tenant, &read).await?;
        let found = self.store.webhook(caller.tenant, &name).await?;
        let revision = found.as_ref().map_or(0, |found| found.revision);
        if expected.is_some_and(|expected| expected != revision) {
            return Err(store::Error::Conflict {
                name,
                expected: expected.unwrap_or_default(),
                found: revision,
            }
            .into());
        }
        let text = serde_json::to_string_pretty(&document)
            .map_err(|error| Error::Internal(error.to_string()))?;
        let (kept, made_up) = self.secrets_for(&read, found.as_ref(), secret.as_deref())?;
        if let Some(found) = &found
            && found.document == text
            && found.secrets == kept
        {
            return Ok(SavedWebhook {
                detail: detailed(found.clone(), self.now()),
                created: false,
                changed: false,
                secret: None,
                warnings,
            });
        }
        let saved = self
            .store
            .save_webhook(SaveWebhook {
                tenant: caller.tenant,
                name,
                public: crate::random()?,
                application: read.application,
                document: text,
                secrets: kept,
                by: caller.name.clone(),
                at: self.now(),
                expected: revision,
            })
            .await?;
        Ok(SavedWebhook {
            created: saved.revision == 1,
            changed: true,
            detail: detailed(saved, self.now()),
            secret: made_up,
            warnings,
        })
    }

    /// The secrets of a webhook that is saved, and the one that was made up.
    fn secrets_for(
        &self,
        document: &Document,
        found: Option<&Webhook>,
        given: Option<&str>,
    ) -> Result<(String, Option<String>)> {
        if !document.signature.needs_secret() {
            return Ok((secrets::write(&[])?, None));
        }
        if let Some(given) = given {
            return Ok((secrets::write(&[self.seal_secret(given)?])?, None));
        }
        if let Some(found) = found
            && !secrets::read(&found.secrets)?.is_empty()
        {
            return Ok((found.secrets.clone(), None));
        }
        let made_up = secrets::generate()?;
        let sealed = self.seal_secret(&made_up)?;
        Ok((secrets::write(&[sealed])?, Some(made_up)))
    }

    async fn warnings_of(&self, tenant: TenantId, document: &Document) -> Result<Vec<Fault>> {
        let mut warnings = Vec::new();
        let wanted = [
            (
                Kind::Application,
                Some(&document.application),
                "/application",
            ),
            (
                Kind::Configuration,
                document
                    .configuration
                    .as_ref()
                    .filter(|name| *name != "none"),
                "/configuration",
            ),
        ];
        for (kind, name, at) in wanted {
            let Some(name) = name else { continue };
            match self.find(tenant, kind, name).await {
                Ok(_) => {}
                Err(error @ Error::NotFound { .. }) => warnings.push(Fault {
                    code: NO_APPLICATION.to_owned(),
                    at: at.to_owned(),
                    message: format!("{error}; deliveries are refused until there is one"),
                }),
                Err(error) => return Err(error),
            }
        }
        Ok(warnings)
    }

    pub(crate) async fn stored_webhook(&self, tenant: TenantId, name: &str) -> Result<Webhook> {
        if let Some(found) = self.store.webhook(tenant, name).await? {
            return Ok(found);
        }
        let all = self.store.webhooks(tenant, None, "", None, 1000).await?;
        Err(Error::NotFound {
            what: WHAT,
            name: name.to_owned(),
            hint: suggest::hint(name, all.items.iter().map(|one| &*one.name)),
        })
    }

    /// One webhook.
    pub async fn webhook(&self, tenant: TenantId, name: &str) -> Result<WebhookDetail> {
        let found = self.stored_webhook(tenant, name).await?;
        Ok(detailed(found, self.now()))
    }

    /// Webhooks by name.
    pub async fn webhooks(
        &self,
        tenant: TenantId,
        query: &WebhookQuery,
    ) -> Result<Page<WebhookDetail>> {
        let page = self
            .store
            .webhooks(
                tenant,
                query.application.as_deref(),
                &query.search,
                query.after.as_deref(),
                query.limit.clamp(1, 200),
            )
            .await?;
        let now = self.now();
        Ok(Page {
            items: page
                .items
                .into_iter()
                .map(|one| detailed(one, now))
                .collect(),
            next: page.next,
        })
    }

    /// Deletes a webhook and its log; the runs that it started stay.
    pub async fn delete_webhook(
        &self,
        caller: &Caller,
        name: &str,
        expected: Option<i64>,
    ) -> Result<()> {
        if !self
            .store
            .delete_webhook(caller.tenant, name, expected)
            .await?
        {
            self.stored_webhook(caller.tenant, name).await?;
        }
        Ok(())
    }

    /// Gives a webhook another secret; the one before counts beside it for a while.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a secret that is none, or a webhook that has none;
    /// [`Error::Conflict`] when somebody saves it at the same moment.
    pub async fn rotate_webhook(
        &self,
        caller: &Caller,
        name: &str,
        rotate: RotateWebhook,
    ) -> Result<SavedWebhook> {
        let found = self.stored_webhook(caller.tenant, name).await?;
        let document = read_document(&found)?;
        let keep = rotate.keep_seconds.unwrap_or(OVERLAP);
        let mut errors: Vec<Fault> = rotate
            .secret
            .as_deref()
            .and_then(secrets::check)
            .into_iter()
            .collect();
        if keep > MOST_OVERLAP {
            errors.push(fault(
                "/keep_seconds",
                format!("the secret before counts for {MOST_OVERLAP} seconds at most"),
            ));
        }
        if !document.signature.needs_secret() {
            errors.push(fault(
                "/secret",
                "the webhook's scheme is `none`, which has no secret",
            ));
        }
        if !errors.is_empty() {
            return Err(refused(errors));
        }
        let now = self.now();
        let (plain, made_up) = if let Some(given) = rotate.secret {
            (given, None)
        } else {
            let made_up = secrets::generate()?;
            (made_up.clone(), Some(made_up))
        };
        let mut all = vec![self.seal_secret(&plain)?];
        // Of those that count, the newest; there are never more than two.
        let before = secrets::read(&found.secrets)?;
        if let Some(before) = secrets::valid(&before, now).next().filter(|_| keep > 0) {
            let until = now.plus_micros(keep as i64 * 1_000_000).0;
            all.push(secrets::Secret {
                until: Some(before.until.unwrap_or(until).min(until)),
                ..before.clone()
            });
        }
        let saved = self
            .store
            .save_webhook(SaveWebhook {
                tenant: caller.tenant,
                name: found.name,
                public: found.public,
                application: found.application,
                document: found.document,
                secrets: secrets::write(&all)?,
                by: caller.name.clone(),
                at: now,
                expected: found.revision,
            })
            .await?;
        Ok(SavedWebhook {
            detail: detailed(saved, now),
            created: false,
            changed: true,
            secret: made_up,
            warnings: Vec::new(),
        })
    }

    /// The deliveries of a webhook, the newest first.
    pub async fn deliveries(
        &self,
        tenant: TenantId,
        name: &str,
        outcome: Option<Outcome>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Delivery>> {
        let found = self.stored_webhook(tenant, name).await?;
        let before = match after {
            None => None,
            Some(after) => {
                let number = after.parse().ok();
                Some(number.ok_or_else(|| Error::Position(after.to_owned()))?)
            }
        };
        Ok(self
            .store
            .deliveries(found.id, outcome, before, limit.clamp(1, 200))
            .await?)
    }

    /// Forgets deliveries that are too old, a few at a time.
    pub(crate) async fn forget_deliveries(&self) -> Result<()> {
        let before = self.now().plus_micros(-KEPT_FOR * 1_000_000);
        while self.store.forget_deliveries(before, FORGET).await? == FORGET {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

fn read_document(stored: &Webhook) -> Result<Document> {
    let document: Map<String, Value> = serde_json::from_str(&stored.document)
        .map_err(|error| Error::Internal(format!("the webhook `{}`: {error}", stored.name)))?;
    Document::read(&document).0.ok_or_else(|| {
        Error::Undeliverable(format!(
            "the webhook `{}` was saved by another version of PowerFlow, which this one cannot read",
            stored.name
        ))
    })
}

fn detailed(webhook: Webhook, now: Timestamp) -> WebhookDetail {
    // What cannot be read is shown as nothing.
    let all = secrets::read(&webhook.secrets).unwrap_or_default();
    let secrets = secrets::valid(&all, now)
        .map(|secret| WebhookSecret {
            since: Timestamp(secret.since),
            until: secret.until.map(Timestamp),
        })
        .collect();
    WebhookDetail {
        document: serde_json::from_str(&webhook.document).unwrap_or_default(),
        secrets,
        webhook,
    }
}

#[cfg(test)]
mod tests;
