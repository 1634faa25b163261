//! Every call of a store, once: for the store in memory, and for the network before it.

use async_trait::async_trait;

use super::{Memory, State};

pub(crate) use store::Result;

/// Hands `$with` every call: trait, name, arguments and what it answers.
macro_rules! for_every_call {
    ($with:ident) => {
        use std::sync::Arc;

        use bytes::Bytes;
        use model::{
            clock::Timestamp,
            flow::Graph,
            id::{Ordinal, RunId, RunRef, StepKey, TenantId, Token, WorkerId},
            limits::Kind as LimitKind,
            state::WaitKind,
        };
        use store::{
            Page, accounts, asks, bulk, cache, definitions,
            definitions::{Definition, Kind, Revision},
            limits,
            packs,
            packs::{Artefact, PackState, PackVersion},
            pauses,
            pauses::{Pause, PauseScope},
            runs,
            runs::{
                AttemptSummary, CancelScope, CancelledRun, Child, Claimed, Completed, LogChunk,
                LostStep, ReadyStep, Revoked, RunFilter, RunSummary, StepSummary, Submitted,
                Suspended, Unfinished, WaitSummary, Woken,
            },
            schedules,
            schedules::{Fired, Occurrence, Outcome, Schedule, ScheduleFilter, Waiting},
            webhooks,
            workers,
        };

        $with! { runs::Runs:
            pin_set(pins: &str) -> i64;
            pins(set: i64) -> Option<String>;
            submit(run: runs::NewRun) -> Submitted;
            claim(claim: runs::Claim) -> Option<Claimed>;
            complete(completion: runs::Completion) -> Completed;
            append_log(key: StepKey, token: Token, expires_at: Timestamp, lines: Bytes) -> ();
            cancel(run: RunId, at: Timestamp) -> Vec<CancelledRun>;
            cancel_all(scope: &CancelScope, at: Timestamp, limit: usize) -> Vec<CancelledRun>;
            revoke(key: StepKey, graph: Arc<Graph>, at: Timestamp) -> Option<Revoked>;
            mark_late(key: StepKey, token: Token, at: Timestamp) -> bool;
            lost(now: Timestamp, limit: usize) -> Vec<LostStep>;
            held(worker: WorkerId) -> Vec<(StepKey, Token)>;
            give_back(worker: WorkerId, attempts: &[(StepKey, Token)], now: Timestamp) -> Vec<ReadyStep>;
            ready(after: Option<StepKey>, limit: usize) -> Vec<ReadyStep>;
            outputs(run: RunId, expires_at: Timestamp, steps: &[Ordinal]) -> Vec<Option<Bytes>>;
            expire(now: Timestamp, limit: usize) -> usize;
        }
        $with! { runs::Waits:
            suspend(suspension: runs::Suspension) -> Suspended;
            wake_due(now: Timestamp, limit: usize) -> Woken;
            settle(parent: StepKey, at: Timestamp) -> Option<ReadyStep>;
            unsettled(after: Option<StepKey>, limit: usize) -> Vec<StepKey>;
            children(parent: StepKey, after: Option<RunId>, limit: usize) -> Vec<Child>;
            depth(run: RunId, limit: u32) -> u32;
            waits(run: RunId) -> Vec<WaitSummary>;
            attempts(key: StepKey) -> Vec<AttemptSummary>;
        }
        $with! { runs::History:
            run(tenant: TenantId, reference: RunRef) -> Option<RunSummary>;
            runs(tenant: TenantId, filter: &RunFilter, after: Option<RunId>, limit: usize) -> Page<RunSummary>;
            last_runs(tenant: TenantId, applications: &[i64]) -> Vec<RunSummary>;
            timeline(tenant: TenantId, span: &runs::Span) -> Vec<runs::Sum>;
            volume(tenant: TenantId, volume: runs::Volume) -> Vec<runs::Sum>;
            standing(tenant: TenantId) -> Vec<runs::QueueStanding>;
            unfinished() -> Vec<Unfinished>;
            steps(run: RunId, after_seq: i64) -> Vec<StepSummary>;
            input(run: RunId, expires_at: Timestamp) -> Option<Bytes>;
            error(run: RunId, expires_at: Timestamp, step: Ordinal) -> Option<Bytes>;
            log(run: RunId, expires_at: Timestamp, step: Option<Ordinal>, after: i64, limit: usize) -> Vec<LogChunk>;
        }
        $with! { definitions::Definitions:
            save(save: definitions::Save) -> Definition;
            definition(tenant: TenantId, kind: Kind, name: &str) -> Option<Definition>;
            revision(id: i64) -> Option<Revision>;
            revision_numbered(definition: i64, number: i64) -> Option<Revision>;
            revisions_with(definition: i64, text: &str) -> Vec<String>;
            definitions(tenant: TenantId, kind: Kind, search: &str, after: Option<&str>, limit: usize) -> Page<Definition>;
            delete_definition(tenant: TenantId, kind: Kind, name: &str, expected: Option<i64>) -> bool;
        }
        $with! { packs::Packs:
            import(import: packs::Import) -> PackVersion;
            packs(tenant: TenantId) -> Vec<PackVersion>;
            pack(tenant: TenantId, name: &str, version: &str) -> Option<PackVersion>;
            set_pack_state(id: i64, state: PackState, error: Option<&str>, at: Timestamp) -> ();
            activate(activation: packs::Activation) -> Vec<String>;
            deactivate(tenant: TenantId, name: &str) -> bool;
            delete_pack(tenant: TenantId, name: &str, version: &str) -> bool;
            component(digest: &str) -> Option<Bytes>;
            artefact(digest: &str, fingerprint: &str) -> Option<Artefact>;
            put_artefact(digest: &str, artefact: Artefact) -> ();
        }
        $with! { cache::Cache:
            cache_get(tenant: TenantId, key: &str, now: Timestamp) -> Option<cache::Record>;
            cache_put(tenant: TenantId, record: cache::Record) -> ();
            cache_delete(tenant: TenantId, key: &str, now: Timestamp) -> bool;
            cache_list(tenant: TenantId, prefix: &str, after: Option<&str>, limit: usize, now: Timestamp) -> Page<cache::RecordSummary>;
            cache_clear(tenant: TenantId, prefix: &str) -> u64;
        }
        $with! { accounts::Accounts:
            account(name: &str) -> Option<accounts::Account>;
            accounts() -> Vec<accounts::Account>;
            save_account(account: accounts::Account) -> ();
            session(digest: &[u8; 32]) -> Option<accounts::Session>;
            begin_session(session: accounts::Session, oldest: Timestamp, unused: Timestamp) -> ();
            use_session(digest: &[u8; 32], at: Timestamp) -> ();
            end_session(digest: &[u8; 32]) -> ();
            fact(name: &str) -> Option<String>;
            settle_fact(name: &str, value: &str) -> String;
            replace_fact(name: &str, value: &str) -> ();
        }
        $with! { schedules::Schedules:
            save_schedule(save: schedules::SaveSchedule) -> Schedule;
            schedule(tenant: TenantId, name: &str) -> Option<Schedule>;
            schedules(tenant: TenantId, filter: &ScheduleFilter, after: Option<&str>, limit: usize) -> Page<Schedule>;
            scheduled(tenant: TenantId) -> Vec<String>;
            delete_schedule(tenant: TenantId, name: &str, expected: Option<i64>) -> bool;
            next_due() -> (Option<Timestamp>, bool);
            due(tenant: Option<TenantId>, now: Timestamp, limit: usize) -> Vec<Schedule>;
            waiting(each: usize, limit: usize) -> Vec<Waiting>;
            fire(fires: Vec<schedules::Fire>) -> Vec<Fired>;
            backfill(schedule: i64, dues: Vec<Timestamp>, at: Timestamp) -> usize;
            occurrences(schedule: i64, outcome: Option<Outcome>, before: Option<Timestamp>, limit: usize) -> Page<Occurrence>;
            occurrences_between(schedule: i64, from: Timestamp, until: Timestamp) -> Vec<Occurrence>;
            unfinished_of(schedule: i64, before: Timestamp) -> Vec<RunRef>;
            forget_occurrences(before: Timestamp, limit: usize) -> usize;
        }
        $with! { pauses::Pauses:
            pause(pause: Pause) -> bool;
            resume(tenant: TenantId, scope: &PauseScope) -> bool;
            pauses() -> Vec<Pause>;
            ready_of(tenant: TenantId, scope: &PauseScope, after: Option<StepKey>, limit: usize) -> Vec<ReadyStep>;
        }
        $with! { asks::Asks:
            answer(step: StepKey, kind: WaitKind, answer: Bytes, at: Timestamp) -> Option<ReadyStep>;
            asks(filter: &asks::AskFilter, after: Option<StepKey>, limit: usize) -> Vec<asks::AskSummary>;
            asked(step: StepKey) -> Option<asks::AskSummary>;
            signal(signal: asks::NewSignal) -> asks::Signalled;
            expire_signals(now: Timestamp, limit: usize) -> usize;
        }
        $with! { limits::Limits:
            acquire(acquire: limits::Acquire) -> limits::Acquired;
            limits(tenant: TenantId, now: Timestamp, after: Option<(LimitKind, String)>, limit: usize) -> Page<limits::LimitSummary>;
            limit(tenant: TenantId, key: &str, limit: usize) -> Vec<limits::LimitDetail>;
            limit_waits(run: RunId, holders: usize) -> Vec<limits::LimitWait>;
            sweep_limits(now: Timestamp, limit: usize) -> usize;
        }
        $with! { webhooks::Webhooks:
            save_webhook(save: webhooks::SaveWebhook) -> webhooks::Webhook;
            webhook(tenant: TenantId, name: &str) -> Option<webhooks::Webhook>;
            webhook_at(public: u128) -> Option<webhooks::Webhook>;
            webhooks(tenant: TenantId, application: Option<&str>, search: &str, after: Option<&str>, limit: usize) -> Page<webhooks::Webhook>;
            delete_webhook(tenant: TenantId, name: &str, expected: Option<i64>) -> bool;
            record_delivery(webhook: i64, delivery: webhooks::NewDelivery) -> Option<i64>;
            deliveries(webhook: i64, outcome: Option<webhooks::Outcome>, before: Option<i64>, limit: usize) -> Page<webhooks::Delivery>;
            delivery(webhook: i64, number: i64) -> Option<(webhooks::Delivery, Option<String>)>;
            forget_deliveries(before: Timestamp, limit: usize) -> usize;
        }
        $with! { bulk::Bulks:
            count_runs(tenant: TenantId, filter: &RunFilter, below: RunId) -> u64;
            add_bulk(new: bulk::NewBulk) -> bulk::Bulk;
            bulk(tenant: TenantId, id: i64) -> Option<bulk::Bulk>;
            bulks(tenant: TenantId, before: Option<i64>, limit: usize) -> Page<bulk::Bulk>;
            open_bulk() -> Option<bulk::Bulk>;
            advance_bulk(advance: bulk::Advance) -> bool;
            stop_bulk(tenant: TenantId, id: i64, at: Timestamp) -> bool;
            forget_bulks(before: Timestamp, limit: usize) -> usize;
            add_dead_letter(new: bulk::NewDeadLetter) -> ();
            dead_letters(tenant: TenantId, filter: &bulk::DeadLetterFilter, before: Option<i64>, limit: usize) -> Page<bulk::DeadLetter>;
            dead_letter(tenant: TenantId, id: i64) -> Option<bulk::DeadLetter>;
            settle_dead_letters(run: RunId) -> usize;
            delete_dead_letter(tenant: TenantId, id: i64) -> bool;
        }
        $with! { workers::Workers:
            time() -> Option<Timestamp>;
            register(worker: workers::Worker) -> WorkerId;
            renew(id: WorkerId, now: Timestamp, until: Timestamp) -> Option<workers::Renewed>;
            release(id: WorkerId) -> ();
            release_others(id: WorkerId) -> ();
            workers(now: Timestamp) -> Vec<workers::Worker>;
            lost_workers(since: Timestamp, now: Timestamp) -> Vec<workers::Worker>;
            set_worker(id: WorkerId, queues: Option<&[String]>, weights: Option<&std::collections::BTreeMap<String, u32>>, slots: Option<u32>) -> bool;
            lead(id: WorkerId, now: Timestamp, until: Timestamp) -> bool;
        }
    };
}
pub(crate) use for_every_call;

macro_rules! in_memory {
    ($trait:path: $($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl $trait for Memory {
            $(async fn $name(&self, $($argument: $type),*) -> Result<$answer> {
                State::$name(&mut *self.state.lock(), $($argument),*)
            })*
        }
    };
}

for_every_call!(in_memory);

impl store::Store for Memory {
    fn description(&self) -> String {
        "memory".to_owned()
    }
}
