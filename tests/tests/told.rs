//! What `pfctl` tells of what goes well, on a real service.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use harness::packs::{INCIDENT_SYNC, TRIAL};
use harness::service::Plan;
use serde_json::{Value, json};

/// The parts of a line of a stream: time, level, and what is told.
fn parts(line: &str) -> (&str, &str, String) {
    let (time, rest) = line.split_at(24);
    let mut words = rest.split_whitespace();
    let level = words.next().unwrap();
    (time, level, words.collect::<Vec<_>>().join(" "))
}

#[test]
fn a_run_is_told_in_the_order_in_which_it_happens() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    support::save_steps(
        &mut client,
        "branches",
        json!([
            {"name": "first", "file": "Echo", "value": 1, "output_to": ["slow", "quick", "fails"]},
            {"name": "slow", "file": "Slow", "seconds": 2, "output_to": ["last"]},
            {"name": "quick", "file": "Slow", "seconds": 1, "output_to": ["last"]},
            {"name": "fails", "file": "Fail", "output_to": ["last"]},
            {"name": "last", "file": "Echo", "value": 2},
        ]),
    );
    let line = [
        "application",
        "run",
        "branches",
        "--follow",
        "--log-level",
        "debug",
    ];
    let output = support::pfctl(&service, &line);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = said
        .lines()
        .take_while(|line| !line.starts_with("run "))
        .map(parts)
        .collect();
    let times: Vec<_> = lines.iter().map(|(time, ..)| *time).collect();
    assert!(times.is_sorted(), "{said}");
    assert!(
        times
            .iter()
            .all(|time| time.ends_with('Z') && &time[19..20] == "."),
        "{said}"
    );
    assert!(lines.iter().all(|(_, level, _)| *level != "FLOW"), "{said}");
    // Each start and each end once, and what a step writes in between.
    for (step, end) in [
        ("first", "success"),
        ("slow", "success"),
        ("quick", "success"),
        ("fails", "failed"),
    ] {
        let of: Vec<_> = lines
            .iter()
            .filter(|(_, _, told)| told.starts_with(&format!("{step}: ")))
            .collect();
        let states: Vec<_> = of.iter().filter(|(_, level, _)| *level == "STEP").collect();
        assert_eq!(states.len(), 2, "{step}: {said}");
        assert_eq!(of[0].2, format!("{step}: running"), "{said}");
        assert!(
            of[of.len() - 1]
                .2
                .starts_with(&format!("{step}: {end} in ")),
            "{said}"
        );
        assert!(
            of[1].2.starts_with(&format!("{step}: parameters ")),
            "{said}"
        );
    }
    assert_eq!(
        said.matches("short and stout (teapot)").count(),
        1,
        "{said}"
    );
    assert!(
        lines.iter().any(|(_, _, told)| told == "last: skipped"),
        "{said}"
    );
    assert!(support::pfctl_well(&service, &["run", "logs", "--help"]).contains("FLOW"));
    service.stop().unwrap();
}

#[test]
fn steps_show_what_they_made_and_those_that_have_not_finished_say_so() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    let run = ["step", "run", "Echo", "--param", "value=[4711]", "--wait"];
    let said = support::pfctl_well(&service, &run);
    assert!(said.trim_end().ends_with("[\n  4711\n]"), "{said}");
    let said = support::pfctl_well(&service, &[&run[..], &["--json"]].concat());
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["result"], json!([4711]), "{said}");

    support::save_steps(
        &mut client,
        "held",
        json!([
            {"name": "before", "file": "Echo", "value": 1, "output_to": ["holds"]},
            {"name": "holds", "file": "Hold", "key": "told"},
        ]),
    );
    let id = support::start(&mut client, "held", &json!({}));
    let task = support::until("the step that holds", || {
        let run = support::task(&mut client, &id);
        let step = support::step(&run, "holds");
        (step["state"] == "running").then(|| step["task_id"].as_str().unwrap().to_owned())
    });
    for id in [&id, &task] {
        let output = support::pfctl(&service, &["run", "data", id]);
        let (out, err) = (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        );
        assert!(output.status.success() && !out.contains("null"), "{out}");
        assert!(
            err.contains("the step `holds` has no data: it has not finished, it is running"),
            "{err}"
        );
    }
    support::pfctl_well(&service, &["run", "cancel", &id]);
    service.stop().unwrap();
}

#[test]
fn a_list_that_is_cut_and_a_run_that_failed_are_told() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    let pfctl = |line: &[&str]| {
        let output = support::pfctl(&service, line);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    support::save_steps(
        &mut client,
        "fails",
        json!([{"name": "fails", "file": "Fail"}]),
    );
    let mut ids = Vec::new();
    for _ in 0..3 {
        let run = support::run(&mut client, "fails", &json!({}));
        ids.push(run["task_id"].as_str().unwrap().to_owned());
    }

    // A list that is cut says so, and how to go on.
    let output = support::pfctl(&service, &["run", "list", "--limit", "2"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("there are more than 2 runs;"), "{said}");
    let next = said.split("--after ").nth(1).unwrap();
    let next = next.split(',').next().unwrap();
    let line = ["run", "list", "--limit", "2", "--after", next];
    let output = support::pfctl(&service, &line);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        shown.contains(&ids[0]) && !shown.contains(&ids[1]),
        "{shown}"
    );
    assert!(output.stderr.is_empty(), "{:?}", output.stderr);

    // The log of a run that failed, followed to its end, is no success; looked at, it is.
    assert_eq!(pfctl(&["run", "logs", &ids[0], "--follow"]).0, Some(1));
    assert_eq!(pfctl(&["run", "logs", &ids[0]]).0, Some(0));

    let about = support::pfctl_well(&service, &["about"]);
    assert!(
        about.contains("served queues") && !about.contains('{'),
        "{about}"
    );
    service.stop().unwrap();
}

#[test]
fn hints_are_commands_whatever_the_name() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    let pfctl = |line: &[&str]| {
        let output = support::pfctl(&service, line);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    support::save_steps(
        &mut client,
        "it's one",
        json!([{"name": "fails", "file": "Fail"}]),
    );
    // What keeps an application from running is said as well.
    let file = folder.path().join("an app.json");
    let document = json!({"name": "it's two", "configuration": "nowhere", "steps": [
        {"name": "a", "file": "Echo", "value": "${config.x}"}]});
    fs::write(&file, document.to_string()).unwrap();
    let (code, said) = pfctl(&["application", "upload", file.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    let checked = format!("next: pfctl application validate '{}'", file.display());
    assert!(
        said.contains("/configuration: there is no configuration object `nowhere`")
            && said.contains(&checked),
        "{said}"
    );
    fs::write(&file, document.to_string().replace("nowhere", "none")).unwrap();
    let (_, said) = pfctl(&["application", "upload", file.to_str().unwrap()]);
    assert!(
        said.contains("next: pfctl application run 'it'\\''s two'"),
        "{said}"
    );
    let (code, said) = pfctl(&[
        "application",
        "upload",
        "--create-only",
        file.to_str().unwrap(),
    ]);
    assert_eq!(code, Some(4), "{said}");
    assert!(
        said.contains("`it's two` exists already, with revision 2"),
        "{said}"
    );

    // One that is missing keeps no other; both that are missing are named.
    let names = [
        "application",
        "delete",
        "gone",
        "it's two",
        "went",
        "it's one",
    ];
    let (code, said) = pfctl(&names);
    assert_eq!(code, Some(3), "{said}");
    for words in ["`gone`", "`went`", "deleted the application it's one"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let left = client.get("/api/v1/applications").unwrap();
    assert_eq!(left["items"], json!([]));
    service.stop().unwrap();
}

#[test]
fn a_step_that_needs_a_configuration_object_says_so() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[INCIDENT_SYNC]);
    let line = ["step", "run", "ReadIncident", "--param", "sn_user=a"];
    let output = support::pfctl(&service, &line);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(
        said.contains("give `sys_id` in the run's params (--param of pfctl)")
            && !said.contains("application variable"),
        "{said}"
    );
    // Where the grant leads, only the configuration object knows.
    let mut line = line.map(str::to_owned).to_vec();
    for given in [
        "sn_url=http://127.0.0.1:1",
        "sn_password=of nobody",
        "sys_id=\"1\"",
    ] {
        line.extend(["--param".to_owned(), given.to_owned()]);
    }
    line.push("--follow".to_owned());
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    let output = support::pfctl(&service, &line);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("`servicenow` to the host in `sn_url`") && said.contains("--config"),
        "{said}"
    );
    service.stop().unwrap();
}

#[test]
fn files_of_the_store_are_for_their_owner() {
    let folder = support::folder();
    let data = folder.path().join("parent/data");
    let plan = Plan::new(folder.path())
        .unwrap()
        .with("data.directory", data.display().to_string());
    let service = support::serve_plan(&plan, &[]);
    let mode = |name: &str| fs::metadata(data.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(""), 0o700);
    for name in [
        "powerflow.db",
        "powerflow.db-wal",
        "powerflow.db-shm",
        "powerflow.lock",
        "key",
    ] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    service.stop().unwrap();
}

#[test]
fn uploads_and_exports_are_told_and_written_as_people_want_them() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[]);
    let packs = [TRIAL, INCIDENT_SYNC].map(|pack| pack.build().unwrap().display().to_string());
    let line = [
        "syncpack",
        "upload",
        &packs[0],
        &packs[1],
        "--activate",
        "--grant-all",
    ];
    let said = support::pfctl_well(&service, &line);
    assert_eq!(
        said,
        "activated trial_pack 0.1.0\nactivated servicenow_example 1.0.0\n"
    );
    // One that is refused keeps no other back.
    let wrong = folder.path().join("wrong.wasm");
    fs::write(&wrong, "x").unwrap();
    let output = support::pfctl(
        &service,
        &["syncpack", "upload", wrong.to_str().unwrap(), &packs[0]],
    );
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(output.stdout, b"uploaded trial_pack 0.1.0\n");

    // What no person wrote is indented, and ends a line.
    for (word, name) in [
        (
            "application",
            "create_or_update_servicenow_incident_from_sl1_event",
        ),
        ("configuration", "servicenow_example"),
    ] {
        let said = support::pfctl_well(&service, &[word, "export", name]);
        assert!(
            said.starts_with("{\n  \"") && said.ends_with("\n}\n"),
            "{said}"
        );
    }
    let at = |name: &str| folder.path().join(name);
    let secret = r#"{"name":"guarded","configuration_data":[{"name":"p","value":"secretly","encrypted":true}]}"#;
    // What a person wrote is theirs, byte by byte.
    let own = "{ \"name\":\"mine\",\n\t\"steps\" : [ ] }";
    fs::write(at("guarded.json"), secret).unwrap();
    fs::write(at("mine.json"), own).unwrap();
    let upload = |word: &str, file: &str| {
        let file = at(file).display().to_string();
        support::pfctl_well(&service, &[word, "upload", &file])
    };
    for (word, name) in [("configuration", "guarded"), ("application", "mine")] {
        let file = format!("{name}.json");
        assert_eq!(upload(word, &file), format!("created {name} revision 1\n"));
        assert_eq!(
            upload(word, &file),
            format!("unchanged {name} revision 1\n")
        );
    }
    fs::write(
        at("mine.json"),
        own.replace("[ ]", "[ ], \"version\": \"2\""),
    )
    .unwrap();
    assert_eq!(
        upload("application", "mine.json"),
        "saved mine revision 2\n"
    );
    fs::write(at("mine.json"), own).unwrap();
    upload("application", "mine.json");
    assert_eq!(
        support::pfctl_well(&service, &["application", "export", "mine"]),
        own
    );
    let said = support::pfctl_well(&service, &["configuration", "export", "guarded"]);
    assert!(
        said.starts_with("{\n  \"name\"") && said.ends_with("\n}\n"),
        "{said}"
    );
    assert!(
        said.contains("pfenc:1:") && !said.contains("secretly"),
        "{said}"
    );
    service.stop().unwrap();
}
