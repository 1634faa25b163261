//! A delivery is received: who sent it is proven, it becomes parameters, and those a run.
//!
//! The run is committed before the answer; the log is written after it, so that a delivery
//! whose run is there may be missing in the log after a crash, and never the other way round.

use std::{collections::HashMap, str};

use bytes::Bytes;
use model::{
    clock::Timestamp,
    id::RunRef,
    plan::run_code,
    webhook::{Delivery, Webhook as Document},
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use store::webhooks::{NewDelivery, Outcome, Webhook};
use trace::Context;
use url::form_urlencoded;

use super::{read_document, secrets, signature};
use crate::{
    Engine,
    error::{Error, Fault, Result},
    made::Origin,
    submit::parse_params,
    view::{Caller, Started},
};

/// A longer body is not kept.
const MOST_KEPT: usize = 64 << 10;
/// How much is recorded of why there is no run, in characters.
const REASON: usize = 2_000;
/// The longest key that stands in a run as it is, in bytes; of a longer one, its digest does.
const LONGEST_KEY: usize = 150;
/// So many refusals of a webhook are recorded in [`WINDOW`]; the others are counted.
const TOLD: u32 = 10;
const WINDOW: i64 = 60 * 1_000_000;

/// What was received.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// Where from.
    pub address: String,
    /// Its headers, names in lower case; values that are no texts are left out.
    pub headers: Vec<(String, String)>,
    /// The query of the address, as it was sent.
    pub query: String,
    /// The body.
    pub body: Bytes,
    /// Its place in a trace.
    pub trace: Option<Context>,
}

/// A delivery that has a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The run.
    pub run: RunRef,
    /// It came before, and this is the run that it started then.
    pub duplicate: bool,
}

/// What is kept of a delivery.
#[derive(Serialize, Deserialize)]
struct Kept {
    headers: Vec<(String, String)>,
    query: String,
    body: String,
}

/// A delivery as its webhook's document reads it.
struct Read<'r> {
    received: &'r Received,
    body: Value,
    query: HashMap<String, String>,
}

impl Delivery for Read<'_> {
    fn body(&self) -> &Value {
        &self.body
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.received.header(name)
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }
}

impl Received {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    fn read(&self) -> Result<Read<'_>> {
        let pairs = |text: &[u8]| -> Vec<(String, String)> {
            form_urlencoded::parse(text)
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect()
        };
        let kind = self.header("content-type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        let body = if self.body.iter().all(u8::is_ascii_whitespace) {
            Value::Null
        } else if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let fields = pairs(&self.body)
                .into_iter()
                .map(|(name, value)| (name, Value::from(value)));
            Value::Object(fields.collect())
        } else {
            match serde_json::from_slice(&self.body) {
                Ok(body) => body,
                Err(error) if kind.to_ascii_lowercase().ends_with("json") => {
                    return Err(Error::Undeliverable(format!(
                        "the body says that it is JSON, and is none: line {}, column {}",
                        error.line(),
                        error.column()
                    )));
                }
                Err(_) => match str::from_utf8(&self.body) {
                    Ok(text) if !text.contains('\0') => Value::from(text),
                    _ => {
                        return Err(Error::Undeliverable(
                            "the body is neither JSON nor a form nor a text".to_owned(),
                        ));
                    }
                },
            }
        };
        Ok(Read {
            received: self,
            body,
            query: pairs(self.query.as_bytes()).into_iter().collect(),
        })
    }
}

/// How much of what webhooks refuse is written down, so that junk does not fill the disk.
#[derive(Default)]
pub(crate) struct Refused(Mutex<HashMap<(i64, bool), Seen>>);

#[derive(Default)]
struct Seen {
    since: i64,
    told: u32,
    untold: u64,
}

impl Refused {
    /// Whether one more is recorded; if so, how many were not since the last one that was.
    fn note(&self, webhook: i64, proven: bool, now: Timestamp) -> Option<u64> {
        let mut all = self.0.lock();
        let seen = all.entry((webhook, proven)).or_default();
        if now.0 - seen.since >= WINDOW || now.0 < seen.since {
            seen.since = now.0;
            seen.told = 0;
        }
        if seen.told >= TOLD {
            seen.untold += 1;
            return None;
        }
        seen.told += 1;
        Some(std::mem::take(&mut seen.untold))
    }
}

/// The refusal of what does not prove who sent it, and of an address that nobody has: the same.
fn nobody(address: &str) -> Error {
    Error::NotFound {
        what: "webhook",
        name: address.chars().take(64).collect(),
        hint: ", or what was sent does not prove who sent it".to_owned(),
    }
}

impl Engine {
    /// Starts the run of a delivery to the address that ends with `public`.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no such address and where the delivery does not prove
    /// who sent it, without saying which; [`Error::WebhookDisabled`]; [`Error::Undeliverable`]
    /// when it starts no run, which the log says more about; [`Error::Busy`] and others that
    /// may pass.
    pub async fn receive(&self, public: &str, received: &Received) -> Result<Delivered> {
        let Some(number) = super::parse_public(public) else {
            return Err(nobody(public));
        };
        let Some(webhook) = self.store.webhook_at(number).await? else {
            return Err(nobody(public));
        };
        let document = read_document(&webhook)?;
        if let Err(reason) = self.prove(&webhook, &document, received)? {
            self.record_refusal(&webhook, received, Outcome::Unproven, reason)
                .await;
            return Err(nobody(public));
        }
        if !document.enabled {
            let reason = "the webhook is disabled".to_owned();
            self.record_refusal(&webhook, received, Outcome::Disabled, reason.clone())
                .await;
            return Err(Error::WebhookDisabled(reason));
        }
        let started = self.deliver(&webhook, &document, received, false).await;
        self.settle_delivery(&webhook, &document, received, started, None)
            .await
    }

    /// Delivers again what was received before, as the webhook is now: a new run.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::RunState`] when the delivery is not kept; else as
    /// [`Engine::receive`].
    pub async fn redeliver(&self, caller: &Caller, name: &str, number: i64) -> Result<Delivered> {
        let webhook = self.stored_webhook(caller.tenant, name).await?;
        let found = self.store.delivery(webhook.id, number).await?;
        let Some((delivery, kept)) = found else {
            return Err(Error::not_found("delivery", number.to_string()));
        };
        let Some(kept) = kept else {
            return Err(Error::RunState(format!(
                "delivery {number} cannot be delivered again: only what started a run is kept, and of at most {} KiB; this one is `{}`",
                MOST_KEPT >> 10,
                delivery.outcome.word()
            )));
        };
        let kept: Kept = serde_json::from_str(&self.open_received(&kept)?)
            .map_err(|error| Error::Internal(format!("a kept delivery: {error}")))?;
        let received = Received {
            address: format!("again, by {}", caller.name),
            headers: kept.headers,
            query: kept.query,
            body: kept.body.into(),
            trace: caller.trace.clone(),
        };
        let document = read_document(&webhook)?;
        let started = self.deliver(&webhook, &document, &received, true).await;
        self.settle_delivery(&webhook, &document, &received, started, Some(number))
            .await
    }

    fn prove(
        &self,
        webhook: &Webhook,
        document: &Document,
        received: &Received,
    ) -> Result<std::result::Result<(), String>> {
        let now = self.now();
        let stored = secrets::read(&webhook.secrets)?;
        let valid: Vec<_> = secrets::valid(&stored, now)
            .map(|secret| self.open_secret(secret))
            .collect::<Result<_>>()?;
        let proof = signature::Proof {
            body: &received.body,
            header: &|name| received.header(name),
            now,
        };
        Ok(signature::check(&document.signature, &valid, &proof))
    }

    /// Starts the run of what was received. `again`: whatever its key.
    async fn deliver(
        &self,
        webhook: &Webhook,
        document: &Document,
        received: &Received,
        again: bool,
    ) -> Result<Started> {
        let read = received.read()?;
        let params = document
            .parameters(&read)
            .map_err(|problems| Error::CannotRun {
                application: document.application.clone(),
                faults: problems.iter().map(Fault::from).collect(),
            })?;
        let key = document.key(&read).filter(|_| !again);
        let params = Value::Object(params).to_string();
        let mut request = parse_params(&document.application, &params)?;
        request.configuration.clone_from(&document.configuration);
        request.queue.clone_from(&document.queue);
        let runnable = self.runnable(webhook.tenant, &document.application).await?;
        let caller = Caller {
            name: format!("webhook:{}", webhook.name),
            tenant: webhook.tenant,
            trace: received.trace.clone(),
        };
        let origin = Origin {
            same: key.map(|key| key_of(webhook, &key)),
            ..Origin::of(&caller, caller.name.clone())
        };
        self.accept(&caller, origin, runnable, request, Vec::new(), None)
            .await
    }

    /// Records what became of a delivery, and says it.
    async fn settle_delivery(
        &self,
        webhook: &Webhook,
        document: &Document,
        received: &Received,
        started: Result<Started>,
        repeats: Option<i64>,
    ) -> Result<Delivered> {
        let started = match started {
            Ok(started) => started,
            Err(error) => {
                let reason = told(&error);
                if error.is_retryable() {
                    // While too much waits, the log adds nothing to it.
                    tracing::debug!(%error, webhook = webhook.name, "a delivery was not taken");
                    return Err(error);
                }
                self.record_refusal(webhook, received, Outcome::Refused, reason)
                    .await;
                return Err(match error {
                    Error::Internal(_) => error,
                    // Its sender need not know what runs here.
                    _ if repeats.is_none() => Error::Undeliverable(
                        "what was received starts no run; the log of the webhook says why"
                            .to_owned(),
                    ),
                    error => error,
                });
            }
        };
        let outcome = if started.again {
            Outcome::Duplicate
        } else {
            Outcome::Accepted
        };
        let waits = [run_code::PAUSED, run_code::UNSERVED];
        let waits: Vec<_> = started
            .warnings
            .iter()
            .filter(|warning| waits.contains(&warning.code.as_str()))
            .map(|warning| warning.message.as_str())
            .collect();
        let kept = match outcome {
            Outcome::Accepted => self.keep(document, received),
            _ => None,
        };
        let delivery = NewDelivery {
            run: Some(started.run),
            reason: (!waits.is_empty()).then(|| brief(&waits.join("; "))),
            repeats,
            kept,
            ..self.new_delivery(received, outcome)
        };
        if let Err(error) = self.store.record_delivery(webhook.id, delivery).await {
            // The run is committed, and its sender is told so.
            tracing::warn!(%error, webhook = webhook.name, "a delivery could not be recorded");
        }
        Ok(Delivered {
            run: started.run,
            duplicate: started.again,
        })
    }

    /// What is needed to deliver it again; `None` where that is too much.
    fn keep(&self, document: &Document, received: &Received) -> Option<String> {
        if received.body.len() > MOST_KEPT {
            return None;
        }
        let names: Vec<&str> = document.headers().chain(["content-type"]).collect();
        let headers = received
            .headers
            .iter()
            .filter(|(name, _)| names.contains(&name.as_str()))
            .cloned();
        let kept = Kept {
            headers: headers.collect(),
            query: received.query.clone(),
            body: str::from_utf8(&received.body).ok()?.to_owned(),
        };
        let text = serde_json::to_string(&kept).ok()?;
        self.seal_received(&text)
            .inspect_err(|error| tracing::warn!(%error, "a delivery could not be kept"))
            .ok()
    }

    fn new_delivery(&self, received: &Received, outcome: Outcome) -> NewDelivery {
        NewDelivery {
            at: self.now(),
            address: received.address.clone(),
            outcome,
            run: None,
            reason: None,
            size: received.body.len() as i64,
            digest: Sha256::digest(&received.body).into(),
            repeats: None,
            kept: None,
            untold: 0,
        }
    }

    /// Records a refusal, or only counts it.
    async fn record_refusal(
        &self,
        webhook: &Webhook,
        received: &Received,
        outcome: Outcome,
        reason: String,
    ) {
        let noted = self
            .refused_deliveries
            .note(webhook.id, outcome.is_proven(), self.now());
        let Some(untold) = noted else { return };
        let delivery = NewDelivery {
            reason: Some(brief(&reason)),
            untold,
            ..self.new_delivery(received, outcome)
        };
        if let Err(error) = self.store.record_delivery(webhook.id, delivery).await {
            tracing::warn!(%error, webhook = webhook.name, "a refused delivery could not be recorded");
        }
    }
}

/// The key of the run that a delivery starts, whatever it is given.
fn key_of(webhook: &Webhook, key: &str) -> String {
    let of = super::public_text(webhook.public);
    if key.len() > LONGEST_KEY || key.contains(char::is_control) {
        let digest = blake3::hash(key.as_bytes()).to_hex();
        return format!("webhook/{of}/digest/{digest}");
    }
    format!("webhook/{of}/{key}")
}

/// Why there is no run, with everything that is wrong.
fn told(error: &Error) -> String {
    match error {
        Error::CannotRun { faults, .. } if faults.len() > 1 => {
            let all: Vec<_> = faults
                .iter()
                .map(|fault| format!("{}: {}", fault.at, fault.message))
                .collect();
            format!("{error}: {}", all.join("; "))
        }
        error => error.to_string(),
    }
}

fn brief(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(REASON)
        .collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
#[path = "receive_tests.rs"]
mod tests;
