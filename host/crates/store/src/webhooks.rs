//! Webhooks and the log of their deliveries.

use async_trait::async_trait;
use model::{
    clock::Timestamp,
    id::{RunRef, TenantId},
};

use crate::{Page, Result};

/// A webhook with its newest document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its number.
    pub id: i64,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name, unique in the tenant.
    pub name: String,
    /// What its address ends with: 128 bits that nobody can foresee.
    pub public: u128,
    /// The application that it starts, by name.
    pub application: String,
    /// Its document: a JSON text.
    pub document: String,
    /// Its secrets: a JSON text whose values are encrypted.
    pub secrets: String,
    /// How often it was saved, from 1.
    pub revision: i64,
    /// How many deliveries proved who sent them.
    pub proven: i64,
    /// How many did not, as far as they are recorded.
    pub unproven: i64,
    /// Who saved it last.
    pub edited_by: String,
    /// When it was saved last.
    pub edited_at: Timestamp,
    /// When it was first saved.
    pub created_at: Timestamp,
}

/// A webhook to be saved.
#[derive(Clone, Debug)]
pub struct SaveWebhook {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name.
    pub name: String,
    /// What its address ends with, if there is none of that name yet: it never changes.
    pub public: u128,
    /// The application that it starts.
    pub application: String,
    /// Its document.
    pub document: String,
    /// Its secrets, encrypted.
    pub secrets: String,
    /// Who saves it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// The revision that the caller has seen; 0 when it expects none to exist.
    pub expected: i64,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// It started a run.
    Accepted = 1,
    /// It came before: the run is the one that it started then.
    Duplicate = 2,
    /// Its run was refused.
    Refused = 3,
    /// The webhook takes none.
    Disabled = 4,
    /// It did not prove who sent it.
    Unproven = 5,
}

impl Outcome {
    /// Every outcome with its word.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("accepted", Self::Accepted),
        ("duplicate", Self::Duplicate),
        ("refused", Self::Refused),
        ("disabled", Self::Disabled),
        ("unproven", Self::Unproven),
    ];

    /// Its word.
    pub fn word(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(_, one)| *one == self);
        found.map_or("", |(word, _)| word)
    }

    /// The outcome of a column.
    pub fn from_code(code: u8) -> Option<Self> {
        let found = Self::WORDS.iter().find(|(_, one)| *one as u8 == code);
        found.map(|(_, one)| *one)
    }

    /// Whether the sender had proven who it is.
    pub fn is_proven(self) -> bool {
        self != Self::Unproven
    }
}

/// A delivery of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its number in the webhook, from 1 on; numbers of some may be missing.
    pub number: i64,
    /// When it came.
    pub at: Timestamp,
    /// Where from.
    pub address: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The run that it started.
    pub run: Option<RunRef>,
    /// Why there is none, or what the run waits for.
    pub reason: Option<String>,
    /// The bytes of its body.
    pub size: i64,
    /// The SHA-256 of its body.
    pub digest: [u8; 32],
    /// The delivery that it repeats, because somebody asked for it.
    pub repeats: Option<i64>,
    /// Whether what was received is kept.
    pub kept: bool,
}

/// A delivery to be recorded.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// When it came.
    pub at: Timestamp,
    /// Where from.
    pub address: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The run that it started.
    pub run: Option<RunRef>,
    /// Why there is none.
    pub reason: Option<String>,
    /// The bytes of its body.
    pub size: i64,
    /// The SHA-256 of its body.
    pub digest: [u8; 32],
    /// The delivery that it repeats.
    pub repeats: Option<i64>,
    /// What was received, encrypted.
    pub kept: Option<String>,
    /// How many deliveries like this one came since the last that was recorded, and are
    /// recorded only by their number.
    pub untold: u64,
}

/// How many deliveries of a webhook are kept that proved who sent them.
pub const KEPT: i64 = 1_000;
/// How many that did not: they take no room of the others.
pub const KEPT_UNPROVEN: i64 = 100;

/// Webhooks.
#[async_trait]
pub trait Webhooks: Send + Sync + 'static {
    /// Saves a webhook.
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] when `expected` is not what there is.
    async fn save_webhook(&self, save: SaveWebhook) -> Result<Webhook>;

    /// The webhook of that name.
    async fn webhook(&self, tenant: TenantId, name: &str) -> Result<Option<Webhook>>;

    /// The webhook at that address.
    async fn webhook_at(&self, public: u128) -> Result<Option<Webhook>>;

    /// Webhooks by name, those of the application, if given, whose name or application
    /// contains `search` (case-insensitive; empty: all), after the name `after`.
    async fn webhooks(
        &self,
        tenant: TenantId,
        application: Option<&str>,
        search: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Webhook>>;

    /// Deletes a webhook and its log. Says whether there was one.
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] when `expected` is not what there is.
    async fn delete_webhook(
        &self,
        tenant: TenantId,
        name: &str,
        expected: Option<i64>,
    ) -> Result<bool>;

    /// Records a delivery and forgets the oldest one beyond [`KEPT`] or [`KEPT_UNPROVEN`].
    /// Answers its number; `None`: the webhook is not there any more.
    async fn record_delivery(&self, webhook: i64, delivery: NewDelivery) -> Result<Option<i64>>;

    /// The deliveries of a webhook with that outcome, or all, the newest first, those of a
    /// number below `before`.
    async fn deliveries(
        &self,
        webhook: i64,
        outcome: Option<Outcome>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<Delivery>>;

    /// One delivery, with what was received, if that is kept.
    async fn delivery(
        &self,
        webhook: i64,
        number: i64,
    ) -> Result<Option<(Delivery, Option<String>)>>;

    /// Forgets deliveries that came before that moment, at most so many. Says how many.
    async fn forget_deliveries(&self, before: Timestamp, limit: usize) -> Result<usize>;
}
