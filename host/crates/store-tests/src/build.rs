//! Runs, claims and completions with everything that a case does not care about.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use model::{
    clock::Timestamp,
    flow::{Graph, Route},
    id::{Ordinal, RunId, RunRef, StepKey, TenantId, Token, WorkerId},
    state::{RunState, StepState},
    trace::Context,
};
use store::{
    definitions::{Kind, Save},
    packs::Import,
    runs::{
        Claim, Claimed, Completed, Completion, NewRun, Priority, ReadyStep, RunFilter, RunSummary,
        Submitted,
    },
    workers::Worker,
};

use crate::Store;

/// When the cases play.
pub const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
/// When their runs expire.
pub const EXPIRES: Timestamp = Timestamp::from_seconds(1_800_000_000 + 86_400);

static NAMES: AtomicU64 = AtomicU64::new(1);

/// A graph of edges by number.
pub fn graph(steps: usize, edges: &[(u32, u32)]) -> Arc<Graph> {
    let edges = edges.iter().map(|&(a, b)| (Ordinal(a), Ordinal(b)));
    Arc::new(Graph::new(steps, edges))
}

/// Steps in a row.
pub fn chain(steps: u32) -> Arc<Graph> {
    let edges: Vec<_> = (1..steps).map(|to| (to - 1, to)).collect();
    graph(steps as usize, &edges)
}

/// A run of that plan.
pub fn run(graph: &Arc<Graph>) -> NewRun {
    let number = u128::from(NAMES.fetch_add(1, Ordering::Relaxed));
    NewRun {
        tenant: TenantId::DEFAULT,
        reference: RunRef::new(NOW, number << 24 | number << 62),
        application: 1,
        application_revision: 1,
        configuration_revision: None,
        pins: 1,
        queue: "default".into(),
        priority: Priority::Normal,
        log_level: 20,
        trigger: "api:isadmin".into(),
        parent: None,
        input: Bytes::from_static(b"{\"a\":1}"),
        graph: Arc::clone(graph),
        created_at: NOW,
        expires_at: EXPIRES,
        idempotency: None,
        claim: None,
        trace: None,
        part: None,
        kept: Vec::new(),
    }
}

/// A place in a trace, with all that there is of one.
pub fn trace() -> Option<Context> {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    Context::parse(parent, Some("congo=t61rcWkgMzE"))
}

/// A process whose lease ends at `until`.
pub async fn worker(store: &Store, until: Timestamp) -> WorkerId {
    let worker = Worker {
        id: WorkerId(0),
        host: "host".to_owned(),
        pid: 1,
        version: "1.0.0".to_owned(),
        role: "all".to_owned(),
        queues: vec!["default".to_owned(), "größer".to_owned()],
        weights: BTreeMap::new(),
        slots: 4,
        started_at: NOW,
        lease_until: until,
    };
    store.register(worker).await.unwrap()
}

/// How many runs of a tenant have not ended, on whichever queue.
pub async fn unfinished(store: &Store, tenant: TenantId) -> u64 {
    let unfinished = store.unfinished().await.unwrap();
    let own = unfinished.iter().filter(|one| one.tenant == tenant);
    own.map(|one| one.runs).sum()
}

/// Accepts a run; answers its number and the steps that are ready.
pub async fn submit(store: &Store, new: NewRun) -> (RunId, Vec<Ordinal>) {
    match store.submit(new).await.unwrap() {
        Submitted::New { run, ready, .. } => (run, ready),
        other => panic!("not new: {other:?}"),
    }
}

/// A step.
pub const fn key(run: RunId, step: u32) -> StepKey {
    StepKey {
        run,
        step: Ordinal(step),
    }
}

/// Claims a step.
pub async fn claim(store: &Store, key: StepKey, worker: WorkerId) -> Option<Claimed> {
    let claim = Claim {
        key,
        worker,
        at: NOW,
    };
    store.claim(claim).await.unwrap()
}

/// Gives back what lost workers held, as it is done where each step may be executed again.
pub async fn reclaim(store: &Store, now: Timestamp, limit: usize) -> Vec<ReadyStep> {
    let mut given = Vec::new();
    for lost in store.lost(now, limit).await.unwrap() {
        let attempt = [(lost.key, lost.token)];
        given.extend(store.give_back(lost.worker, &attempt, now).await.unwrap());
    }
    given
}

/// The end of an attempt.
pub fn end(key: StepKey, token: Token, state: StepState, graph: &Arc<Graph>) -> Completion {
    Completion {
        key,
        token,
        state,
        output: Some(Bytes::from(format!("{{\"step\":{}}}", key.step.0))),
        error: None,
        log: None,
        at: NOW.plus_micros(5),
        graph: Arc::clone(graph),
        route: Route::All,
        claim: None,
        expires_at: EXPIRES,
        parent: None,
        limited: false,
    }
}

/// Claims a ready step and ends it.
pub async fn execute(
    store: &Store,
    key: StepKey,
    state: StepState,
    graph: &Arc<Graph>,
) -> (Vec<Ordinal>, Option<RunState>) {
    let token = claim(store, key, WorkerId(1)).await.unwrap().token;
    stored(store, end(key, token, state, graph)).await
}

/// Ends an attempt that has not been fenced.
pub async fn stored(store: &Store, end: Completion) -> (Vec<Ordinal>, Option<RunState>) {
    match store.complete(end).await.unwrap() {
        Completed::Stored { ready, ended, .. } => (ready, ended),
        Completed::Fenced => panic!("fenced"),
    }
}

/// The run as lists show it.
pub async fn summary(store: &Store, run: RunId) -> RunSummary {
    let page = store
        .runs(
            TenantId::DEFAULT,
            &RunFilter::default(),
            Some(RunId(run.0 + 1)),
            1,
        )
        .await
        .unwrap();
    let found = page.items.into_iter().next().unwrap();
    assert_eq!(found.run, run);
    found
}

/// The states of a run's steps that have a row.
pub async fn states(store: &Store, run: RunId) -> Vec<(u32, StepState)> {
    let steps = store.steps(run, 0).await.unwrap();
    steps.iter().map(|step| (step.step.0, step.state)).collect()
}

/// An application to be saved by a person.
pub fn save(name: &str, document: &str) -> Save {
    Save {
        tenant: TenantId::DEFAULT,
        kind: Kind::Application,
        name: name.to_owned(),
        friendly_name: format!("{name} (friendly)"),
        folder: String::new(),
        document: document.to_owned(),
        by: "isadmin".to_owned(),
        at: NOW,
        expected: None,
        relies: Vec::new(),
        origin: None,
    }
}

/// A version of the pack `pack` to be imported.
pub fn import(version: &str, file: &'static [u8]) -> Import {
    Import {
        tenant: TenantId::DEFAULT,
        name: "pack".to_owned(),
        version: version.to_owned(),
        digest: format!("digest-{}", String::from_utf8_lossy(file)),
        manifest: "{}".to_owned(),
        file: Bytes::from_static(file),
        by: "isadmin".to_owned(),
        at: NOW,
    }
}
