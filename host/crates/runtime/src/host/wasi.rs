//! Standard WASI: linked completely, since language run-times import it, with nothing granted.
//!
//! No arguments, environment, preopened folders, input, sockets or names. Output goes to the log;
//! time comes from the clock port; randomness is real.

use std::sync::Arc;
use std::time::Duration;

use model::clock::Clock;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::Level;
use crate::host::output::Stream;
use crate::state::State;

/// Most random bytes that one call may ask for.
const RANDOM_BYTES: u64 = 1 << 20;

/// The part of a guest's state that only WASI uses. Steps that use none of it, and many do not,
/// never pay for it.
pub(crate) struct Context {
    pub(crate) wasi: WasiCtx,
    pub(crate) stdout: Stream,
    pub(crate) stderr: Stream,
}

struct WallClock(Arc<dyn Clock>);

impl wasmtime_wasi::HostWallClock for WallClock {
    fn resolution(&self) -> Duration {
        Duration::from_micros(1)
    }

    fn now(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.now().0).unwrap_or(0))
    }
}

impl State {
    fn context(&mut self) -> (&mut WasiCtx, &mut ResourceTable) {
        let context = self.wasi.get_or_insert_with(|| {
            let stdout = Stream::new(self.log.clone(), Level::Info);
            let stderr = Stream::new(self.log.clone(), Level::Warning);
            let wasi = WasiCtx::builder()
                .stdout(stdout.clone())
                .stderr(stderr.clone())
                .wall_clock(WallClock(self.clock.clone()))
                .max_random_size(RANDOM_BYTES)
                .allow_tcp(false)
                .allow_udp(false)
                .allow_ip_name_lookup(false)
                .build();
            Box::new(Context {
                wasi,
                stdout,
                stderr,
            })
        });
        (&mut context.wasi, &mut self.table)
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.note_call();
        let (ctx, table) = self.context();
        WasiCtxView { ctx, table }
    }
}
