//! Waiting for entries on the session's connection, and being called back from it.

use std::time::{Duration, Instant};

use fred::{
    interfaces::{ClientInterface, ClientLike},
    types::{ClientUnblockFlag, Value, config::Options},
};

use super::Session;
use crate::{
    answers,
    keys::GROUP,
    link::{Fault, strange},
    state::Entry,
};

/// How often a blocked connection is told to come back until it does.
const UNBLOCK_EVERY: Duration = Duration::from_millis(20);

impl Session {
    /// What comes until ended leases are looked for again.
    pub(super) async fn block(&mut self, demand: usize) -> Result<Vec<Entry>, Fault> {
        let settings = &self.shared.settings;
        let until_claim = self.claim_at.saturating_duration_since(Instant::now());
        let waits = until_claim.clamp(Duration::from_millis(1), settings.block);
        let mut args: Vec<Value> = vec![
            "GROUP".into(),
            GROUP.into(),
            self.reader.consumer.to_string().into(),
            "COUNT".into(),
            Value::Integer(demand as i64),
            "BLOCK".into(),
            Value::Integer(waits.as_millis().max(1) as i64),
            "STREAMS".into(),
        ];
        let streams: Vec<Value> = self.streams().chain(self.bells()).collect();
        let places = streams.iter().map(|_| Value::from(">"));
        args.extend(streams.iter().cloned().chain(places));
        let mut opened = self.opened.take();
        let mut other_queues = false;
        let answer = {
            let reading = self.link.wait("XREADGROUP", args, waits);
            tokio::pin!(reading);
            tokio::select! {
                answer = &mut reading => answer,
                told = self.interruption(opened.as_mut()) => {
                    other_queues = told;
                    loop {
                        // Told again until it is heard: it may not have blocked yet.
                        self.unblock().await;
                        tokio::select! {
                            answer = &mut reading => break answer,
                            () = tokio::time::sleep(UNBLOCK_EVERY) => {}
                        }
                    }
                }
            }
        };
        self.opened = opened;
        if other_queues {
            self.claim_at = Instant::now();
        }
        let read = answers::read(&answer?, &self.lanes).ok_or_else(|| strange("read entries"))?;
        self.hear(read.bells).await?;
        Ok(read.entries)
    }

    /// Bells rang: entries of tenants other than the first are there, or were.
    async fn hear(&mut self, bells: Vec<(Value, Vec<Value>)>) -> Result<(), Fault> {
        if bells.is_empty() {
            return Ok(());
        }
        self.rang = true;
        let commands = bells.into_iter().flat_map(|(bell, ids)| {
            let mut delete = vec![bell.clone()];
            delete.extend_from_slice(&ids);
            let mut acknowledge = vec![bell, GROUP.into()];
            acknowledge.extend(ids);
            [("XDEL", delete), ("XACK", acknowledge)]
        });
        self.link.calls(commands.collect()).await.map(drop)
    }

    /// Ends when there is a reason to stop waiting: nobody wants entries any more, the
    /// queue is closed, or, as it answers, there is another queue to listen on.
    async fn interruption(&self, opened: Option<&mut queue::hints::Receiver>) -> bool {
        let told = async {
            match opened {
                Some(opened) => opened.next().await.map_or((), drop),
                None => std::future::pending().await,
            }
        };
        let unwanted = async {
            loop {
                self.reader.unwanted.notified().await;
                // The next receiver usually follows at once.
                tokio::time::sleep(UNBLOCK_EVERY).await;
                if self.shared.state.lock().demand(&self.reader) == 0 {
                    return;
                }
            }
        };
        tokio::select! {
            () = told => true,
            () = unwanted => false,
            () = self.shared.closed.cancelled() => false,
        }
    }

    async fn unblock(&self) {
        for (server, id) in self.link.client.connection_ids() {
            let options = Options {
                max_attempts: Some(1),
                timeout: Some(self.shared.settings.timeout),
                fail_fast: true,
                cluster_node: self.shared.clustered.then_some(server),
                ..Options::default()
            };
            let client = self.shared.main.client.with_options(&options);
            let flag = Some(ClientUnblockFlag::Timeout);
            let answer: Result<Value, _> = client.client_unblock(id, flag).await;
            if let Err(error) = answer {
                tracing::debug!(%error, "a waiting read could not be ended early");
            }
        }
    }
}
