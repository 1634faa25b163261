//! What `host/deploy` holds: the script that starts a cluster, and that files for systemd and
//! containers set what there is.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use harness::http::Client;
use harness::packs::BENCH;
use harness::place;
use harness::process::Process;
use harness::servers::{Postgres, Redis};
use harness::service::ADMIN;
use serde_json::{Value, json};

const DRAIN: Duration = Duration::from_mins(1);

fn deploy(name: &str) -> PathBuf {
    place::root().join("host/deploy").join(name)
}

/// A cluster that the script has started.
struct Cluster {
    script: Process,
    /// What the script said of each process: role, process number, URL.
    places: Vec<(String, u32, String)>,
    password: String,
}

impl Cluster {
    fn start(folder: &Path, postgres: &Postgres, redis: &Redis) -> Self {
        let mut command = Command::new(deploy("cluster.sh"));
        command
            .arg(folder.join("cluster"))
            .env("DATABASE_URL", postgres.url())
            .env("REDIS_URL", redis.url())
            .env("PORT", "0")
            .env("POWERFLOW", place::program("powerflow").unwrap());
        let log = folder.join("script.log");
        let mut script = Process::start("cluster.sh", &mut command, &log).unwrap();
        let said = support::until("the cluster", || {
            script.expect_running().unwrap();
            let said = fs::read_to_string(&log).unwrap();
            said.contains("Ctrl-C ends the cluster").then_some(said)
        });
        let places = said
            .lines()
            .filter_map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                let [role, "process", number, url] = words[..] else {
                    return None;
                };
                Some((role.to_owned(), number.parse().ok()?, url.to_owned()))
            })
            .collect();
        let password = said
            .lines()
            .find_map(|line| Some(line.split_once(" with the password ")?.1.trim().to_owned()));
        Self {
            script,
            places,
            password: password.unwrap(),
        }
    }

    fn url(&self, role: &str) -> &str {
        let found = self.places.iter().find(|(one, ..)| one == role);
        &found
            .unwrap_or_else(|| panic!("no {role} in {:?}", self.places))
            .2
    }

    fn client(&self) -> Client {
        let client = Client::new(self.url("api")).unwrap();
        client.with_basic(ADMIN, &self.password)
    }

    /// The status of a process's `/readyz`, and what it says.
    fn readiness(&self, role: &str) -> (u16, String) {
        let base = self.url(role).trim_end_matches("/readyz").to_owned();
        let mut client = Client::new(&base).unwrap();
        let response = client.send("GET", "/readyz", &[], &[]).unwrap();
        let said = String::from_utf8_lossy(&response.body).into_owned();
        (response.status, said)
    }
}

fn workers(client: &mut Client) -> Vec<Value> {
    let list = client.get("/api/v1/workers").unwrap();
    list["items"].as_array().unwrap().clone()
}

/// Whether a process of that number is there.
fn lives(number: u32) -> bool {
    Path::new(&format!("/proc/{number}")).exists()
}

#[test]
fn the_script_starts_a_cluster_that_can_be_seen_and_set() {
    let folder = support::folder();
    let mut postgres = Postgres::start(folder.path()).unwrap();
    let redis = Redis::start(folder.path()).unwrap();
    let mut cluster = Cluster::start(folder.path(), &postgres, &redis);
    let roles: Vec<&str> = cluster.places.iter().map(|(role, ..)| &**role).collect();
    assert_eq!(roles, ["api", "worker", "scheduler"]);
    for role in &roles {
        assert_eq!(cluster.readiness(role).0, 200, "{role}");
    }
    let mut client = cluster.client();
    let found = workers(&mut client);
    for ((role, number, _), worker) in cluster.places.iter().zip(&found) {
        assert_eq!(
            (&worker["role"], &worker["pid"]),
            (&json!(role), &json!(number)),
            "{worker}"
        );
    }
    let about = client.get("/api/v1/about").unwrap();
    for (field, word) in [
        ("store", "postgresql"),
        ("queue", "redis "),
        ("role", "api"),
    ] {
        let said = about[field].as_str().unwrap().to_lowercase();
        assert!(said.starts_with(word), "{about}");
    }

    let pack = fs::read(BENCH.build().unwrap()).unwrap();
    let wasm = [("content-type", "application/wasm")];
    let uploaded = client.send("POST", "/api/v1/syncpacks", &wasm, &pack);
    assert!(uploaded.unwrap().is_success());
    let activate = format!("/api/v1/syncpacks/{}/activate", BENCH.name);
    client
        .send_json("POST", &activate, &json!({"grants": []}))
        .unwrap();
    let worker = found[1]["href"].as_str().unwrap();
    set_live(&mut client, worker);

    // One whose lease was taken from it goes on under another number, as it was set.
    let number = &found[1]["id"];
    let end = format!("UPDATE worker SET lease_until = 0 WHERE id = {number}");
    postgres.execute("powerflow", &end).unwrap();
    let again = support::until("the worker under another number", || {
        let found = workers(&mut client);
        let again = found.iter().find(|one| one["role"] == "worker")?;
        (again["id"] != *number).then(|| again.clone())
    });
    assert_eq!(again["pid"], found[1]["pid"]);
    assert_eq!((&again["slots"], &again["queues"]), (&json!(3), &json!([])));

    // Without its store, every process says that it is not ready, and why.
    postgres.stop().unwrap();
    for role in &roles {
        let said = support::until("a process that is not ready", || {
            let (status, said) = cluster.readiness(role);
            (status == 503).then_some(said)
        });
        assert!(
            said.contains("PF-0503") || said.contains("PF-0506"),
            "{role}: {said}"
        );
    }
    postgres.launch().unwrap();
    for role in &roles {
        support::until("a process that is ready again", || {
            (cluster.readiness(role).0 == 200).then_some(())
        });
    }

    let numbers: Vec<u32> = cluster
        .places
        .iter()
        .map(|(_, number, _)| *number)
        .collect();
    assert!(numbers.iter().all(|&number| lives(number)));
    let status = cluster.script.stop(DRAIN).unwrap();
    assert!(status.success(), "{status}{}", cluster.script.last_words());
    assert!(!numbers.iter().any(|&number| lives(number)));
}

/// What a worker is told by the API holds for what it executes next.
fn set_live(client: &mut Client, worker: &str) {
    let set =
        |client: &mut Client, change: &Value| client.send_json("PATCH", worker, change).unwrap();
    let set_to = set(client, &json!({"queues": ["elsewhere"], "slots": 3}));
    assert_eq!(
        (&set_to["queues"], &set_to["slots"]),
        (&json!(["elsewhere"]), &json!(3))
    );
    // It may take up one more before it has heard of it.
    let waits = support::until("a run that nobody takes up", || {
        let id = support::start(client, "bench_noop", &json!({}));
        std::thread::sleep(Duration::from_secs(2));
        (support::task(client, &id)["state"] == "queued").then_some(id)
    });
    let elsewhere = support::run(client, "bench_noop", &json!({"queue": "elsewhere"}));
    assert_eq!(elsewhere["state"], "success");
    set(client, &json!({"queues": []}));
    let ended = support::ended(client, &waits);
    assert_eq!(ended["state"], "success");
    let number = worker.rsplit('/').next().unwrap();
    assert_eq!(ended["steps"][0]["worker"].to_string(), number);
}

#[test]
fn the_script_says_why_it_cannot_start() {
    let folder = support::folder();
    let run = |database: &str| {
        let mut command = Command::new(deploy("cluster.sh"));
        command
            .arg(folder.path().join("cluster"))
            .env_remove("DATABASE_URL")
            .env("REDIS_URL", "redis://127.0.0.1:1")
            .env("POWERFLOW", place::program("powerflow").unwrap());
        if !database.is_empty() {
            command.env("DATABASE_URL", database);
        }
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let said = run("");
    assert!(said.contains("DATABASE_URL: names"), "{said}");
    let said = run("mysql://127.0.0.1");
    assert!(said.contains("it must begin with postgres://"), "{said}");
}

/// Every setting that a file of the folder names by its variable.
#[test]
fn a_process_that_waits_for_its_database_stops_when_it_is_told_to() {
    let folder = support::folder();
    let plan = harness::service::Plan::new(folder.path()).unwrap();
    let log = folder.path().join("log");
    let mut command = Command::new(&plan.program);
    let nobody = place::free_port().unwrap();
    command
        .arg("api")
        .args([
            "--set",
            &format!("data.directory={}", plan.data().display()),
        ])
        .env(
            "DATABASE_URL",
            format!("postgres://postgres@127.0.0.1:{nobody}/none"),
        )
        .env("REDIS_URL", "redis://127.0.0.1:1");
    let mut process = Process::start("powerflow api", &mut command, &log).unwrap();
    support::until("a process that waits for its database", || {
        process.expect_running().unwrap();
        let said = fs::read_to_string(&log).unwrap();
        said.contains("does not answer yet").then_some(())
    });
    // Less than it would wait, more than a busy machine needs.
    let status = process.stop(Duration::from_secs(15)).unwrap();
    assert!(status.success(), "{status}{}", process.last_words());
}

fn named_variables(text: &str) -> BTreeSet<String> {
    let is_part = |letter: char| letter.is_ascii_uppercase() || letter == '_';
    text.match_indices("POWERFLOW_")
        .map(|(at, _)| text[at..].chars().take_while(|&one| is_part(one)).collect())
        .collect()
}

#[test]
fn every_setting_that_is_named_exists() {
    let reference = fs::read_to_string(place::root().join("host/docs/configuration.md")).unwrap();
    let mut files = vec![
        deploy("cluster.sh"),
        deploy("compose.yaml"),
        deploy("Dockerfile"),
    ];
    for entry in fs::read_dir(deploy("systemd")).unwrap() {
        files.push(entry.unwrap().path());
    }
    let mut units = 0;
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for name in named_variables(&text) {
            assert!(
                reference.contains(&format!("`{name}`")),
                "{}: {name} is no setting",
                file.display()
            );
        }
        let Some(command) = text
            .lines()
            .find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/powerflow "))
        else {
            continue;
        };
        units += 1;
        // The same settings as the unit, as `config check` takes them.
        let arguments = command.replace("%i", "8091");
        let mut words = arguments.split(' ');
        let role = words.next().unwrap();
        assert!(["serve", "api", "worker", "scheduler"].contains(&role));
        let checked = Command::new(place::program("powerflow").unwrap())
            .args(["config", "check"])
            .args(words)
            .envs(variables(&deploy("systemd/powerflow.env")))
            .output()
            .unwrap();
        assert!(
            checked.status.success(),
            "{}: {}",
            file.display(),
            String::from_utf8_lossy(&checked.stderr)
        );
    }
    assert_eq!(units, 4);
}

/// What a file of variables sets.
fn variables(file: &Path) -> Vec<(String, String)> {
    fs::read_to_string(file)
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
