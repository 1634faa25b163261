//! Where settings come from, which source wins, and what is said when one is wrong.
#![expect(
    clippy::unwrap_used,
    reason = "a test may panic on what it did not expect"
)]

use std::{
    ffi::OsString,
    fs,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
    time::Duration,
};

use config::{Bytes, Origin, Settings, sections::Format};

/// Sources of settings.
#[derive(Default)]
struct Sources {
    directory: Option<tempfile::TempDir>,
    variables: Vec<(OsString, OsString)>,
    arguments: Vec<(String, String)>,
}

impl Sources {
    fn file(mut self, text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("powerflow.toml"), text).unwrap();
        self.directory = Some(directory);
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    fn argument(mut self, name: &str, value: &str) -> Self {
        self.arguments.push((name.to_owned(), value.to_owned()));
        self
    }

    fn path(&self) -> Option<PathBuf> {
        let directory = self.directory.as_ref()?;
        Some(directory.path().join("powerflow.toml"))
    }

    fn load(&self) -> Settings {
        let path = self.path();
        Settings::load(path.as_deref(), self.variables.clone(), &self.arguments).unwrap()
    }

    /// The problems as a person reads them, without the file's directory.
    fn problems(&self) -> Vec<String> {
        let path = self.path();
        let loaded = Settings::load(path.as_deref(), self.variables.clone(), &self.arguments);
        let shorten = |place: &str| match place.rfind("powerflow.toml") {
            Some(start) => place[start..].to_owned(),
            None => place.to_owned(),
        };
        let show =
            |problem: config::Problem| format!("{}: {}", shorten(&problem.place), problem.message);
        loaded.unwrap_err().into_iter().map(show).collect()
    }
}

fn origin(settings: &Settings, section: &str, field: &str) -> Origin {
    let found = settings
        .effective()
        .iter()
        .find(|entry| entry.section == section && entry.field == field);
    found.unwrap().origin.clone()
}

#[test]
fn nothing_has_to_be_set() {
    let settings = Sources::default().load();
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.server.body_limit, Bytes(2 << 20));
    assert_eq!(settings.store.result_expires, Duration::from_hours(168));
    assert!(settings.store.database_url.is_none());
    assert_eq!(settings.worker.slots.get(), 512);
    assert_eq!(settings.worker.step_timeout, Duration::from_mins(70));
    assert_eq!(settings.auth.admin, "isadmin");
    assert_eq!(settings.log.format, Format::Text);
    let mut effective = settings.effective().iter();
    assert!(effective.all(|entry| entry.origin == Origin::Default));
}

#[test]
fn the_stronger_source_wins() {
    let file = "[worker]\nslots = 1_000\nqueues = [\"a\", 'b']\n\n[log]\nformat = \"json\"\n";
    let mut sources = Sources::default().file(file);
    let settings = sources.load();
    assert_eq!(settings.worker.slots.get(), 1000);
    assert_eq!(settings.worker.queues, ["a", "b"]);
    assert_eq!(settings.log.format, Format::Json);
    let Origin::File(place) = origin(&settings, "worker", "slots") else {
        panic!("not from the file");
    };
    assert!(place.ends_with("powerflow.toml:2"), "{place}");

    sources = sources
        .variable("POWERFLOW_WORKER_SLOTS", "7")
        .variable("POWERFLOW_WORKER_QUEUES", "x, y,");
    let settings = sources.load();
    assert_eq!(settings.worker.slots.get(), 7);
    assert_eq!(settings.worker.queues, ["x", "y"]);
    assert_eq!(settings.log.format, Format::Json);

    let settings = sources.argument("worker.slots", "9").load();
    assert_eq!(settings.worker.slots.get(), 9);
    assert_eq!(origin(&settings, "worker", "slots"), Origin::Argument);
}

#[test]
fn customary_variables_count_and_ours_win() {
    let sources = Sources::default()
        .variable("DATABASE_URL", "postgres://u:pw@db/one")
        .variable("REDIS_URL", "redis://cache");
    let settings = sources.load();
    let url = settings.store.database_url.as_ref().unwrap();
    assert_eq!(url.expose(), "postgres://u:pw@db/one");
    assert_eq!(settings.queue.redis_url.unwrap().expose(), "redis://cache");
    let sources = sources.variable("POWERFLOW_STORE_DATABASE_URL", "postgres://db/two");
    let url = sources.load().store.database_url.unwrap();
    assert_eq!(url.expose(), "postgres://db/two");
    // An empty variable takes back what the others say.
    let sources = sources
        .variable("POWERFLOW_STORE_DATABASE_URL", "")
        .variable("POWERFLOW_QUEUE_REDIS_URL", "");
    assert!(sources.load().store.database_url.is_none());
}

#[test]
fn every_problem_is_named_with_its_place() {
    let sources = Sources::default()
        .file(
            "[server]\nlisten = 8080\nlistne = \"127.0.0.1:80\"\nbody_limit = \"2 zebras\"\n\n\
             [worker]\nslots = 0\nqueues = [1]\n\n[wroker]\nslots = 1\n\n[limits]\nbacklog = \"5\"\n",
        )
        .variable("POWERFLOW_LOG_FORMAT", "yaml")
        .variable("POWERFLOW_LOG_LEVLE", "info")
        .variable("POWERFLOW_STORE_DATABASE_URL", "secret-without-scheme")
        .argument("auth.amdin", "root")
        .argument("data.directory", "");
    let mut problems = sources.problems();
    problems.sort();
    assert_eq!(
        problems,
        [
            "--set auth.amdin: there is no such setting; did you mean `auth.admin`?",
            "--set data.directory: the path is empty",
            "POWERFLOW_LOG_FORMAT: `yaml` is none of `text`, `json`",
            "POWERFLOW_LOG_LEVLE: there is no such setting; did you mean `POWERFLOW_LOG_LEVEL`?",
            "POWERFLOW_STORE_DATABASE_URL: it is no URL of the form \
             scheme://user:password@host/path",
            "powerflow.toml:10: there is no section `wroker`; did you mean `worker`?",
            "powerflow.toml:14: backlog: it must be a whole number without quotes, not a text",
            "powerflow.toml:2: listen: it must be a text in quotes (address:port), not a number \
             without quotes",
            "powerflow.toml:3: [server] has no setting `listne`; did you mean `listen`?",
            "powerflow.toml:4: body_limit: `2 zebras` is no size; write a number and a unit, \
             such as 64KiB or 2MiB",
            "powerflow.toml:7: slots: `0` is no whole number from 1 to 4294967295",
            "powerflow.toml:8: queues: its entries must be texts, not a number without quotes",
        ]
    );
}

#[test]
fn a_file_that_is_no_toml_is_named_by_line() {
    let problems = Sources::default()
        .file("[server]\nlisten = \n\n[log\n")
        .problems();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(
        problems[0].starts_with("powerflow.toml:2: "),
        "{problems:?}"
    );
    assert!(
        problems[1].starts_with("powerflow.toml:4: "),
        "{problems:?}"
    );
}

#[test]
fn a_file_that_is_not_there_is_a_problem() {
    let problems = Settings::load(Some(Path::new("no/such/file.toml")), [], &[]).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].place, "no/such/file.toml");
}

#[test]
fn settings_that_contradict_each_other_are_refused_where_they_stand() {
    let problems = Sources::default()
        .file("[limits]\nrun_wait = \"90s\"\n\n[runtime]\nmemory = \"1KiB\"\n")
        .variable("DATABASE_URL", "mysql://db")
        .variable("REDIS_URL", "redis://cache")
        .argument("queue.lease", "0s")
        .problems();
    assert_eq!(
        problems,
        [
            "--set queue.lease: it must be longer than nothing",
            "powerflow.toml:5: memory: it must be at least 64KiB",
            "powerflow.toml:2: run_wait: it must be shorter than server.request_timeout, which \
             ends the request",
            "DATABASE_URL: it must begin with postgres:// or postgresql://",
        ]
    );
}

#[test]
fn a_cluster_needs_both_its_database_and_its_redis() {
    let belongs = "store.database_url (DATABASE_URL) and queue.redis_url (REDIS_URL) belong \
                   together: set both for a cluster, or none for one process with the embedded \
                   store";
    let alone = Sources::default().variable("DATABASE_URL", "postgres://db/flow");
    assert_eq!(alone.problems(), [format!("DATABASE_URL: {belongs}")]);
    let alone = Sources::default().file("[queue]\nredis_url = \"redis://cache\"\n");
    assert_eq!(
        alone.problems(),
        [format!("powerflow.toml:2: redis_url: {belongs}")]
    );
    // One that is taken back is not there.
    let both = alone.variable("DATABASE_URL", "postgres://db/flow");
    both.load();
    let one = both.variable("POWERFLOW_STORE_DATABASE_URL", "");
    assert_eq!(one.problems().len(), 1);
}

#[test]
fn what_a_cluster_s_processes_are_told_is_read() {
    let settings = Sources::default().load();
    assert_eq!(settings.server.health_listen, None);
    assert_eq!(settings.queue.redis_ca_file, None);
    assert_eq!(settings.worker.lease, Duration::from_secs(10));
    assert_eq!(settings.store.postgres_connections.get(), 8);
    let settings = Sources::default()
        .file("[server]\nhealth_listen = \"[::]:8081\"\n\n[store]\npostgres_connections = 20\n")
        .variable("POWERFLOW_QUEUE_REDIS_CA_FILE", "/etc/redis-ca.pem")
        .argument("worker.lease", "30s")
        .load();
    let listen = settings.server.health_listen.unwrap();
    assert_eq!(listen.to_string(), "[::]:8081");
    assert_eq!(
        settings.queue.redis_ca_file.as_deref(),
        Some(Path::new("/etc/redis-ca.pem"))
    );
    assert_eq!(settings.worker.lease, Duration::from_secs(30));
    assert_eq!(settings.store.postgres_connections.get(), 20);
    let problems = Sources::default()
        .argument("worker.lease", "1s")
        .argument("server.health_listen", "8081")
        .argument("store.postgres_connections", "0")
        .problems();
    assert_eq!(problems.len(), 2, "{problems:?}");
    let problems = Sources::default().argument("worker.lease", "1s").problems();
    assert_eq!(
        problems,
        ["--set worker.lease: it must be at least 2s: a worker renews its lease every half second"]
    );
}

#[test]
fn variables_of_other_programs_are_left_alone() {
    let mut sources = Sources::default()
        .variable("PATH", "/bin")
        .variable("POWERFLOW_CONFIG", "x.toml")
        .variable("POWERFLOW_HOST", "https://elsewhere")
        .variable("POWERFLOW_SERVER_SERVICE_HOST", "10.0.0.1")
        .variable("POWERFLOW_SERVER_SERVICE_PORT_HTTP", "80")
        .variable("POWERFLOW_SERVER_PORT", "tcp://10.0.0.1:80")
        .variable("POWERFLOW_SERVER_PORT_80_TCP_ADDR", "10.0.0.1");
    let not_text = OsString::from_vec(vec![b'x', 0xff]);
    sources.variables.push((not_text.clone(), not_text.clone()));
    sources.load();
    sources
        .variables
        .push(("POWERFLOW_LOG_LEVEL".into(), not_text));
    assert_eq!(
        sources.problems(),
        ["POWERFLOW_LOG_LEVEL: its value is not UTF-8"]
    );
}

#[test]
fn the_report_names_origins_and_masks_secrets() {
    let settings = Sources::default()
        .variable("DATABASE_URL", "postgres://flow:hunter2@db/flow")
        .variable("REDIS_URL", "rediss://flow:hunter2@cache")
        .argument("log.level", "debug")
        .load();
    let report = settings.report();
    for line in [
        "[server]",
        "database_url = \"postgres://flow:***@db/flow\"  # variable DATABASE_URL",
        "# command line",
        "slots = 512",
    ] {
        assert!(report.contains(line), "{line} is missing:\n{report}");
    }
    assert!(!report.contains("hunter2"), "{report}");
    assert!(!format!("{settings:?}").contains("hunter2"));
}
