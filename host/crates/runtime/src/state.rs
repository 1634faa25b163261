//! What belongs to one execution and is reachable from the host's side of a call.

use std::sync::Arc;

use model::clock::Clock;
use model::id::TenantId;
use model::mask::Masker;
use wasmtime::component::{HasData, ResourceTable};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::host::http::Http;
use crate::host::wasi::Context;
use crate::limits::{Exceeded, Meter};
use crate::{CachePort, Limits, LogBuffer};

/// The data of a guest's store.
pub(crate) struct State {
    pub(crate) pack: Arc<str>,
    pub(crate) tenant: TenantId,
    pub(crate) log: Arc<LogBuffer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cache: Arc<dyn CachePort>,
    pub(crate) cache_granted: bool,
    pub(crate) masker: Masker,
    pub(crate) limits: Arc<Limits>,
    pub(crate) meter: Meter,
    pub(crate) table: ResourceTable,
    pub(crate) wasi: Option<Box<Context>>,
    pub(crate) http: Http,
    pub(crate) http_ctx: WasiHttpCtx,
    pub(crate) host_calls: u64,
}

impl State {
    /// Counts a call into the host where it cannot be refused; the next tick refuses it.
    pub(crate) fn note_call(&mut self) {
        self.host_calls += 1;
    }

    /// Counts a call into the host.
    pub(crate) fn count_call(&mut self) -> wasmtime::Result<()> {
        self.note_call();
        self.check_calls()
    }

    /// Whether the guest may go on.
    pub(crate) fn check_calls(&self) -> wasmtime::Result<()> {
        if self.host_calls > self.limits.host_calls {
            return Err(wasmtime::Error::from(Exceeded::HostCalls(
                self.limits.host_calls,
            )));
        }
        Ok(())
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.note_call();
        WasiHttpCtxView {
            hooks: &mut self.http,
            table: &mut self.table,
            ctx: &mut self.http_ctx,
        }
    }
}

/// Tells the generated code where the host's functions find their data: in all of it.
pub(crate) struct Whole;

impl HasData for Whole {
    type Data<'a> = &'a mut State;
}

/// The interface of types has no functions.
impl crate::bindings::powerflow::syncpack::types::Host for State {}
