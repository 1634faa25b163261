//! What a step is called with.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
};

use model::{
    id::{Ordinal, TenantId, Token},
    plan::{PlannedStep, SecretHandles},
};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{Engine, catalogue::Pack, parts, worker::Chain};

/// Hands out handles for the secrets of one execution.
pub(crate) struct Handles {
    /// Value to id.
    given: Mutex<HashMap<String, String>>,
    seed: u128,
}

impl SecretHandles for Handles {
    fn handle(&self, value: &str) -> String {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let next = given.len() as u128;
        let id = given
            .entry(value.to_owned())
            .or_insert_with(|| format!("{:032x}", self.seed.wrapping_add(next)));
        format!("{}{id}", runtime::HANDLE_PREFIX)
    }
}

impl Handles {
    /// None given yet; ids of those to come start from `seed`.
    pub(crate) fn new(seed: u128) -> Self {
        Self {
            given: Mutex::default(),
            seed,
        }
    }

    fn into_runtime(self) -> runtime::SecretHandles {
        let given = self
            .given
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        if given.is_empty() {
            return runtime::SecretHandles::default();
        }
        runtime::SecretHandles::new(given.into_iter().map(|(value, id)| (id, value)))
    }
}

/// What the guest learns about its run.
#[derive(Serialize)]
struct Context<'a> {
    run_id: String,
    task_id: &'a str,
    application: &'a str,
    step: &'a str,
    configuration: Option<&'a str>,
    attempt: i64,
    idempotency_key: &'a str,
    log_level: u8,
    /// Its name.
    tenant: Cow<'static, str>,
}

/// The contract hands over a name; only the first tenant has one so far.
fn tenant_name(tenant: TenantId) -> Cow<'static, str> {
    if tenant == TenantId::DEFAULT {
        Cow::Borrowed("default")
    } else {
        Cow::Owned(tenant.0.to_string())
    }
}

impl Engine {
    #[expect(clippy::too_many_arguments, reason = "all that a call is made of")]
    pub(crate) fn call(
        &self,
        chain: &Chain,
        planned: &PlannedStep,
        pack: &Pack,
        token: Token,
        parameters: String,
        handles: Handles,
        cancel: CancellationToken,
    ) -> runtime::Call {
        let header = &chain.header;
        let own = chain.header.part.map_or(planned.ordinal, |_| Ordinal(0));
        let task = header.reference.task(own).to_string();
        let context = Context {
            run_id: header.reference.to_string(),
            task_id: &task,
            application: &chain.runnable.name,
            step: &planned.name,
            configuration: chain.configured.as_deref().map(|one| &*one.name),
            attempt: chain.attempt_number(token),
            idempotency_key: &task,
            log_level: header.log_level,
            tenant: tenant_name(header.tenant),
        };
        let log = runtime::LogBuffer::new(
            self.clock.clone(),
            runtime::Level::at_least(header.log_level),
            self.settings.log_limits,
        );
        let log = Arc::new(log.masking(chain.masker.clone()));
        if log.keeps(runtime::Level::Debug) {
            log.append(runtime::Level::Debug, &format!("parameters {parameters}"));
        }
        runtime::Call {
            step: planned.file.as_str().into(),
            pack: pack.name.as_str().into(),
            data: chain.data_of(planned),
            context: serde_json::to_string(&context).unwrap_or_default(),
            parameters,
            tenant: header.tenant,
            log,
            http: Some(pack.access(
                header.tenant.0,
                chain.configured.as_deref(),
                self.settings.timeouts,
            )),
            cache: pack.may_cache(),
            masker: chain.masker.clone(),
            secrets: handles.into_runtime(),
            limits: self.limits.clone(),
            trace: chain.attempt_span(own, token),
            reuse: parts::may_reuse(&pack.name),
            // What is left of it when it begins is set then.
            deadline: self.settings.rules(&planned.policy).hard,
            cancel,
        }
    }
}

impl Chain {
    /// The data of the connected earlier steps by step name: a JSON object, put together
    /// without reading what the steps made.
    fn data_of(&self, planned: &PlannedStep) -> String {
        let connected = planned.data_from.iter().take(planned.connected);
        let mut data = String::from("{");
        for &step in connected {
            let (Some(earlier), Some(Some(output))) =
                (self.runnable.plan.step(step), self.outputs.get(&step))
            else {
                continue;
            };
            let Ok(output) = std::str::from_utf8(output) else {
                continue;
            };
            if data.len() > 1 {
                data.push(',');
            }
            let name = serde_json::Value::from(earlier.name.as_str());
            // Writing to a String does not fail.
            let _ = write!(data, "{name}:{output}");
        }
        data.push('}');
        data
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::without_handles;

    #[test]
    fn a_log_line_holds_no_handle() {
        let handles = Handles::new(7);
        let handle = handles.handle("secret");
        let line = format!(r#"parameters {{"a":"{handle}","b":"Bearer {handle}"}}"#);
        assert_eq!(
            without_handles(line.into()),
            r#"parameters {"a":"********","b":"Bearer ********"}"#
        );
        assert_eq!(without_handles("plain".into()), "plain");
    }
}
