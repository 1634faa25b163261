//! One execution, from the call to its end.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::id::TenantId;
use model::mask::Masker;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use trace::Context;
use wasmtime::Store;
use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::WasiHttpCtx;

use crate::bindings::powerflow::syncpack::types as wit;
use crate::host::http::{Http, HttpAccess};
use crate::idle::{Instance, Owner};
use crate::limits::Meter;
use crate::program::Program;
use crate::runtime::Inner;
use crate::state::State;
use crate::turn::{Fair, on_tick};
use crate::{
    Execution, Failure, Kind, Limits, LogBuffer, Outcome, SecretHandles, Usage, code, failure, json,
};

/// Bytes that may cross the border at once besides an output: the largest write of a body and more.
const CROSSING_BYTES: usize = 2 << 20;
/// Longest code and message of a guest's failure in bytes.
const CODE_BYTES: usize = 64;
const MESSAGE_BYTES: usize = 8 << 10;

/// One execution of a step.
#[derive(Debug, Clone)]
pub struct Call {
    /// Id of the step in its pack.
    pub step: Arc<str>,
    /// Name of the pack, for messages.
    pub pack: Arc<str>,
    /// A JSON object: the parameters by name.
    pub parameters: String,
    /// A JSON object: outputs of earlier steps by step.
    pub data: String,
    /// A JSON object that describes the run.
    pub context: String,
    /// Whose run it is.
    pub tenant: TenantId,
    /// Where its log goes.
    pub log: Arc<LogBuffer>,
    /// What it may reach over HTTP; absent: nothing.
    pub http: Option<HttpAccess>,
    /// Whether it may use the cache.
    pub cache: bool,
    /// Knows the secrets that no cache record may hold.
    pub masker: Masker,
    /// Secrets that its parameters name by handle.
    pub secrets: SecretHandles,
    /// What it may use.
    pub limits: Arc<Limits>,
    /// The span that its requests belong to.
    pub trace: Option<Context>,
    /// Whether it may be executed by an instance that executed others of the same program for the
    /// same tenant, and leave it to others: what the guest keeps in its memory stays there.
    pub reuse: bool,
    /// How long it may take, waiting included.
    pub deadline: Duration,
    /// Ends it.
    pub cancel: CancellationToken,
}

/// Why a guest was ended from outside.
enum End {
    Deadline,
    Cancelled,
}

impl End {
    fn failure(&self, deadline: Duration) -> Failure {
        match self {
            Self::Cancelled => {
                Failure::host(Kind::Permanent, code::CANCELLED, "the step was cancelled")
            }
            Self::Deadline => {
                let message = format!(
                    "the step did not finish within {} s",
                    deadline.as_secs_f64()
                );
                Failure::host(Kind::Retryable, code::TIMEOUT, message)
            }
        }
    }
}

impl Inner {
    pub(crate) async fn execute(&self, program: &Program, call: Call) -> Execution {
        let started = Instant::now();
        let mut usage = Usage::default();
        let reuse = call.reuse;
        let owner = Owner {
            program: program.number,
            tenant: call.tenant,
        };
        let result = match self.instance(owner, &call, started).await {
            Ok(mut instance) => {
                let (result, returned) = self
                    .guarded(program, &mut instance, call, started, &mut usage)
                    .await;
                read(&mut usage, instance.store.data_mut());
                if reuse && returned {
                    self.idle.keep(owner, instance, |store| {
                        self.hand_over(store, &self.nobody);
                    });
                }
                result
            }
            Err(end) => Err(end.failure(call.deadline)),
        };
        usage.wall = started.elapsed();
        Execution { result, usage }
    }

    /// What executes a call: an instance that was used before, if the call allows it and one is
    /// there, or the place for a new one.
    async fn instance(&self, owner: Owner, call: &Call, started: Instant) -> Result<Instance, End> {
        if call.cancel.is_cancelled() {
            return Err(End::Cancelled);
        }
        if call.reuse
            && let Some(mut kept) = self.idle.take(owner)
            && self.hand_over(&mut kept.store, call)
        {
            return Ok(kept);
        }
        let slot = self.slot(call, started).await?;
        Ok(Instance::new(self.store(call), slot))
    }

    /// Gives the store of an instance to another call: nothing of the one before is left in it.
    /// Whether the instance fits into the call's limits.
    fn hand_over(&self, store: &mut Store<State>, call: &Call) -> bool {
        let mut state = self.state(call);
        let fits = state.meter.take_over(&store.data().meter);
        *store.data_mut() = state;
        Self::begin(store, call);
        fits
    }

    /// A slot of the pool; waits for one within the call's time.
    async fn slot(
        &self,
        call: &Call,
        started: Instant,
    ) -> Result<Option<OwnedSemaphorePermit>, End> {
        let Some(slots) = &self.slots else {
            return Ok(None);
        };
        if let Ok(slot) = slots.clone().try_acquire_owned() {
            return Ok(Some(slot));
        }
        // Whoever waits to be used again gives way to who has something to do.
        let _waiting = self.idle.give_way();
        tokio::select! {
            biased;
            () = call.cancel.cancelled() => Err(End::Cancelled),
            slot = slots.clone().acquire_owned() => Ok(slot.ok()),
            () = tokio::time::sleep_until((started + call.deadline).into()) => Err(End::Deadline),
        }
    }

    /// Everything that belongs to an execution and nothing else.
    fn state(&self, call: &Call) -> State {
        let limits = call.limits.clone();
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.resources);
        State {
            pack: call.pack.clone(),
            tenant: call.tenant,
            log: call.log.clone(),
            clock: self.ports.clock.clone(),
            cache: self.ports.cache.clone(),
            cache_granted: call.cache,
            masker: call.masker.clone(),
            meter: Meter::new(&limits, &self.sizes),
            limits,
            table,
            wasi: None,
            http: Http::new(call, &self.ports),
            http_ctx: WasiHttpCtx::new(),
            host_calls: 0,
        }
    }

    pub(crate) fn store(&self, call: &Call) -> Store<State> {
        let mut store = Store::new(&self.engine, self.state(call));
        store.limiter(|state| &mut state.meter);
        store.epoch_deadline_callback(|store| {
            store.data().check_calls()?;
            Ok(on_tick())
        });
        Self::begin(&mut store, call);
        store
    }

    /// What a store itself counts down in an execution.
    fn begin(store: &mut Store<State>, call: &Call) {
        store.set_epoch_deadline(1);
        store.set_hostcall_fuel(call.limits.output_bytes.saturating_add(CROSSING_BYTES));
    }

    /// Runs the guest under its deadline and its cancel token. When this returns, nothing of the
    /// guest goes on: its stack is unwound here, and its store, connections and tasks go with the
    /// caller's instance. Also whether the guest returned: only then can its instance be used
    /// again.
    async fn guarded(
        &self,
        program: &Program,
        instance: &mut Instance,
        call: Call,
        started: Instant,
        usage: &mut Usage,
    ) -> (Result<Outcome, Failure>, bool) {
        let Instance { store, guest, .. } = instance;
        let Call {
            step,
            parameters,
            data,
            context,
            masker,
            limits,
            deadline,
            cancel,
            ..
        } = call;
        let invocation = wit::Invocation {
            parameters,
            data,
            context,
        };
        let execution = async {
            let guest = match guest {
                Some(guest) => guest,
                none => none.insert(program.pre.instantiate_async(&mut *store).await?),
            };
            guest.call_execute(&mut *store, &step, &invocation).await
        };
        let execution = pin!(execution);
        let mut execution = Fair::new(&self.rules, execution);
        let result = tokio::select! {
            // A guest that finishes at once, as most do, needs neither timer nor token.
            biased;
            result = &mut execution => Ok(result),
            () = cancel.cancelled() => Err(End::Cancelled),
            () = tokio::time::sleep_until((started + deadline).into()) => Err(End::Deadline),
        };
        usage.busy = execution.busy;
        match result {
            Err(end) => (Err(end.failure(deadline)), false),
            Ok(Err(error)) => (Err(failure::of(&error, &limits)), false),
            Ok(Ok(Ok(outcome))) => (accept(outcome, &limits, &masker), true),
            Ok(Ok(Err(error))) => (Err(reported(error, &limits, &masker)), true),
        }
    }

    /// Runs `describe` with nothing granted.
    pub(crate) async fn describe(&self, program: &Program, call: &Call) -> Result<String, Failure> {
        let mut store = self.store(call);
        let guest = async {
            let guest = program.pre.instantiate_async(&mut store).await?;
            guest.call_describe(&mut store).await
        };
        let guest = pin!(guest);
        let result = tokio::time::timeout(call.deadline, Fair::new(&self.rules, guest)).await;
        match result {
            Err(_) => Err(End::Deadline.failure(call.deadline)),
            Ok(Err(error)) => Err(failure::of(&error, &call.limits)),
            Ok(Ok(text)) => {
                json::check_object(&text, call.limits.output_depth)
                    .map_err(|flaw| failure::invalid("the descriptors", flaw))?;
                Ok(text)
            }
        }
    }
}

fn read(usage: &mut Usage, state: &mut State) {
    usage.peak_memory = state.meter.peak;
    usage.host_calls = state.host_calls;
    state.http.read(usage);
    if let Some(context) = &state.wasi {
        context.stdout.finish();
        context.stderr.finish();
    }
}

/// Checks what a guest returned.
fn accept(outcome: wit::Outcome, limits: &Limits, masker: &Masker) -> Result<Outcome, Failure> {
    #[derive(Deserialize)]
    struct Attributes {
        warning: Option<String>,
    }
    let fits = |text: &str| {
        if text.len() > limits.output_bytes {
            Err(failure::too_large(limits))
        } else {
            Ok(())
        }
    };
    match outcome {
        wit::Outcome::Output(wit::Output { data, attributes }) => {
            fits(&data)?;
            json::check(&data, limits.output_depth)
                .map_err(|flaw| failure::invalid("the step's output", flaw))?;
            let mut warning = None;
            if let Some(text) = &attributes {
                fits(text)?;
                json::check_object(text, limits.output_depth).map_err(|flaw| {
                    failure::invalid("the attributes of the step's output", flaw)
                })?;
                let read: Attributes = serde_json::from_str(text).map_err(|_| {
                    let message = "the attribute `warning` of the step's output is not a text";
                    Failure::host(Kind::Permanent, code::INVALID_OUTPUT, message)
                })?;
                warning = read
                    .warning
                    .map(|text| masker.mask_start(&text, MESSAGE_BYTES).into_owned());
            }
            Ok(Outcome::Output {
                data,
                warning,
                attributes,
            })
        }
        wit::Outcome::StartChildren(request) => {
            fits(&request)?;
            json::check_object(&request, limits.output_depth).map_err(|flaw| {
                failure::invalid("the request to start child applications", flaw)
            })?;
            Ok(Outcome::StartChildren(request))
        }
    }
}

/// A failure that the guest reported; what of it cannot be used is left out.
fn reported(error: wit::Error, limits: &Limits, masker: &Masker) -> Failure {
    let kind = match error.kind {
        wit::ErrorKind::Retryable => Kind::Retryable,
        wit::ErrorKind::Permanent => Kind::Permanent,
    };
    let detail = error.detail.filter(|text| {
        text.len() <= limits.output_bytes && json::check_object(text, limits.output_depth).is_ok()
    });
    let code = match masker.mask_start(&error.code, CODE_BYTES) {
        code if code.is_empty() => "error".into(),
        code => code,
    };
    Failure {
        kind,
        code: code.into_owned(),
        message: masker
            .mask_start(&error.message, MESSAGE_BYTES)
            .into_owned(),
        detail,
        by_guest: true,
    }
}
