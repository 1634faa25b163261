//! The audit trail: who changed what, and who was turned away, as events of the service's log
//! with the target `audit`.
//!
//! An event tells names, versions and revisions, never a value. Fields that others chose are
//! recorded as texts, which the log quotes, so that none can forge a line.

mod refusals;

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{Extensions, HeaderMap, HeaderValue, request::Parts},
};

pub(crate) use refusals::Refusals;
use refusals::brief;

use crate::{auth::credentials::Identity, state::Shared};

/// The target of every event.
macro_rules! event {
    ($from:expr, $($rest:tt)+) => {
        tracing::info!(target: "audit", request = &*$from.request, user = &*$from.user, $($rest)+)
    };
}

/// The id of a request, among its extensions.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) Arc<str>);

/// Who changes something, and by which request.
#[derive(Clone, Debug)]
pub(crate) struct Audit {
    user: Arc<str>,
    request: Arc<str>,
}

impl FromRequestParts<Shared> for Audit {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Infallible> {
        let identity = parts.extensions.get::<Arc<Identity>>();
        Ok(Self {
            user: identity.map_or("", |identity| &identity.caller.name).into(),
            request: request_id(&parts.extensions),
        })
    }
}

fn request_id(extensions: &Extensions) -> Arc<str> {
    extensions
        .get::<RequestId>()
        .map_or_else(Arc::default, |id| Arc::clone(&id.0))
}

/// What a document is, in words.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Document {
    Application,
    Configuration,
    Schedule,
    Webhook,
}

impl Document {
    const fn word(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Configuration => "configuration object",
            Self::Schedule => "schedule",
            Self::Webhook => "webhook",
        }
    }
}

impl Audit {
    /// A document was saved; one that means the same as the one before is no change.
    pub(crate) fn saved(&self, what: Document, saved: &engine::Saved) {
        if saved.changed {
            let (name, revision) = (&saved.definition.name, saved.definition.number);
            self.revised(what, name, revision, "");
        }
    }

    /// A revision of the past was saved again.
    pub(crate) fn restored(&self, what: Document, saved: &engine::Saved, from: i64) {
        if saved.changed {
            event!(
                self,
                action = "restore",
                what = what.word(),
                name = &*saved.definition.name,
                revision = saved.definition.number,
                from,
                "a revision of a document was restored"
            );
        }
    }

    fn revised(&self, what: Document, name: &str, revision: i64, syncpack: &str) {
        let what = what.word();
        event!(
            self,
            action = "save",
            what,
            name,
            revision,
            syncpack,
            "a document was saved"
        );
    }

    /// A document was deleted.
    pub(crate) fn deleted(&self, what: Document, name: &str) {
        event!(
            self,
            action = "delete",
            what = what.word(),
            name,
            "a document was deleted"
        );
    }

    /// Somebody logged out.
    pub(crate) fn logged_out(&self) {
        event!(self, action = "logout", "somebody logged out");
    }

    /// Something was done to a SyncPack.
    pub(crate) fn syncpack(&self, action: &'static str, name: &str, version: &str) {
        event!(
            self,
            action,
            what = "syncpack",
            name,
            version,
            "a SyncPack was changed"
        );
    }

    /// A SyncPack was activated: with which grants, and which documents came with it.
    pub(crate) fn activated(&self, activated: &engine::Activated) {
        let (name, version) = (&*activated.pack.name, &*activated.pack.version);
        let given: Vec<engine::GrantDecision> =
            serde_json::from_str(&activated.pack.grants).unwrap_or_default();
        let grants: Vec<String> = given
            .into_iter()
            .map(|one| {
                let private = if one.private_network {
                    " (private)"
                } else {
                    ""
                };
                let objects: Vec<_> = one
                    .configurations
                    .iter()
                    .map(|object| format!(" {} at {}", object.name, object.host))
                    .collect();
                let separator = if objects.is_empty() { "" } else { ":" };
                format!("{}{private}{separator}{}", one.id, objects.join(" and"))
            })
            .collect();
        event!(
            self,
            action = "activate",
            what = "syncpack",
            name,
            version,
            grants = &*grants.join(", "),
            grants_taken_away = &*activated.taken_away.join(", "),
            grants_denied = &*activated.not_granted.join(", "),
            "a SyncPack was activated"
        );
        let syncpack = format!("{name} {version}");
        for one in &activated.brought {
            let what = if one.application {
                Document::Application
            } else {
                Document::Configuration
            };
            self.revised(what, &one.name, one.revision, &syncpack);
        }
        for name in &activated.schedules {
            self.brought(name, &syncpack);
        }
    }

    /// A schedule came with a SyncPack.
    fn brought(&self, name: &str, syncpack: &str) {
        let what = Document::Schedule.word();
        event!(
            self,
            action = "save",
            what,
            name,
            syncpack,
            "a SyncPack brought a schedule"
        );
    }

    /// A schedule was saved, paused or resumed.
    pub(crate) fn scheduled(&self, action: &'static str, saved: &engine::SavedSchedule) {
        if saved.changed {
            let one = &saved.detail.schedule;
            event!(
                self,
                action,
                what = Document::Schedule.word(),
                name = &*one.name,
                application = &*one.application,
                revision = one.revision,
                enabled = one.enabled,
                "a schedule was changed"
            );
        }
    }

    /// A webhook was saved, or given another secret.
    pub(crate) fn webhook(&self, action: &'static str, saved: &engine::SavedWebhook) {
        if saved.changed {
            let one = &saved.detail.webhook;
            event!(
                self,
                action,
                what = Document::Webhook.word(),
                name = &*one.name,
                application = &*one.application,
                revision = one.revision,
                "a webhook was changed"
            );
        }
    }

    /// What a webhook had received was delivered again.
    pub(crate) fn redelivered(&self, name: &str, number: i64) {
        event!(
            self,
            action = "redeliver",
            what = Document::Webhook.word(),
            name,
            number,
            "what a webhook had received was delivered again"
        );
    }

    /// Occurrences of the past are to run.
    pub(crate) fn backfilled(&self, name: &str, runs: usize) {
        event!(
            self,
            action = "backfill",
            what = Document::Schedule.word(),
            name,
            runs,
            "a range of a schedule was filled"
        );
    }

    /// A run, or a step of one, was cancelled.
    pub(crate) fn cancelled(&self, what: &'static str, id: &str) {
        event!(
            self,
            action = "cancel",
            what,
            name = id,
            "work was cancelled"
        );
    }

    /// Many runs were cancelled.
    pub(crate) fn cancelled_many(&self, application: &str, queue: &str, cancelled: u64) {
        event!(
            self,
            action = "cancel",
            what = "runs",
            application,
            queue,
            cancelled,
            "runs were cancelled"
        );
    }

    /// Somebody decided for a step that waited for it.
    pub(crate) fn decided(&self, action: &'static str, id: &str, note: &str) {
        event!(
            self,
            action,
            what = "step",
            name = id,
            note,
            "a step was decided upon"
        );
    }

    /// Work on many runs was started or stopped.
    pub(crate) fn bulk(&self, action: &'static str, detail: &engine::BulkDetail) {
        let query = detail.query.as_ref();
        let of = |name: Option<&String>| name.cloned().unwrap_or_default();
        event!(
            self,
            action,
            what = "bulk",
            name = detail.bulk.id,
            of = query.map_or("", |query| query.action.word()),
            application = &*of(query.and_then(|query| query.application.as_ref())),
            queue = &*of(query.and_then(|query| query.queue.as_ref())),
            runs = detail.bulk.total,
            "work on many runs was started or stopped"
        );
    }

    /// Somebody has seen to a dead letter.
    pub(crate) fn dead_letter(&self, action: &'static str, number: &str) {
        event!(
            self,
            action,
            what = "dead letter",
            name = number,
            "somebody has seen to a dead letter"
        );
    }

    /// Runs were paused or resumed.
    pub(crate) fn paused(
        &self,
        action: &'static str,
        application: Option<&str>,
        queue: Option<&str>,
        reason: &str,
    ) {
        event!(
            self,
            action,
            what = "runs",
            application = application.unwrap_or_default(),
            queue = queue.unwrap_or_default(),
            reason,
            "a pause was made or ended"
        );
    }

    /// A worker was given other queues, weights or slots.
    pub(crate) fn worker_set(&self, worker: &str, change: &engine::WorkerChange) {
        let slots = change.slots;
        let weights = change.weights.as_ref().map(|weights| {
            let each = weights.iter().map(|(name, one)| format!("{name}={one}"));
            each.collect::<Vec<_>>().join(", ")
        });
        let weights = weights.as_deref();
        let queues = change.queues.as_deref().map(|names| {
            if names.is_empty() {
                "all".to_owned()
            } else {
                names.join(", ")
            }
        });
        let queues = queues.as_deref();
        event!(
            self,
            action = "set",
            what = "worker",
            name = worker,
            queues,
            weights,
            slots,
            "a worker was set"
        );
    }

    /// Records of the cache were deleted.
    pub(crate) fn cache_deleted(&self, prefix: &str, deleted: u64) {
        event!(
            self,
            action = "delete",
            what = "cache",
            name = prefix,
            deleted,
            "cache records were deleted"
        );
    }
}

/// Where a request comes from.
pub(crate) struct Origin {
    request: Arc<str>,
    address: Option<IpAddr>,
    /// What a proxy, or whoever poses as one, says about it.
    forwarded_for: String,
}

impl FromRequestParts<Shared> for Origin {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions, &parts.headers))
    }
}

impl Origin {
    pub(crate) fn of(extensions: &Extensions, headers: &HeaderMap) -> Self {
        let forwarded = headers.get("x-forwarded-for").map(HeaderValue::as_bytes);
        Self {
            request: request_id(extensions),
            address: extensions
                .get::<ConnectInfo<SocketAddr>>()
                .map(|info| info.0.ip()),
            forwarded_for: brief(&String::from_utf8_lossy(forwarded.unwrap_or_default())),
        }
    }
}

impl Origin {
    /// Somebody logged in with a browser.
    pub(crate) fn logged_in(&self, user: &str) {
        let address = self.address.map(|address| address.to_string());
        tracing::info!(
            target: "audit",
            request = &*self.request,
            user,
            action = "login",
            address = address.unwrap_or_default(),
            forwarded_for = &*self.forwarded_for,
            "somebody logged in"
        );
    }

    /// It in a line, for a person. What a proxy says is marked as that.
    pub(crate) fn said(&self) -> String {
        let address = self.address.map(|address| address.to_string());
        let address = address.unwrap_or_default();
        if self.forwarded_for.is_empty() {
            return address;
        }
        format!("{address}, which says it is for {}", self.forwarded_for)
    }
}
