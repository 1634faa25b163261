//! A cluster under the load of the incident example, what is done to it meanwhile, and what
//! must be true afterwards.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use harness::cluster::{Cluster, Size};
use harness::http::Client;
use harness::packs::INCIDENT_SYNC;
use harness::servers::Postgres;
use tempfile::TempDir;

use super::PATIENCE;
use super::incidents::{GiveUp, Incidents, Progress, STEPS, SUBMITTERS, post, submit};

/// How far submitting runs ahead of executing: a part waits on the queue all the time.
const AHEAD: usize = 400;
/// Between two looks at the store.
const GLANCE: Duration = Duration::from_millis(50);
/// How long Redis may take until nothing of the work is left in it: a delivery that was not
/// acknowledged is looked at again when its lease ends.
const EMPTY: Duration = Duration::from_secs(30);
/// The code of a step's success.
const SUCCESS: i64 = 4;

/// Settings under which lost processes are noticed soon.
pub(crate) const SETTINGS: [(&str, &str); 4] = [
    ("worker.lease", "3s"),
    ("queue.lease", "5s"),
    ("worker.slots", "64"),
    ("log.level", "warn"),
];

/// The scene of a test.
pub(crate) struct Endurance {
    pub(crate) cluster: Cluster,
    pub(crate) incidents: Incidents,
    pub(crate) progress: Progress,
    /// Whom the submitters ask; the first api where it is absent.
    pub(crate) entry: Option<Client>,
    runs: usize,
    /// When how many runs had ended.
    line: Mutex<Vec<(Instant, usize)>>,
    /// Dropped last: processes write there.
    folder: TempDir,
}

/// What was seen.
#[derive(Debug)]
pub(crate) struct Seen {
    /// From the end of the fault until all had ended that was accepted by then.
    pub(crate) recovery: Duration,
    /// The longest time in which no run ended.
    pub(crate) standstill: Duration,
    /// Steps that were executed more than once.
    pub(crate) again: i64,
}

impl Endurance {
    /// A cluster of two workers that the incident pack and the simulators are ready for.
    pub(crate) fn set(runs: usize) -> Self {
        Self::set_in(super::folder(), &Size::default(), runs)
    }

    /// The same in a folder and of a size.
    pub(crate) fn set_in(folder: TempDir, size: &Size, runs: usize) -> Self {
        Self::start(folder, size, runs, &SETTINGS)
    }

    /// The same, with more settings.
    pub(crate) fn set_with(size: &Size, runs: usize, settings: &[(&str, &str)]) -> Self {
        Self::start(super::folder(), size, runs, &[&SETTINGS, settings].concat())
    }

    fn start(folder: TempDir, size: &Size, runs: usize, settings: &[(&str, &str)]) -> Self {
        let incidents = Incidents::start(folder.path(), runs, 20_261_122);
        let cluster = Cluster::start(folder.path(), size, settings).unwrap();
        let api = cluster.api();
        api.upload(&INCIDENT_SYNC.build().unwrap()).unwrap();
        super::lead_to(api, &incidents.simulators);
        Self {
            cluster,
            incidents,
            progress: Progress::default(),
            entry: None,
            runs,
            line: Mutex::default(),
            folder,
        }
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Submits all runs, does `fault` to the cluster when a third of them has ended, waits for
    /// the others, and checks everything.
    pub(crate) fn endure(&mut self, fault: impl FnOnce(&mut Cluster, &Progress)) -> Seen {
        let begun = Instant::now();
        let watched = self.cluster.postgres.asked();
        let template = match &self.entry {
            Some(entry) => entry.another(),
            None => self.cluster.api().client().unwrap(),
        };
        let (progress, line, runs) = (&self.progress, &self.line, self.runs);
        let (cluster, events) = (&mut self.cluster, &self.incidents.events);
        let done = AtomicBool::new(false);
        let recovery = thread::scope(|scope| {
            let _guard = GiveUp(&progress.given_up);
            for number in 0..SUBMITTERS {
                let client = template.another();
                scope.spawn(move || submit(client, events, number, AHEAD, progress));
            }
            scope.spawn(|| watch(&watched, progress, line, &done));
            let _end = End(&done);
            let finished = || progress.finished.load(Ordering::Relaxed);
            until("a third of the runs", progress, || finished() >= runs / 3);
            fault(cluster, progress);
            let since = Instant::now();
            let last = patient(&cluster.postgres, "SELECT max(id) FROM run", progress);
            let waiting =
                format!("SELECT count(*) FROM run WHERE finished_at IS NULL AND id <= {last}");
            while patient(&cluster.postgres, &waiting, progress) > 0 {
                thread::sleep(GLANCE);
            }
            let recovery = since.elapsed();
            until("the end of all runs", progress, || finished() >= runs);
            recovery
        });
        assert_eq!(progress.accepted.load(Ordering::Relaxed), runs);
        let again = self.check();
        let seen = Seen {
            recovery,
            standstill: self.standstill(),
            again,
        };
        println!("{seen:?} of {:?}", begun.elapsed());
        for (why, count) in &*self.progress.refusals.lock().unwrap() {
            println!("{count} × {why}");
        }
        seen
    }

    fn standstill(&self) -> Duration {
        let line = self.line.lock().unwrap();
        line.windows(2)
            .map(|two| two[1].0.duration_since(two[0].0))
            .max()
            .unwrap_or_default()
    }

    /// Every accepted run and nothing else ended well, with one result for each step, nothing
    /// outside is missing or doubled, and nothing is left in Redis. Answers how many steps were
    /// executed again.
    fn check(&self) -> i64 {
        let ids = self.progress.ids.lock().unwrap();
        let distinct: BTreeSet<&String> = ids.values().collect();
        assert_eq!(distinct.len(), self.runs, "two events became one run");
        let again = check_store(&self.cluster.postgres, self.runs as i64, STEPS as i64);
        self.incidents.check_effects();
        // The same keys once more are the same runs, and they ended well.
        let mut client = self.cluster.api().client().unwrap();
        for (index, id) in ids.iter().step_by(100) {
            let answer = post(&mut client, &self.incidents.events[*index], *index).unwrap();
            assert_eq!(answer.json().unwrap()["task_id"], **id, "event {index}");
            assert_eq!(super::task(&mut client, id)["state"], "success", "{id}");
        }
        check_redis(&self.cluster);
        again
    }

    /// Lets every process that is left drain.
    pub(crate) fn stop(self) {
        self.cluster.stop().unwrap();
    }
}

/// Where the cluster stands, for the report of a test that fails: what was submitted, what
/// states steps are in, what the database's sessions do, and what the processes said last.
pub(crate) fn situation(cluster: &Cluster, progress: &Progress) -> String {
    const ASKED: [&str; 4] = [
        "SELECT state, count(*), min(token), max(token) FROM step GROUP BY 1 ORDER BY 1",
        "SELECT count(*) AS unfinished, min(id), max(id) FROM run WHERE finished_at IS NULL",
        "SELECT pid, application_name, state, wait_event_type, wait_event, now() - xact_start AS open,
           pg_blocking_pids(pid), left(query, 300) AS query FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY xact_start",
        "SELECT relname, n_live_tup, n_dead_tup, last_autoanalyze FROM pg_stat_user_tables
         WHERE relname IN ('run', 'step', 'payload')",
    ];
    let mut said = format!(
        "{} accepted, {} ended; refused: {:?}\n",
        progress.accepted.load(Ordering::Relaxed),
        progress.finished.load(Ordering::Relaxed),
        progress.refusals.lock().unwrap()
    );
    for sql in ASKED {
        match cluster.postgres.execute("powerflow", sql) {
            Ok(answer) => said.push_str(&answer),
            Err(error) => {
                let _ = write!(said, "{error:#}");
            }
        }
        said.push('\n');
    }
    for process in cluster
        .apis
        .iter()
        .chain(&cluster.workers)
        .chain(&cluster.schedulers)
    {
        let log = std::fs::read_to_string(process.log()).unwrap_or_default();
        let from = log.len().saturating_sub(4000);
        let tail = log.get(log.ceil_char_boundary(from)..).unwrap_or_default();
        let _ = writeln!(said, "--- {}\n{tail}", process.log().display());
    }
    said
}

/// Tells the watch to end, also when the test has failed.
pub(crate) struct End<'a>(pub(crate) &'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn until(what: &str, progress: &Progress, reached: impl Fn() -> bool) {
    let started = Instant::now();
    while !reached() {
        assert!(!progress.given_up.load(Ordering::Relaxed), "gave up");
        assert!(
            started.elapsed() < PATIENCE,
            "{what} did not come: {} accepted, {} ended",
            progress.accepted.load(Ordering::Relaxed),
            progress.finished.load(Ordering::Relaxed)
        );
        thread::sleep(GLANCE);
    }
}

/// The number that the store answers as soon as it does.
fn patient(postgres: &Postgres, sql: &str, progress: &Progress) -> i64 {
    let started = Instant::now();
    loop {
        match postgres.number(sql) {
            Ok(number) => return number,
            Err(error) => assert!(started.elapsed() < PATIENCE, "{error:#}"),
        }
        assert!(!progress.given_up.load(Ordering::Relaxed), "gave up");
        thread::sleep(GLANCE);
    }
}

/// Notes how many runs have ended; while the store is away, nothing.
fn watch(
    postgres: &Postgres,
    progress: &Progress,
    line: &Mutex<Vec<(Instant, usize)>>,
    done: &AtomicBool,
) {
    let mut before = 0;
    while !done.load(Ordering::Relaxed) {
        let ended = postgres.number("SELECT count(*) FROM run WHERE finished_at IS NOT NULL");
        if let Ok(ended) = ended
            && ended as usize > before
        {
            before = ended as usize;
            progress.finished.store(before, Ordering::Relaxed);
            line.lock().unwrap().push((Instant::now(), before));
        }
        thread::sleep(GLANCE);
    }
}

/// Every run ended well with one result for each of its steps.
pub(crate) fn check_store(postgres: &Postgres, runs: i64, steps: i64) -> i64 {
    let number = |sql: &str| postgres.number(sql).unwrap();
    assert_eq!(number("SELECT count(*) FROM run"), runs);
    let wrong = number(
        "SELECT count(*) FROM run WHERE finished_at IS NULL OR remaining <> 0
           OR failed <> 0 OR warned <> 0 OR cancelled <> 0",
    );
    let errors = || {
        let sql = "SELECT count(*), convert_from(error, 'UTF8') FROM payload
                   WHERE error IS NOT NULL GROUP BY 2 LIMIT 5";
        postgres.execute("powerflow", sql).unwrap()
    };
    assert_eq!(wrong, 0, "runs did not end well: {}", errors());
    assert_eq!(number("SELECT count(*) FROM step"), runs * steps);
    let wrong = number(&format!(
        "SELECT count(*) FROM step WHERE state <> {SUCCESS} OR token < 1
           OR started_at IS NULL OR finished_at IS NULL"
    ));
    assert_eq!(wrong, 0, "steps did not end well");
    // An input for each run and one result for each step: nothing was committed twice.
    let results = number(
        "SELECT count(*) FROM step s JOIN payload p ON p.run_id = s.run_id AND p.step = s.step
         WHERE p.data IS NOT NULL AND p.error IS NULL",
    );
    assert_eq!(results, runs * steps, "results");
    let inputs = number("SELECT count(*) FROM payload WHERE step = -1");
    assert_eq!(inputs, runs, "inputs");
    assert_eq!(number("SELECT count(*) FROM payload"), runs * (1 + steps));
    let again = number("SELECT count(*) FROM step WHERE token > 1");
    let most = number("SELECT max(token) FROM step");
    println!("{again} steps were executed again, one of them {most} times");
    again
}

/// Nothing of the work stays in Redis.
pub(crate) fn check_redis(cluster: &Cluster) {
    let started = Instant::now();
    loop {
        let left = cluster.redis.left_over().unwrap();
        if left.is_empty() {
            let took = started.elapsed();
            return println!("Redis holds nothing after {took:?}");
        }
        assert!(started.elapsed() < EMPTY, "left in Redis: {left:?}");
        thread::sleep(GLANCE);
    }
}
