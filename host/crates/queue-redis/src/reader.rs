//! A reader: the task that gets entries for the receivers of one subscription. It reads
//! only while one waits and no more than they can take, owns the connection on which it
//! blocks, and makes a new one after any fault.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::{
    interest::Interest,
    link::{Fault, LONGEST_PAUSE},
    scripts,
    session::Session,
    shared::{Shared, jitter},
    state::Open,
};

/// How long a delivery may lie without a receiver until it is given back to Redis.
const GRACE: Duration = Duration::from_secs(1);
/// A reader that nobody wants for so long ends, and its connection with it.
const IDLE: Duration = Duration::from_secs(30);
/// Most entries of one read: more would hold up the server.
const MOST: usize = 1_000;

/// What receivers and their reader share.
pub(crate) struct Reader {
    pub(crate) interest: Interest,
    /// The name under which it reads.
    pub(crate) consumer: Arc<str>,
    /// Its place among the readers of this process, which makes the name unique.
    pub(crate) number: usize,
    /// Rings when a receiver begins to wait.
    pub(crate) wanted: Notify,
    /// Rings when the last receiver has gone.
    pub(crate) unwanted: Notify,
}

pub(crate) async fn run(shared: Arc<Shared>, reader: Arc<Reader>) {
    let mut session: Option<Session> = None;
    let mut pause = Duration::ZERO;
    while let Some(demand) = wait_for_demand(&shared, &reader, session.as_ref()).await {
        match read(&shared, &reader, &mut session, demand).await {
            Ok(()) => {
                shared.outage.answered();
                pause = Duration::ZERO;
            }
            Err(fault) => {
                shared.outage.failed(&fault);
                session = None;
                pause = (pause * 2).clamp(Duration::from_millis(100), LONGEST_PAUSE);
                let closed = shared.closed.cancelled();
                tokio::select! {
                    () = tokio::time::sleep(jitter(pause)) => {}
                    () = closed => {}
                }
            }
        }
    }
    if let Some(session) = session {
        let untaken = shared
            .state
            .lock()
            .untaken(&reader.consumer, Instant::now());
        release(&shared, &session, untaken).await;
        session.leave().await;
    }
}

/// One read; what it brought lies ready for the receivers afterwards.
async fn read(
    shared: &Arc<Shared>,
    reader: &Arc<Reader>,
    session: &mut Option<Session>,
    demand: usize,
) -> Result<(), Fault> {
    let session = match session {
        Some(session) => session,
        None => session.insert(Session::begin(shared, reader).await?),
    };
    let entries = session.read(demand).await?;
    if !entries.is_empty() {
        let ends = Instant::now() + shared.settings.limits.lease;
        shared.state.lock().put(entries, &reader.consumer, ends);
    }
    Ok(())
}

/// How many entries are wanted; `None` when the reader's time is over.
async fn wait_for_demand(
    shared: &Arc<Shared>,
    reader: &Arc<Reader>,
    session: Option<&Session>,
) -> Option<usize> {
    let idle_since = Instant::now();
    loop {
        let untaken_since = {
            let mut state = shared.state.lock();
            if state.closed {
                return None;
            }
            let demand = state.demand(reader).min(MOST);
            if demand > 0 {
                return Some(demand);
            }
            let untaken_since = state.oldest_untaken(&reader.consumer);
            if untaken_since.is_none() && idle_since.elapsed() >= IDLE {
                state.readers.remove(&reader.interest);
                return None;
            }
            untaken_since
        };
        let until = untaken_since.map_or(idle_since + IDLE, |since| since + GRACE);
        tokio::select! {
            () = reader.wanted.notified() => {}
            () = tokio::time::sleep_until(until.into()) => {
                let Some(session) = session else { continue };
                let before = Instant::now().checked_sub(GRACE).unwrap_or(idle_since);
                let untaken = shared.state.lock().untaken(&reader.consumer, before);
                release(shared, session, untaken).await;
            }
        }
    }
}

/// Gives deliveries back that nobody took. What fails here comes again when its lease ends.
async fn release(shared: &Shared, session: &Session, untaken: Vec<(Open, u32)>) {
    for (open, deliveries) in untaken {
        let args = [
            crate::keys::GROUP.into(),
            open.consumer.to_string().into(),
            (shared.settings.limits.lease.as_millis() as i64 + 1).into(),
            crate::entry::id(open.place),
            i64::from(deliveries).into(),
        ];
        let keys = [open.lane.stream.clone()];
        if let Err(fault) = session.link.run(&scripts::RELEASE, &keys, args).await {
            tracing::debug!(%fault, "a delivery that nobody took could not be given back");
            return;
        }
    }
}
