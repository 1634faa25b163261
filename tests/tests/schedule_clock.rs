//! Schedulers on a clock that the test moves: no occurrence fires twice and none is missed,
//! whoever looks, when one takes over from another, and when the clock is set.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use engine::{BackfillQuery, Caller, Engine, OccurrencesQuery, Parts, Role, RunCache, Settings};
use harness::packs::BENCH;
use model::clock::{Clock, Timestamp};
use model::id::{RunRef, TenantId};
use model::state::RunState;
use serde_json::{Value, json};
use store::Store;
use store::runs::RunFilter;
use store::schedules::Outcome;
use store_tests::postgres::Database;

const TENANT: TenantId = TenantId::DEFAULT;
/// 2027-01-15 08:00:00 UTC.
const START: i64 = 1_800_000_000;
const MINUTE: i64 = 60;
const HOUR: i64 = 3600;

/// A clock that stands still until it is set.
struct Simulated(AtomicI64);

impl Simulated {
    fn set(&self, seconds: i64) {
        self.0
            .store((START + seconds) * 1_000_000, Ordering::SeqCst);
    }

    fn step(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for Simulated {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// Two processes on one store, neither of which executes steps.
struct Pair {
    one: Engine,
    other: Engine,
    store: Arc<dyn Store>,
    clock: Arc<Simulated>,
    caller: Caller,
    _folder: tempfile::TempDir,
}

async fn engine(
    store: &Arc<dyn Store>,
    clock: &Arc<Simulated>,
    folder: &std::path::Path,
) -> Engine {
    let clock: Arc<dyn Clock> = clock.clone();
    let connector = connectors::http::Connector::new(
        connectors::http::Settings::default(),
        connectors::http::SystemResolver,
        connectors::http::Tls::system(),
    );
    let mut sandbox = runtime::Settings::new(folder.join("artefacts"), [7; 32]);
    sandbox.pool = runtime::Pool::none();
    let ports = runtime::Ports {
        clock: clock.clone(),
        connector,
        cache: Arc::new(RunCache::new(store.clone(), clock.clone())),
        tracer: runtime::Tracer::off(),
    };
    let made_of = Parts {
        store: store.clone(),
        queue: Arc::new(queue::memory::MemoryQueue::new(queue::Limits::default())),
        hints: None,
        runtime: runtime::Runtime::new(sandbox, ports).unwrap(),
        vault: Arc::new(vault::Vault::open_or_create(&folder.join("key"), None).unwrap()),
        clock,
        shared_clock: None,
        guests: tokio::runtime::Handle::current(),
        tracer: runtime::Tracer::off(),
    };
    let settings = Settings {
        role: Role::Scheduler,
        exclusive: false,
        ..Settings::default()
    };
    Engine::start(made_of, settings).await.unwrap()
}

async fn pair(store: Arc<dyn Store>) -> Pair {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(Simulated(AtomicI64::new(START * 1_000_000)));
    let one = engine(&store, &clock, folder.path()).await;
    let caller = Caller {
        name: "isadmin".to_owned(),
        tenant: TENANT,
        trace: None,
    };
    let file = std::fs::read(BENCH.build().unwrap()).unwrap();
    one.import_pack(&caller, file.into()).await.unwrap();
    one.activate_pack(&caller, BENCH.name, None, None)
        .await
        .unwrap();
    let step = &one.steps(TENANT)[0];
    let application = json!({"name": "sync", "steps": [
        {"name": "a", "file": step.name, "syncpack": step.syncpack}]});
    one.save_application(&caller, None, &application.to_string(), None)
        .await
        .unwrap();
    let other = engine(&store, &clock, folder.path()).await;
    Pair {
        one,
        other,
        store,
        clock,
        caller,
        _folder: folder,
    }
}

async fn on_sqlite() -> (Pair, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let options = store_sqlite::Options::new(folder.path());
    let store = store_sqlite::SqliteStore::open(options).unwrap();
    (pair(Arc::new(store)).await, folder)
}

async fn on_postgres() -> (Pair, Database) {
    let database = Database::new().await;
    let mut options = store_postgres::Options::new(&database.url);
    options.connections = 4;
    let store = store_postgres::PostgresStore::open(options).await.unwrap();
    (pair(Arc::new(store)).await, database)
}

impl Pair {
    async fn save(&self, name: &str, more: Value) {
        let mut document = json!({"application_id": "sync", "entry_id": name});
        for (key, value) in more.as_object().unwrap() {
            document[key] = value.clone();
        }
        let saved = self
            .one
            .save_schedule(&self.caller, None, &document.to_string(), None, false)
            .await
            .unwrap();
        assert_eq!(saved.warnings, []);
    }

    /// Both look at the same moment, each more than once.
    async fn both(&self) {
        let looks = tokio::join!(
            self.one.fire_due(),
            self.other.fire_due(),
            self.one.fire_due(),
            self.other.fire_due()
        );
        for look in [looks.0, looks.1, looks.2, looks.3] {
            look.unwrap();
        }
    }

    /// `(seconds since the start, outcome)` of what is recorded, in the order of time; each
    /// occurrence that has started has a run of its own.
    async fn recorded(&self, name: &str) -> Vec<(i64, Outcome)> {
        let mut query = OccurrencesQuery {
            limit: 200,
            ..OccurrencesQuery::default()
        };
        let (mut all, mut runs) = (Vec::new(), Vec::new());
        loop {
            let page = self.one.occurrences(TENANT, name, &query).await.unwrap();
            for one in page.items {
                assert_eq!(one.run.is_some(), one.outcome == Outcome::Started);
                runs.extend(one.run.map(|run| run.to_string()));
                all.push((one.due.seconds() - START, one.outcome));
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        all.reverse();
        let started = runs.len();
        runs.sort();
        runs.dedup();
        assert_eq!(runs.len(), started);
        let mut by_trigger: BTreeMap<String, usize> = BTreeMap::new();
        let page = self
            .store
            .runs(TENANT, &RunFilter::default(), None, 5000)
            .await
            .unwrap();
        for run in page.items {
            *by_trigger.entry(run.trigger).or_default() += 1;
        }
        let trigger = format!("schedule:{name}");
        assert_eq!(
            by_trigger.get(&trigger).copied().unwrap_or(0),
            started,
            "each run has its occurrence"
        );
        let counted = self
            .one
            .schedule(TENANT, name, 0)
            .await
            .unwrap()
            .schedule
            .total_runs;
        assert_eq!(counted as usize, started);
        all
    }

    async fn end_all(&self) {
        let query = engine::CancelQuery::default();
        self.one.cancel_all(&self.caller, &query).await.unwrap();
    }

    async fn state(&self, run: RunRef) -> RunState {
        self.store.run(TENANT, run).await.unwrap().unwrap().state
    }
}

fn started(dues: impl IntoIterator<Item = i64>) -> Vec<(i64, Outcome)> {
    dues.into_iter()
        .map(|due| (due, Outcome::Started))
        .collect()
}

/// One leads, then the other, then both; each minute fires once.
async fn take_turns(pair: &Pair) {
    pair.save("minutely", json!({"cron": "* * * * *"})).await;
    pair.save(
        "phase",
        json!({"frequency": 90, "overlap": "allow", "catch_up": "all"}),
    )
    .await;
    for minute in 1..=10 {
        pair.clock.set(minute * MINUTE);
        match minute % 3 {
            0 => drop(pair.one.fire_due().await.unwrap()),
            1 => drop(pair.other.fire_due().await.unwrap()),
            _ => pair.both().await,
        }
    }
    assert_eq!(
        pair.recorded("minutely").await,
        started((1..=10).map(|m| m * MINUTE))
    );
    assert_eq!(
        pair.recorded("phase").await,
        started((1..=6).map(|m| m * 90))
    );
    // Nobody leads for some seconds: what was due then fires when somebody does.
    pair.clock.set(11 * MINUTE + 4);
    pair.both().await;
    assert_eq!(pair.recorded("minutely").await.len(), 11);
}

/// An hour forward and back, with each policy.
async fn set_the_clock(pair: &Pair) {
    pair.clock.set(0);
    for policy in ["none", "last", "all"] {
        let document = json!({"cron": "*/10 * * * *", "catch_up": policy});
        pair.save(&format!("catch {policy}"), document).await;
    }
    let recorded =
        |policy: &'static str| async move { pair.recorded(&format!("catch {policy}")).await };
    pair.clock.set(10 * MINUTE);
    pair.both().await;
    // Forward: the hour between did not take place, and counts as a downtime.
    pair.clock.step(HOUR + 5 * MINUTE);
    pair.both().await;
    let first = started([600]);
    assert_eq!(
        recorded("none").await,
        [first.clone(), vec![(1200, Outcome::Missed)]].concat()
    );
    let last = vec![(1200, Outcome::Missed), (4200, Outcome::Started)];
    assert_eq!(recorded("last").await, [first, last].concat());
    assert_eq!(recorded("all").await, started((1..=7).map(|ten| ten * 600)));
    // Back: what has fired does not fire again when its time comes a second time.
    pair.clock.step(-HOUR);
    let before = (
        recorded("none").await,
        recorded("last").await,
        recorded("all").await,
    );
    for _ in 0..11 {
        pair.clock.step(5 * MINUTE);
        pair.both().await;
    }
    assert_eq!(
        before,
        (
            recorded("none").await,
            recorded("last").await,
            recorded("all").await
        )
    );
    // It goes on where it was: nothing is left out.
    pair.clock.set(4800);
    pair.both().await;
    for policy in ["none", "last", "all"] {
        assert_eq!(
            recorded(policy).await.last(),
            Some(&(4800, Outcome::Started)),
            "{policy}"
        );
    }
}

/// What overlaps is left out, waits, or takes the place of the run before.
async fn overlap(pair: &Pair) {
    pair.end_all().await;
    pair.clock.set(5 * HOUR);
    for policy in ["skip", "queue", "cancel"] {
        pair.save(
            &format!("over {policy}"),
            json!({"frequency": 600, "overlap": policy}),
        )
        .await;
    }
    let recorded =
        |policy: &'static str| async move { pair.recorded(&format!("over {policy}")).await };
    for turn in 1..=3 {
        pair.clock.set(5 * HOUR + turn * 600);
        pair.both().await;
    }
    let dues = [1, 2, 3].map(|turn| 5 * HOUR + turn * 600);
    let with = |second, third| {
        vec![
            (dues[0], Outcome::Started),
            (dues[1], second),
            (dues[2], third),
        ]
    };
    assert_eq!(
        recorded("skip").await,
        with(Outcome::Skipped, Outcome::Skipped)
    );
    assert_eq!(
        recorded("queue").await,
        with(Outcome::Waiting, Outcome::Waiting)
    );
    assert_eq!(recorded("cancel").await, started(dues));
    let occurrences = pair
        .one
        .occurrences(
            TENANT,
            "over cancel",
            &OccurrencesQuery {
                limit: 9,
                ..OccurrencesQuery::default()
            },
        )
        .await
        .unwrap();
    let mut states = Vec::new();
    for one in occurrences.items {
        states.push(pair.state(one.run.unwrap()).await);
    }
    assert_eq!(
        states,
        [RunState::Queued, RunState::Cancelled, RunState::Cancelled]
    );
    // Each end lets one go on.
    for waiting in [Outcome::Waiting, Outcome::Started] {
        pair.end_all().await;
        pair.both().await;
        assert_eq!(recorded("queue").await, with(Outcome::Started, waiting));
    }
}

/// A run that is refused is told, and the schedule goes on; a range is filled once.
async fn refuse_and_fill(pair: &Pair) {
    pair.clock.set(10 * HOUR);
    let wrong = json!({"application_id": "gone", "entry_id": "wrong", "frequency": 60});
    let saved = pair
        .one
        .save_schedule(&pair.caller, None, &wrong.to_string(), None, false)
        .await
        .unwrap();
    assert_eq!(saved.warnings[0].code, "PF-S014");
    for turn in 1..=2 {
        pair.clock.set(10 * HOUR + turn * MINUTE);
        pair.both().await;
    }
    let failed = pair.recorded("wrong").await;
    assert_eq!(
        failed,
        [1, 2].map(|turn| (10 * HOUR + turn * MINUTE, Outcome::Failed))
    );
    let query = OccurrencesQuery {
        limit: 1,
        ..OccurrencesQuery::default()
    };
    let page = pair.one.occurrences(TENANT, "wrong", &query);
    let reason = page.await.unwrap().items[0].reason.clone().unwrap();
    assert!(
        reason.contains("there is no application `gone`"),
        "{reason}"
    );

    pair.save("filled", json!({"cron": "0 * * * *"})).await;
    let time = |hour: i64| Timestamp::from_seconds(START + hour * HOUR);
    let mut query = BackfillQuery {
        from: time(3),
        until: time(6),
        preview: true,
    };
    let fill = |query| pair.one.backfill_schedule(&pair.caller, "filled", query);
    assert_eq!(fill(query).await.unwrap().run, [3, 4, 5, 6].map(time));
    assert_eq!(pair.recorded("filled").await, []);
    query.preview = false;
    fill(query).await.unwrap();
    pair.both().await;
    assert_eq!(
        pair.recorded("filled").await,
        started([3, 4, 5, 6].map(|hour| hour * HOUR))
    );
    query.from = time(2);
    let again = fill(query).await.unwrap();
    assert_eq!((again.run, again.left.len()), (vec![time(2)], 4));
    pair.both().await;
    assert_eq!(
        pair.recorded("filled").await,
        started([2, 3, 4, 5, 6].map(|hour| hour * HOUR))
    );
    query.until = time(11);
    assert!(fill(query).await.is_err());
}

/// A run goes on where the one that should take its place is refused; what may have run and
/// is forgotten is not filled.
async fn nothing_is_ended_or_run_for_nothing(pair: &Pair) {
    pair.end_all().await;
    pair.clock.set(14 * HOUR);
    let sync = pair.one.application(TENANT, "sync").await.unwrap();
    let mut document: Value = serde_json::from_str(&sync.document).unwrap();
    document["name"] = "changing".into();
    pair.one
        .save_application(&pair.caller, None, &document.to_string(), None)
        .await
        .unwrap();
    let schedule = json!({"application_id": "changing", "entry_id": "kept", "frequency": 600,
        "overlap": "cancel"});
    pair.one
        .save_schedule(&pair.caller, None, &schedule.to_string(), None, false)
        .await
        .unwrap();
    pair.clock.set(14 * HOUR + 600);
    pair.both().await;
    document["app_variables"] = json!([{"name": "needed", "required": true}]);
    pair.one
        .save_application(&pair.caller, None, &document.to_string(), None)
        .await
        .unwrap();
    pair.clock.set(14 * HOUR + 1200);
    // The other may not have heard of the change yet.
    pair.one.fire_due().await.unwrap();
    let query = OccurrencesQuery {
        limit: 9,
        ..OccurrencesQuery::default()
    };
    let page = pair.one.occurrences(TENANT, "kept", &query).await.unwrap();
    let outcomes: Vec<_> = page.items.iter().map(|one| one.outcome).collect();
    assert_eq!(outcomes, [Outcome::Failed, Outcome::Started]);
    let state = pair.state(page.items[1].run.unwrap()).await;
    assert_eq!(state, RunState::Queued);

    pair.save("old", json!({"cron": "0 * * * *"})).await;
    pair.clock.set(18 * HOUR + MINUTE);
    let time = |hour: i64| Timestamp::from_seconds(START + hour * HOUR);
    pair.store
        .replace_fact("schedules.forgotten", &time(17).0.to_string())
        .await
        .unwrap();
    let fill = |from, until| {
        let query = BackfillQuery {
            from: time(from),
            until: time(until),
            preview: true,
        };
        pair.one.backfill_schedule(&pair.caller, "old", query)
    };
    // Before it was saved, since what is recorded, and between.
    assert_eq!(fill(12, 14).await.unwrap().run, [12, 13, 14].map(time));
    assert_eq!(fill(17, 18).await.unwrap().run, [17, 18].map(time));
    let refused = fill(14, 18).await.unwrap_err();
    assert!(
        refused.to_string().contains("not recorded any more"),
        "{refused}"
    );
}

/// Saving keeps the phase and what is due; resting does not add up.
async fn edit_and_rest(pair: &Pair) {
    pair.clock.set(20 * HOUR);
    pair.save("edited", json!({"frequency": 600})).await;
    pair.clock.set(20 * HOUR + 610);
    // Due, not yet fired: another parameter does not make it be forgotten.
    pair.save("edited", json!({"frequency": 600, "overlap": "skip"}))
        .await;
    pair.both().await;
    assert_eq!(pair.recorded("edited").await, started([20 * HOUR + 600]));
    let rest = |enabled| {
        pair.one
            .set_schedule_enabled(&pair.caller, "edited", enabled)
    };
    let resting = rest(false).await.unwrap();
    assert_eq!((resting.detail.next.len(), resting.changed), (0, true));
    assert!(!rest(false).await.unwrap().changed);
    pair.clock.set(21 * HOUR + 30);
    pair.both().await;
    assert_eq!(pair.recorded("edited").await.len(), 1);
    let going = rest(true).await.unwrap().detail.schedule;
    assert_eq!(
        going.next_due,
        Some(Timestamp::from_seconds(START + 21 * HOUR + 600))
    );
    // Another frequency begins a phase of its own.
    pair.save("edited", json!({"frequency": 700})).await;
    let next = pair.one.schedule(TENANT, "edited", 2).await.unwrap().next;
    assert_eq!(
        next,
        [730, 1430].map(|at| Timestamp::from_seconds(START + 21 * HOUR + at))
    );
    pair.one
        .delete_schedule(&pair.caller, "edited", None)
        .await
        .unwrap();
    pair.clock.set(22 * HOUR);
    pair.both().await;
    let error = pair.one.schedule(TENANT, "edited", 0).await.unwrap_err();
    assert_eq!(error.code(), "PF-0404");
    let error = pair
        .one
        .delete_application(&pair.caller, "sync", None)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "PF-0423");
}

/// A pack's schedules come with its activation; a person's change is kept.
async fn come_with_a_pack(pair: &Pair) {
    let file = std::fs::read(BENCH.build().unwrap()).unwrap();
    let with = |version: &str, schedules: Value| {
        let mut metadata = syncpack::Archive::read(&file).unwrap().metadata;
        metadata.manifest.meta.version = version.parse().unwrap();
        metadata.schedules.clone_from(schedules.as_array().unwrap());
        bytes::Bytes::from(syncpack::Archive::write(&file, &metadata).unwrap())
    };
    let wrong = with(
        "7.0.0",
        json!([{"application_id": "sync", "cron": "61 * * * *"}]),
    );
    let error = pair.one.import_pack(&pair.caller, wrong).await.unwrap_err();
    assert!(error.to_string().contains("`61` is no minute"), "{error}");
    let activate = async |version: &str, frequency: u32| {
        let schedules = json!([
            {"application_id": "sync", "entry_id": "mine", "frequency": frequency},
            {"application_id": "sync", "entry_id": "brought", "frequency": frequency}]);
        let file = with(version, schedules);
        pair.one.import_pack(&pair.caller, file).await.unwrap();
        pair.one
            .activate_pack(&pair.caller, BENCH.name, Some(version), None)
            .await
            .unwrap()
    };
    let first = activate("7.0.1", 600).await;
    assert_eq!(first.schedules, ["mine", "brought"]);
    pair.one
        .set_schedule_enabled(&pair.caller, "mine", false)
        .await
        .unwrap();
    let second = activate("7.0.2", 900).await;
    assert_eq!(second.kept, ["mine"]);
    let of = async |name: &str| pair.one.schedule(TENANT, name, 1).await.unwrap();
    let (mine, brought) = (of("mine").await, of("brought").await);
    assert_eq!(
        (mine.schedule.enabled, &*mine.description.unwrap()),
        (false, "Every 10 minutes")
    );
    assert_eq!(brought.schedule.origin.as_deref(), Some("bench_pack@7.0.2"));
    pair.clock.step(901);
    pair.both().await;
    assert_eq!(pair.recorded("brought").await.len(), 1);
}

async fn all(pair: &Pair) {
    take_turns(pair).await;
    set_the_clock(pair).await;
    overlap(pair).await;
    refuse_and_fill(pair).await;
    nothing_is_ended_or_run_for_nothing(pair).await;
    edit_and_rest(pair).await;
    come_with_a_pack(pair).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_occurrence_fires_once_on_sqlite() {
    let (pair, _folder) = on_sqlite().await;
    all(&pair).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_occurrence_fires_once_on_postgres() {
    let (pair, _database) = on_postgres().await;
    all(&pair).await;
}
