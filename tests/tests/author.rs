//! The way of somebody who writes a SyncPack: begin, test, build, look inside, upload, run; and
//! what building needs of the machine.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use harness::packs::INCIDENT_SYNC;
use harness::place;
use serde_json::{Value, json};

#[test]
fn a_new_syncpack_is_tested_built_and_run() {
    let folder = support::folder();
    let project = folder.path().join("acme_tickets");
    let wrong = ["syncpack", "new", "acme_tickets", "--sdk", "nosdk"];
    let wrong = pfctl(folder.path(), &wrong).output().unwrap();
    assert_eq!(wrong.status.code(), Some(4), "{wrong:?}");
    assert!(said(&wrong).contains("nosdk is no SDK"), "{wrong:?}");
    assert!(!project.exists());
    // With what pfctl carries: nothing of the repository is needed.
    let begun = pfctl(folder.path(), &["syncpack", "new", "acme_tickets"])
        .output()
        .unwrap();
    let files = well(&begun);
    assert!(files.contains("acme_tickets/src/lib.rs"), "{files}");
    assert!(
        files.contains("acme_tickets/sdk/ (the SDK and the contract)"),
        "{files}"
    );
    assert!(said(&begun).contains("next: pfctl syncpack build acme_tickets"));

    // The versions that are there already: what is tested is the template, not the registry.
    let lock = place::root().join(INCIDENT_SYNC.source).join("Cargo.lock");
    fs::copy(lock, project.join("Cargo.lock")).unwrap();
    let tested = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(&project)
        .args(["test", "--quiet"])
        .env("CARGO_TARGET_DIR", target())
        .output()
        .unwrap();
    assert!(well(&tested).contains("2 passed"), "{tested:?}");

    let built = pfctl(folder.path(), &["syncpack", "build", "acme_tickets"])
        .arg("--target-dir")
        .arg(target())
        .output()
        .unwrap();
    assert_eq!(well(&built).trim(), "acme_tickets-0.1.0.wasm");
    assert!(
        said(&built).contains("upload acme_tickets-0.1.0.wasm --activate --grant service"),
        "{}",
        said(&built)
    );
    let file = folder.path().join("acme_tickets-0.1.0.wasm");
    names_no_folder_of_this_machine(&file, &project);

    let inspected = pfctl(folder.path(), &["--json", "syncpack", "inspect"])
        .arg(&file)
        .output()
        .unwrap();
    let inside: Value = serde_json::from_str(&well(&inspected)).unwrap();
    assert_eq!(inside["manifest"]["steps"][0]["name"], "FetchItem");
    assert_eq!(inside["manifest"]["grants"][0]["id"], "service");
    assert_eq!(inside["applications"], json!(["acme_tickets_example"]));
    let inspected = pfctl(folder.path(), &["syncpack", "inspect"])
        .arg(&file)
        .output()
        .unwrap();
    let shown = well(&inspected);
    assert!(
        shown.contains("METHODS") && shown.contains("of the scheme"),
        "{shown}"
    );

    runs(&file);
}

/// Brings the built file into service and runs its application on a server of items.
fn runs(file: &Path) {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[]);
    let uploaded = support::pfctl(&service, &["syncpack", "upload", file.to_str().unwrap()]);
    assert_eq!(well(&uploaded).trim(), "uploaded acme_tickets 0.1.0");
    let hint = "next: pfctl syncpack activate acme_tickets --version 0.1.0 --grant service\n\
        write --private instead of --grant where the host is on a private address: service";
    assert_eq!(said(&uploaded).trim(), hint);
    let denied = support::pfctl(&service, &["syncpack", "activate", "acme_tickets"]);
    assert!(well(&denied).contains("activated acme_tickets 0.1.0"));
    assert!(said(&denied).contains("not granted: service"), "{denied:?}");
    // The file that there is keeps its version.
    let shown = support::pfctl_well(&service, &["syncpack", "show", "acme_tickets"]);
    for words in ["METHODS", "GET", "of the scheme", "denied"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    support::put_configuration(
        &service,
        "acme_tickets_example",
        &json!({"name": "acme_tickets_example", "configuration_data": [
            {"name": "base_url", "value": items()},
            {"name": "user", "value": "powerflow"},
            {"name": "password", "value": "of the items", "encrypted": true},
        ]}),
    );
    support::pfctl_well(
        &service,
        &[
            "syncpack",
            "activate",
            "acme_tickets",
            "--private",
            "service",
        ],
    );
    let run = support::pfctl_well(
        &service,
        &[
            "--json",
            "application",
            "run",
            "acme_tickets_example",
            "--param",
            "id=7",
            "--wait",
        ],
    );
    let run: Value = serde_json::from_str(&run).unwrap();
    assert_eq!(run["state"], "success", "{run}");
    let mut client = service.client().unwrap();
    let item = support::output(&mut client, &run, "Fetch Item");
    assert_eq!(item, json!({"id": 7, "title": "Größe"}));
    service.stop().unwrap();
}

/// A server that has one item, for whoever knows the password; its address.
fn items() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head: Vec<String> = lines
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .map(|line| line.to_lowercase())
                .collect();
            // powerflow:of the items
            let known = "authorization: basic cg93zxjmbg93om9mihrozsbpdgvtcw==";
            let found = head
                .first()
                .is_some_and(|line| line.starts_with("get /items/7 "));
            let body = json!({"id": 7, "title": "Größe"}).to_string();
            let (status, body) = match (found, head.iter().any(|line| line == known)) {
                (true, true) => ("200 OK", body.as_str()),
                (true, false) => ("401 Unauthorized", "{}"),
                _ => ("404 Not Found", "{}"),
            };
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
        }
    });
    format!("http://{address}")
}

#[test]
fn the_syncpacks_of_the_repository_name_no_folder_of_this_machine() {
    let file = INCIDENT_SYNC.build().unwrap();
    names_no_folder_of_this_machine(&file, place::root());
}

fn names_no_folder_of_this_machine(file: &Path, project: &Path) {
    let bytes = fs::read(file).unwrap();
    let holds = |text: &str| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    let home = env::home_dir().unwrap();
    let cargo_home = env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    let sysroot = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()
        .unwrap();
    let sysroot = PathBuf::from(String::from_utf8(sysroot.stdout).unwrap().trim());
    let folders = [
        home,
        cargo_home,
        sysroot,
        place::root().to_owned(),
        place::target(),
        project.to_owned(),
        env::temp_dir(),
    ];
    for folder in folders {
        let named = format!("{}/", folder.display());
        assert!(
            named == "//" || !holds(&named),
            "{} names {named}",
            file.display()
        );
    }
    assert!(
        !holds("registry/src"),
        "{} names a registry",
        file.display()
    );
    // There are places of panics in it; these are how they look.
    assert!(
        holds("/registry/serde_json-"),
        "{} names no place",
        file.display()
    );
}

/// Programs that stand in for those of Rust, in a folder with a package to build.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    /// With a compiler that has the target, and a cargo that notes what it is asked for.
    fn new() -> Self {
        let machine = Self {
            folder: support::folder(),
        };
        let begun = pfctl(machine.at("").as_path(), &["syncpack", "new", "pack"])
            .output()
            .unwrap();
        well(&begun);
        fs::create_dir(machine.at("programs")).unwrap();
        let lib = machine.at("programs").display().to_string();
        machine.program("rustc", &format!("echo {lib}"));
        let metadata = json!({"packages": [], "target_directory": "/t", "workspace_root": "/w"});
        machine.program(
            "cargo",
            &format!(
                "[ $1 = metadata ] && echo '{metadata}' && exit\n\
                 printf '%s\\n' \"$@\" > {asked}\n\
                 printf '%s' \"$CARGO_ENCODED_RUSTFLAGS\" > {asked}.flags\n\
                 echo 'error: enough is known'\nexit 1",
                asked = machine.at("asked").display()
            ),
        );
        machine
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.at("programs").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What building the package says and ends with, where nothing but these programs is there.
    fn build(&self, arguments: &[&str], variables: &[(&str, &str)]) -> (String, Option<i32>) {
        let output = pfctl(self.folder.path(), &["syncpack", "build", "pack"])
            .args(arguments)
            .env("PATH", self.at("programs"))
            .env("HOME", self.folder.path())
            .env_remove("CARGO")
            .env_remove("RUSTC")
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("CARGO_HOME")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        (said(&output), output.status.code())
    }
}

#[test]
fn a_missing_target_is_named_with_what_adds_it() {
    let machine = Machine::new();
    machine.program("rustc", "echo /nowhere/lib");
    let command = "`rustup target add wasm32-wasip2`";
    let lacks = format!("the compiler lacks the target wasm32-wasip2; add it with {command}");

    let (said, code) = machine.build(&["--no-add-target"], &[]);
    assert_eq!(code, Some(4), "{said}");
    assert!(
        said.contains("error[PF-SYNCPACK-BUILD]") && said.contains(&lacks),
        "{said}"
    );

    let (said, code) = machine.build(&[], &[]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains(&lacks), "without rustup: {said}");

    machine.program("rustup", "echo 'error: no network' >&2\nexit 1");
    let (said, code) = machine.build(&[], &[]);
    assert_eq!(code, Some(4), "{said}");
    assert!(
        said.contains(&format!("{command} failed:\nerror: no network")),
        "{said}"
    );

    // One that works is asked for the target, and the build goes on.
    let added = machine.at("added");
    machine.program("rustup", &format!("echo \"$@\" > {}", added.display()));
    let (said, _) = machine.build(&[], &[]);
    assert!(
        said.contains("cargo could not build the SyncPack"),
        "{said}"
    );
    assert_eq!(
        fs::read_to_string(added).unwrap(),
        "target add wasm32-wasip2\n"
    );
}

#[test]
fn a_machine_without_rust_is_told_so() {
    let machine = Machine::new();
    fs::remove_file(machine.at("programs/cargo")).unwrap();
    let (said, code) = machine.build(&[], &[]);
    assert!(
        code == Some(4) && said.contains("is Rust installed?"),
        "{said}"
    );
    fs::remove_file(machine.at("programs/rustc")).unwrap();
    let (said, code) = machine.build(&[], &[]);
    assert!(
        code == Some(4) && said.contains("is Rust installed?"),
        "{said}"
    );
}

#[test]
fn flags_of_the_user_are_kept_beside_ours() {
    let machine = Machine::new();
    let asked = |variables: &[(&str, &str)]| {
        machine.build(&[], variables);
        let flags = fs::read_to_string(machine.at("asked.flags")).unwrap();
        (fs::read_to_string(machine.at("asked")).unwrap(), flags)
    };
    let ours = "--remap-path-prefix=/t=/target";

    // In a variable, they are joined with ours there, for a variable hides all files.
    for (name, value) in [
        ("RUSTFLAGS", "--cfg  theirs"),
        ("CARGO_ENCODED_RUSTFLAGS", "--cfg\u{1f}theirs"),
    ] {
        let (arguments, flags) = asked(&[(name, value)]);
        assert!(
            flags.starts_with("--cfg\u{1f}theirs\u{1f}"),
            "{name}: {flags}"
        );
        assert!(
            flags.contains(ours) && !arguments.contains("--config"),
            "{name}: {flags}"
        );
    }

    // In files, ours come as settings that cargo joins with those of the target …
    let (arguments, flags) = asked(&[]);
    assert!(
        flags.is_empty() && arguments.contains("\n--config\n"),
        "{arguments}"
    );
    let setting = |arguments: &str| {
        let line = arguments
            .lines()
            .find(|line| line.starts_with("target."))
            .unwrap();
        let (name, list) = line.split_once('=').unwrap();
        assert_eq!(name, "target.wasm32-wasip2.rustflags");
        serde_json::from_str::<Vec<String>>(list).unwrap()
    };
    assert!(
        setting(&arguments).contains(&ours.to_owned()),
        "{arguments}"
    );

    // … and bring those for all builds with them, which would be hidden otherwise.
    fs::write(
        machine.at("pack/.cargo/config.toml"),
        "[build]\nrustflags = ['--cfg', 'theirs']\n",
    )
    .unwrap();
    let (arguments, _) = asked(&[]);
    assert_eq!(setting(&arguments)[..2], ["--cfg", "theirs"]);
}

/// `pfctl` in a folder, without a service.
fn pfctl(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(place::program("pfctl").unwrap());
    command.current_dir(folder).args(arguments);
    command
}

/// Where cargo builds what these tests begin: a folder that lasts, so that what a project needs is
/// compiled once.
fn target() -> PathBuf {
    place::target().join("author")
}

/// The standard output of a program that must succeed.
fn well(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
