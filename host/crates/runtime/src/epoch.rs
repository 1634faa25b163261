//! The clock that interrupts guests: one tick each millisecond while a guest computes, none
//! otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::Duration;

use parking_lot::Mutex;
use wasmtime::{Engine, EngineWeak};

/// Length of a tick.
pub(crate) const TICK: Duration = Duration::from_millis(1);
/// Ticks without a guest before the thread sleeps: waking it for each execution would cost more.
const LINGER: u32 = 50;

/// Drives the epochs of one engine; its thread ends when this is dropped.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    computing: AtomicUsize,
    parked: AtomicBool,
    stop: AtomicBool,
    thread: Mutex<Option<Thread>>,
}

/// A guest computes while this lives.
pub(crate) struct Computing<'a>(&'a Shared);

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (mine, engine) = (shared.clone(), engine.weak());
        let handle = std::thread::Builder::new()
            .name("powerflow-epoch".into())
            .spawn(move || tick(&mine, &engine))?;
        *shared.thread.lock() = Some(handle.thread().clone());
        Ok(Self { shared })
    }

    /// Ticks from now until the value is dropped.
    pub(crate) fn computing(&self) -> Computing<'_> {
        self.shared.computing.fetch_add(1, Ordering::SeqCst);
        if self.shared.parked.load(Ordering::SeqCst) {
            self.shared.wake();
        }
        Computing(&self.shared)
    }

    /// Whether the thread sleeps until a guest computes.
    pub(crate) fn is_parked(&self) -> bool {
        self.shared.parked.load(Ordering::SeqCst)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.wake();
    }
}

impl Drop for Computing<'_> {
    fn drop(&mut self) {
        self.0.computing.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    fn wake(&self) {
        if let Some(thread) = &*self.thread.lock() {
            thread.unpark();
        }
    }
}

fn tick(shared: &Shared, engine: &EngineWeak) {
    let mut idle = 0;
    while !shared.stop.load(Ordering::SeqCst) {
        if shared.computing.load(Ordering::SeqCst) == 0 {
            idle += 1;
        } else {
            idle = 0;
        }
        if idle > LINGER {
            shared.parked.store(true, Ordering::SeqCst);
            // A guest that began in between has seen no parked thread to wake.
            while shared.computing.load(Ordering::SeqCst) == 0
                && !shared.stop.load(Ordering::SeqCst)
            {
                std::thread::park();
            }
            shared.parked.store(false, Ordering::SeqCst);
            idle = 0;
        }
        std::thread::sleep(TICK);
        let Some(engine) = engine.upgrade() else {
            return;
        };
        engine.increment_epoch();
    }
}
