//! Mistakes that people make with `powerflow` and `pfctl`: each is told in words that name the
//! cause, and with the documented exit code.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use harness::place;

/// What is typed, the exit code, and what is said about it.
type Mistake<'a> = (&'a str, i32, &'a [&'a str]);

/// With a service that has nothing, in a folder with the files of the test.
const OF_PFCTL: &[Mistake<'_>] = &[
    (
        "aplication list",
        2,
        &["similar subcommand exists: 'application'"],
    ),
    ("application lst", 2, &["similar subcommand exists: 'list'"]),
    (
        "application list --serach x",
        2,
        &["similar argument exists: '--search'"],
    ),
    (
        "run list --state broken",
        2,
        &["possible values: queued, running"],
    ),
    ("application run x --wait=x", 2, &["give seconds"]),
    (
        "application run x --param event",
        2,
        &["write --param name=value"],
    ),
    ("syncpack new Bad-Name", 2, &["use small letters"]),
    (
        "syncpack new pack --dir /proc/none/pack",
        4,
        &["/proc/none"],
    ),
    ("--url localhost:1 about", 2, &["as http://localhost:1"]),
    (
        "application show nothing",
        3,
        &["no application `nothing`", "next: pfctl application list"],
    ),
    (
        "run show nothing",
        3,
        &["`nothing` is no id", "next: pfctl run list"],
    ),
    (
        "run show isapp-123",
        3,
        &[
            "`isapp-123` is no id: a run's is isapp- and a UUID",
            "next: pfctl run list",
        ],
    ),
    (
        "run cancel isapp-01890a5d-ac96-774b-bcce-b30200000000",
        3,
        &["there is no run"],
    ),
    ("syncpack activate nothing", 3, &["no SyncPack `nothing`"]),
    (
        "application upload broken.json",
        4,
        &["broken.json:2:13: this is no JSON"],
    ),
    (
        "application validate broken.json",
        4,
        &["broken.json:2:13: this is no JSON"],
    ),
    (
        "application run x --params broken.json",
        4,
        &["broken.json:2:13: this is no JSON"],
    ),
    (
        "application run x --params list.json",
        4,
        &["`list.json` holds no JSON object"],
    ),
    (
        "configuration upload missing.json",
        4,
        &["there is no file `missing.json`"],
    ),
    (
        "configuration upload empty.json",
        4,
        &["`empty.json` is empty"],
    ),
    (
        "configuration upload folder.json",
        4,
        &["`folder.json` is a folder"],
    ),
    ("syncpack upload empty.json", 4, &["`empty.json` is empty"]),
    (
        "syncpack upload broken.json",
        4,
        &["not a WebAssembly file"],
    ),
    (
        "syncpack inspect folder.json",
        4,
        &["`folder.json` is a folder"],
    ),
    (
        "syncpack build nowhere",
        4,
        &["nowhere: there is no such folder"],
    ),
    ("application validate faulty.json", 4, &["PF-A005 /steps/0"]),
    (
        "--password-file missing about",
        4,
        &["the password file: there is no file `missing`"],
    ),
    (
        "--password-file empty.json about",
        4,
        &["has no first line"],
    ),
    ("--profile nothing about", 4, &["has no profile `nothing`"]),
    (
        "--url http://127.0.0.1:1 about",
        5,
        &["does not answer: connection refused", "powerflow serve"],
    ),
    (
        "--password-file wrong about",
        6,
        &["the password is wrong", "asked as `isadmin`"],
    ),
];

/// In the folder of the test, with a service on its data directory.
const OF_POWERFLOW: &[Mistake<'_>] = &[
    ("serv", 2, &["similar subcommand exists: 'serve'"]),
    (
        "bogus",
        2,
        &[
            "unrecognized subcommand",
            "Commands:",
            "  serve",
            "  worker",
        ],
    ),
    ("api", 2, &["store.database_url (DATABASE_URL)"]),
    ("worker", 2, &["store.database_url (DATABASE_URL)"]),
    ("scheduler", 2, &["store.database_url (DATABASE_URL)"]),
    ("serve --set listen=1", 2, &["section.setting=value"]),
    (
        "serve --set server.lisen=127.0.0.1:0",
        2,
        &["did you mean `server.listen`?"],
    ),
    (
        "serve --set server.listen=localhost",
        2,
        &["`localhost` is no address with a port"],
    ),
    ("serve --config missing.toml", 2, &["missing.toml"]),
    ("serve --config broken.toml", 2, &["broken.toml:2:"]),
    (
        "serve --config typos.toml",
        2,
        &[
            "typos.toml:2:",
            "`body_limit`?",
            "typos.toml:3:",
            "`worker`?",
            "2 problems",
        ],
    ),
    ("serve --set data.directory=file", 1, &["file is a file"]),
    (
        "serve --set data.directory=/proc/nothing",
        1,
        &["/proc/nothing (data.directory) cannot be made"],
    ),
    (
        "serve --set data.directory=data",
        1,
        &["is in use: process"],
    ),
    (
        "serve --set auth.admin_password_file=empty",
        1,
        &["empty is empty"],
    ),
    (
        "serve --set auth.admin_password_file=short",
        1,
        &["the password in short has fewer than 12 characters"],
    ),
];

#[test]
fn what_pfctl_says_about_mistakes() {
    let folder = support::folder();
    let files = folder.path().join("files");
    fs::create_dir_all(files.join("folder.json")).unwrap();
    for (name, text) in [
        ("broken.json", "{\"name\": \"x\",\n  \"steps\": [}"),
        ("empty.json", ""),
        ("list.json", "[1]"),
        (
            "faulty.json",
            "{\"name\": \"x\", \"steps\": [{\"name\": \"a\", \"file\": \"NoSuchStep\"}]}",
        ),
        ("wrong", "not the password\n"),
    ] {
        fs::write(files.join(name), text).unwrap();
    }
    let service = support::serve(folder.path(), &[]);
    for (line, code, words) in OF_PFCTL {
        let output = pfctl(&service, &files, line);
        told(line, &output, *code, words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("os error"), "{line}: {said}");
    }
    // An address below the service's own.
    let below = format!("--url {}/powerflow about", service.url());
    told(
        &below,
        &pfctl(&service, &files, &below),
        5,
        &["check that --url"],
    );
    // A server that is none of ours, whatever it answers.
    let foreign = foreign("HTTP/1.1 404 Not Found", "{\"error\": \"no such route\"}");
    told(
        "foreign",
        &pfctl(
            &service,
            &files,
            &format!("--url {foreign} application show x"),
        ),
        5,
        &[
            "error[PF-3003]: the server answered with status 404",
            "no such route",
            "check that --url",
        ],
    );
    // What is stored with a fault is no application to run.
    let uploaded = pfctl(&service, &files, "application upload faulty.json");
    told(
        "upload",
        &uploaded,
        0,
        &["it cannot run yet; next: pfctl application validate faulty.json"],
    );
    service.stop().unwrap();
}

/// A server that gives this answer to everything; its address.
fn foreign(status: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let _ = lines
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .count();
            let length = body.len();
            let _ = write!(
                stream,
                "{status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
        }
    });
    format!("http://{address}")
}

fn pfctl(service: &harness::service::Service, folder: &Path, line: &str) -> Output {
    support::pfctl_in(folder, service, &line.split(' ').collect::<Vec<_>>())
}

#[test]
fn what_powerflow_says_about_mistakes() {
    let folder = support::folder();
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("file"), "x").unwrap();
    fs::write(at("empty"), "").unwrap();
    fs::write(at("short"), "elevenchars\n").unwrap();
    fs::write(at("broken.toml"), "[server]\nlisten = \"127.0.0.1:1\n").unwrap();
    fs::write(
        at("typos.toml"),
        "[server]\nbody_limt = \"1MiB\"\n[wrker]\nslots = 0\n",
    )
    .unwrap();
    let service = support::serve(folder.path(), &[]);
    for (line, code, words) in OF_POWERFLOW {
        told(line, &powerflow(folder.path(), line), *code, words);
    }
    let port = service.url().strip_prefix("http://").unwrap();
    let line = format!("serve --set server.listen={port}");
    let words = ["cannot listen on", "choose another port"];
    told(&line, &powerflow(folder.path(), &line), 1, &words);
    service.stop().unwrap();
}

/// Runs `powerflow` in a folder, with settings that would do where the line has none.
fn powerflow(folder: &Path, line: &str) -> Output {
    let mut command = Command::new(place::program("powerflow").unwrap());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("POWERFLOW_") {
            command.env_remove(name);
        }
    }
    command.env_remove("DATABASE_URL").env_remove("REDIS_URL");
    command.args(line.split(' ')).current_dir(folder);
    for (setting, value) in [
        ("server.listen=", "server.listen=127.0.0.1:0"),
        ("data.directory=", "data.directory=other"),
    ] {
        if line.starts_with("serve ") && !line.contains(setting) {
            command.args(["--set", value]);
        }
    }
    command.output().unwrap()
}

fn told(line: &str, output: &Output, code: i32, words: &[&str]) {
    let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stdout));
    assert_eq!(output.status.code(), Some(code), "{line}: {said}");
    for word in words {
        assert!(said.contains(word), "{line} does not say {word:?}: {said}");
    }
    assert!(!said.contains("panicked"), "{line}: {said}");
}
