//! Limits: how many attempts with the same key execute at a time, and how many start in a
//! span of time.
//!
//! An attempt asks for its keys before it executes anything. It gets its places, or its step
//! waits in the line of the key that is full, in one commit. Whatever ends a holder hands its
//! place to the first of the line in the same commit; [`crate::runs::Waits::wake_due`] makes
//! steps ready that were handed one, or whose turn by rate has come. The rows of all three are
//! in the store: no process counts anything.

use async_trait::async_trait;
use model::{
    clock::Timestamp,
    id::{RunId, RunRef, StepKey, TenantId, Token},
    limits::{Kind, Limit, Wanted},
    state::StepState,
};

use crate::{Page, Result, runs::Suspension};

/// An attempt asks for what its limits want.
#[derive(Clone, Debug)]
pub struct Acquire {
    /// The step.
    pub key: StepKey,
    /// The attempt's token, from its claim.
    pub token: Token,
    /// Whose keys they are.
    pub tenant: TenantId,
    /// What it wants, at most one of each kind, a concurrency first. It is judged by its own
    /// limit, against all that hold the key.
    pub wanted: Vec<Wanted>,
    /// When.
    pub at: Timestamp,
    /// The run's payload partition, from its header.
    pub expires_at: Timestamp,
}

impl Acquire {
    /// The wait of a step that did not get what it asked for.
    pub fn suspension(&self) -> Suspension {
        Suspension {
            key: self.key,
            token: self.token,
            kind: model::state::WaitKind::Limit,
            until: None,
            children: (0, 0),
            detail: None,
            ask: None,
            ended: None,
            error: None,
            log: None,
            at: self.at,
            expires_at: self.expires_at,
        }
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// The attempt had been fenced. Nothing was stored.
    Fenced,
    /// It may execute.
    Taken,
    /// Its step waits. Where it waits for a rate: its turn comes then, if all before it take
    /// theirs.
    Waits(Option<Timestamp>),
}

/// Where a key stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSummary {
    /// The key.
    pub key: String,
    /// The limit of whoever asked last.
    pub limit: Limit,
    /// How many hold a place.
    pub held: u64,
    /// How many wait.
    pub waiting: u64,
    /// When the next one may start, of a rate.
    pub next: Option<Timestamp>,
}

impl LimitSummary {
    /// Its place in a list: the `next` of a page that ends with it.
    pub fn position(&self) -> String {
        format!("{}:{}", self.limit.kind().word(), self.key)
    }
}

/// The kind and the key of a position; `None`: it is none.
pub fn position(text: &str) -> Option<(Kind, String)> {
    let (kind, key) = text.split_once(':')?;
    Some((Kind::from_word(kind)?, key.to_owned()))
}

/// A step that holds a place of a key, or waits for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitPlace {
    /// The step.
    pub step: StepKey,
    /// Its run.
    pub reference: RunRef,
    /// The application's name when this was read.
    pub application_name: String,
    /// Where the step stands: one that was handed a place and is not executed yet is waiting
    /// or ready.
    pub state: StepState,
    /// Since when.
    pub since: Timestamp,
    /// Its own limit.
    pub limit: u32,
}

/// A key with those who hold and want it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitDetail {
    /// Where it stands.
    pub summary: LimitSummary,
    /// Who holds it, the longest first; the first of them.
    pub holders: Vec<LimitPlace>,
    /// Who waits, the next first; the first of them.
    pub line: Vec<LimitPlace>,
}

/// The limit that a step waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitWait {
    /// The step.
    pub step: StepKey,
    /// The step's own limit.
    pub limit: u32,
    /// How many wait before it, counted up to a thousand.
    pub before: u64,
    /// The key, with its first holders; `line` is empty.
    pub of: LimitDetail,
}

/// Limits.
#[async_trait]
pub trait Limits: Send + Sync + 'static {
    /// Takes the places that the attempt wants, or makes its step wait for the one that it
    /// does not get, behind all that wait for it. The concurrency comes first: whoever waits
    /// for a rate has its place. A place is kept until the attempt ends, over lost workers and
    /// while its step waits for children; asked for again it is still there. Each attempt
    /// counts for a rate.
    async fn acquire(&self, acquire: Acquire) -> Result<Acquired>;

    /// Keys in use: that somebody holds or waits for, and rates that have not recovered at
    /// `now`. Ordered by kind and key, after those.
    async fn limits(
        &self,
        tenant: TenantId,
        now: Timestamp,
        after: Option<(Kind, String)>,
        limit: usize,
    ) -> Result<Page<LimitSummary>>;

    /// The limits of that key, with the first holders and waiters, at most `limit` of each.
    async fn limit(&self, tenant: TenantId, key: &str, limit: usize) -> Result<Vec<LimitDetail>>;

    /// What the steps of a run wait for, with at most `holders` holders each.
    async fn limit_waits(&self, run: RunId, holders: usize) -> Result<Vec<LimitWait>>;

    /// Gives back the places of steps that have ended, at most `limit`: a version without
    /// limits may have ended them. Forgets keys that nobody uses. Answers how many places.
    async fn sweep_limits(&self, now: Timestamp, limit: usize) -> Result<usize>;
}
