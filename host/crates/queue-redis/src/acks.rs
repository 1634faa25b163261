//! Acknowledging. What waits while one batch is on its way goes with the next, so many
//! callers share a command; a lone caller waits for nobody.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use fred::types::Value;
use queue::Error;
use tokio::sync::{mpsc, oneshot};

use crate::{
    entry,
    keys::GROUP,
    link::{Fault, Link},
    outage::Outage,
    state::Open,
};

/// Most callers in a batch.
const CALLERS: usize = 256;
/// Most entries in a command: larger ones would hold up the server.
const ENTRIES: usize = 1_000;

struct Request {
    open: Vec<Open>,
    answer: oneshot::Sender<Result<(), Fault>>,
}

pub(crate) struct Acks {
    requests: mpsc::Sender<Request>,
    outage: Arc<Outage>,
}

impl Acks {
    pub(crate) fn start(main: Arc<Link>, outage: Arc<Outage>) -> Self {
        let (requests, mut arrived) = mpsc::channel::<Request>(4 * CALLERS);
        tokio::spawn(async move {
            let mut batch = Vec::new();
            while arrived.recv_many(&mut batch, CALLERS).await > 0 {
                let (open, callers): (Vec<_>, Vec<_>) = batch
                    .drain(..)
                    .map(|request| (request.open, request.answer))
                    .unzip();
                let ended = send(&main, open.into_iter().flatten()).await;
                for caller in callers {
                    let _ = caller.send(ended.clone());
                }
            }
        });
        Self { requests, outage }
    }

    /// Acknowledges and deletes the entries.
    pub(crate) async fn acknowledge(&self, open: Vec<Open>) -> Result<(), Error> {
        if open.is_empty() {
            return Ok(());
        }
        let (answer, answered) = oneshot::channel();
        let sent = self.requests.send(Request { open, answer }).await;
        match (sent, answered.await) {
            (Ok(()), Ok(Ok(()))) => {
                self.outage.answered();
                Ok(())
            }
            (_, Ok(Err(fault))) => Err(self.outage.failed(&fault)),
            // The task ends with the runtime that ran it.
            _ => Err(Error::Closed),
        }
    }
}

/// Deleted first: an entry that is only acknowledged would stay for ever, one that is only
/// deleted is forgotten when its lease ends.
async fn send(main: &Link, open: impl Iterator<Item = Open>) -> Result<(), Fault> {
    let mut by_stream: HashMap<Bytes, (Value, Vec<Value>)> = HashMap::new();
    for open in open {
        let Value::Bytes(name) = &open.lane.stream else {
            continue;
        };
        let (_, ids) = by_stream
            .entry(name.clone())
            .or_insert_with(|| (open.lane.stream.clone(), Vec::new()));
        ids.push(entry::id(open.place));
    }
    let mut commands = Vec::with_capacity(2 * by_stream.len());
    for (stream, ids) in by_stream.into_values() {
        for ids in ids.chunks(ENTRIES) {
            let mut delete = vec![stream.clone()];
            delete.extend_from_slice(ids);
            commands.push(("XDEL", delete));
            let mut acknowledge = vec![stream.clone(), GROUP.into()];
            acknowledge.extend_from_slice(ids);
            commands.push(("XACK", acknowledge));
        }
    }
    main.calls(commands).await.map(drop)
}
