//! Conditions and transforms: branches, joins behind them, what is not taken, and data that a
//! template shapes, on one process and on a cluster.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use harness::cluster::{Cluster, Size};
use harness::http::Client;
use harness::packs::TRIAL;
use harness::service::Plan;
use serde_json::{Value, json};
use support::{log, output, run, save, start, step, until};

fn states(run: &Value) -> Vec<(&str, &str)> {
    let steps = run["steps"].as_array().unwrap();
    steps
        .iter()
        .map(|one| {
            (
                one["name"].as_str().unwrap(),
                one["state"].as_str().unwrap(),
            )
        })
        .collect()
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "json!(…) is a value, and a reference would be noise"
)]
fn echo(name: &str, data_from: &[&str], value: Value) -> Value {
    json!({"name": name, "file": "Echo", "syncpack": "trial_pack", "data_from": data_from, "value": value})
}

/// An event comes in, is judged, leads to one of three branches, and all meet at the end.
fn triage() -> Value {
    json!({
        "name": "triage",
        "app_variables": [{"name": "event"}, {"name": "limit", "value": 3}],
        "steps": [
            echo("Get Event", &[], json!("${appvar.event}")),
            {"name": "How bad?", "operator": "condition", "data_from": ["Get Event"], "branches": [
                {"label": "critical", "when": {"equal": ["${Get Event.severity}", "critical"]}, "steps": ["Create Incident"]},
                {"label": "major", "steps": ["Update Incident"], "when": {"and": [
                    {"above": ["${Get Event.score}", "${appvar.limit}"]},
                    {"not": {"template": "{{ input.muted }}"}},
                    {"or": [{"exists": "${Get Event.host}"}, {"template": "${Get Event.name} == 'db'"}]},
                ]}},
                {"label": "else", "steps": ["Report"]},
            ]},
            echo("Create Incident", &["Get Event"], json!("${Get Event.name}")),
            echo("Number It", &["Create Incident", "Get Event"], json!("INC-${Create Incident}")),
            echo("Update Incident", &[], json!("updated")),
            {"name": "Report", "operator": "transform",
             "data_from": ["Number It", "Update Incident", "Get Event"],
             "template": "{% set d = dict() %}{% do d.update({'event': Get_Event.name, 'incident': Number_It or Update_Incident}) %}{{ d | tojson }}"},
            echo("Last", &["Report"], json!("${Report.incident} of ${Report.event}")),
        ],
    })
}

/// What each kind of event makes of it.
fn triages(client: &mut Client) {
    let saved = save(client, "applications", &triage());
    assert_eq!(saved["warnings"], json!([]), "{saved}");
    let mut judged = |event: Value| {
        let run = run(client, "triage", &json!({"event": event, "loglevel": 20}));
        assert_eq!(run["state"], "success", "{run}");
        let last = output(client, &run, "Last");
        let chosen = output(client, &run, "How bad?");
        (run, chosen, last)
    };
    let (first, chosen, last) = judged(json!({"severity": "critical", "name": "db"}));
    assert_eq!(chosen, json!({"branch": "critical", "index": 0}));
    assert_eq!(last, json!("INC-db of db"));
    assert_eq!(
        states(&first),
        [
            ("Get Event", "success"),
            ("How bad?", "success"),
            ("Create Incident", "success"),
            ("Number It", "success"),
            ("Update Incident", "not_taken"),
            ("Report", "success"),
            ("Last", "success"),
        ]
    );
    assert_eq!(step(&first, "How bad?")["file"], "Condition");
    assert_eq!(step(&first, "How bad?")["syncpack"], "flow_control");
    let (second, chosen, last) =
        judged(json!({"severity": "minor", "score": "4.5", "name": "db", "muted": false}));
    assert_eq!(chosen, json!({"branch": "major", "index": 1}));
    assert_eq!(last, json!("updated of db"));
    assert_eq!(step(&second, "Create Incident")["state"], "not_taken");
    assert_eq!(step(&second, "Number It")["state"], "not_taken");
    // Neither: the score leads to nothing, which is noted and counts as null.
    let (third, chosen, last) = judged(json!({"severity": "minor", "name": "web"}));
    assert_eq!(chosen, json!({"branch": "else", "index": 2}));
    assert_eq!(last, json!("null of web"));
    assert_eq!(step(&third, "Update Incident")["state"], "not_taken");
    let id = third["task_id"].as_str().unwrap();
    let lines = log(client, id);
    let said = |line: &Value| line["message"].as_str().unwrap_or_default().to_owned();
    assert!(
        lines
            .iter()
            .any(|line| said(line).contains("${Get Event.score} leads to no value")),
        "{lines:?}"
    );
    assert!(
        lines
            .iter()
            .any(|line| said(line).contains("chose the branch \"else\"")),
        "{lines:?}"
    );
}

#[test]
fn branches_are_taken_or_not_and_meet_again() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    triages(&mut client);
    nothing_holds(&mut client);
    a_failure_is_no_branch(&mut client);
    wrong_operands_and_templates_fail(&mut client);
    service.stop().unwrap();
}

/// Without an else, and where nothing holds, the run ends well.
fn nothing_holds(client: &mut Client) {
    let steps = json!([
        {"name": "C", "operator": "condition", "branches": [
            {"label": "never", "when": {"equal": [1, 2]}, "steps": ["A"]}]},
        echo("A", &[], json!(1)), echo("B", &["A"], json!(2)),
    ]);
    save(
        client,
        "applications",
        &json!({"name": "nothing", "steps": steps}),
    );
    let run = run(client, "nothing", &json!({}));
    assert_eq!(run["state"], "success", "{run}");
    assert_eq!(states(&run)[1..], [("A", "not_taken"), ("B", "not_taken")]);
    assert_eq!(
        output(client, &run, "C"),
        json!({"branch": null, "index": null})
    );
}

/// Two conditions in a row, and what fails in a branch skips what follows it and nothing else.
fn a_failure_is_no_branch(client: &mut Client) {
    let steps = json!([
        {"name": "C1", "operator": "condition", "branches": [
            {"label": "yes", "when": {"equal": [1, 1.0]}, "steps": ["C2"]},
            {"label": "no", "steps": ["Off"]}]},
        {"name": "C2", "operator": "condition", "output_to": ["Always"], "branches": [
            {"label": "bad", "when": {"contains": [["a", "b"], "b"]}, "steps": ["Bad"]},
            {"label": "good", "steps": ["Good"]}]},
        {"name": "Bad", "file": "Fail", "syncpack": "trial_pack"},
        echo("After", &["Bad"], json!(1)), echo("Good", &[], json!(1)), echo("Off", &[], json!(1)),
        echo("Always", &[], json!(1)), echo("Join", &["After", "Good"], json!(1)),
    ]);
    save(
        client,
        "applications",
        &json!({"name": "fails", "steps": steps}),
    );
    let run = run(client, "fails", &json!({}));
    assert_eq!(run["state"], "failed", "{run}");
    assert_eq!(
        states(&run),
        [
            ("C1", "success"),
            ("C2", "success"),
            ("Bad", "failed"),
            ("After", "skipped"),
            ("Good", "not_taken"),
            ("Off", "not_taken"),
            ("Always", "success"),
            ("Join", "skipped"),
        ]
    );
}

fn failure(client: &mut Client, operator: Value) -> Value {
    let mut operator = operator;
    operator["name"] = "It".into();
    save(
        client,
        "applications",
        &json!({"name": "wrong", "steps": [operator]}),
    );
    let run = run(client, "wrong", &json!({}));
    assert_eq!(run["state"], "failed", "{run}");
    step(&run, "It")["error"].clone()
}

fn wrong_operands_and_templates_fail(client: &mut Client) {
    let error = failure(
        client,
        json!({"operator": "transform", "template": "a\n{{ nope.nope }}"}),
    );
    assert_eq!(error["code"], "template-undefined", "{error}");
    assert!(
        error["message"].as_str().unwrap().contains("line 2"),
        "{error}"
    );
    let error = failure(
        client,
        json!({"operator": "transform", "template": "{% if %}"}),
    );
    assert_eq!(error["code"], "template-syntax", "{error}");
    let error = failure(
        client,
        json!({"operator": "condition", "branches": [
        {"label": "b", "when": {"template": "1 +"}, "steps": []}]}),
    );
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .starts_with("branch \"b\""),
        "{error}"
    );
}

/// A template that never ends, and one that eats all memory, end in their error; the service
/// goes on.
#[test]
fn a_template_is_ended_by_its_limits() {
    let folder = support::folder();
    let plan = Plan::new(folder.path())
        .unwrap()
        .with("runtime.memory", "32MiB");
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    let endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}";
    let error = failure(
        &mut client,
        json!({"operator": "transform", "template": endless, "task_time_limit": 1}),
    );
    assert_eq!(error["code"], "timeout", "{error}");
    let hungry = "{% set l = ['x' * 1000] %}{% for a in range(99999) %}{% do l.append('x' * 10000 ~ a) %}{% endfor %}";
    let error = failure(
        &mut client,
        json!({"operator": "transform", "template": hungry}),
    );
    assert_eq!(error["code"], "out-of-memory", "{error}");
    let deep = "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}";
    let error = failure(
        &mut client,
        json!({"operator": "transform", "template": deep}),
    );
    assert_eq!(error["code"], "template", "{error}");
    triages(&mut client);
    service.stop().unwrap();
}

#[test]
#[expect(clippy::too_many_lines, reason = "one case after the other")]
fn an_operator_is_previewed_on_data_and_on_a_run() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    save(&mut client, "applications", &triage());
    let of = |name: &str| {
        let document = triage();
        let steps = document["steps"].as_array().unwrap();
        steps
            .iter()
            .find(|step| step["name"] == name)
            .unwrap()
            .clone()
    };
    let before = client.get("/api/v1/runs").unwrap();
    let mut preview = |body: Value| {
        client
            .send_json("POST", "/api/v1/operators/preview", &body)
            .unwrap()
    };
    let made = preview(json!({
        "operator": {"operator": "condition", "branches": [
            {"label": "hot", "when": {"at_least": ["${Probe.degrees}", 90]}, "steps": ["Cool It"]}]},
        "data": {"Probe": {"degrees": 90}},
    }));
    assert_eq!(made["data"], json!({"branch": "hot", "index": 0}), "{made}");
    assert_eq!(made["next"], json!(["Cool It"]));
    let template = |template: &str| json!({"operator": {"operator": "transform", "template": template}, "data": {"Get Event": {"a": [1, 2]}}});
    assert_eq!(preview(template("{{ input.a | sum }}"))["data"], 3);
    assert_eq!(
        preview(template("{{ Get_Event.a | last }} ${Get Event.a.0}"))["data"],
        "2 1"
    );
    let failed = preview(template("x\n\n{{ input.b.c }}"));
    assert_eq!(
        (&failed["error"]["code"], &failed["error"]["line"]),
        (&json!("template-undefined"), &json!(3)),
        "{failed}"
    );
    assert!(failed["data"].is_null());
    assert_eq!(
        preview(template("${Get Event.none}"))["error"]["code"],
        "PF-R007"
    );
    let endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}";
    assert_eq!(preview(template(endless))["error"]["code"], "timeout");
    let wrong = client
        .send(
            "POST",
            "/api/v1/operators/preview",
            &[("content-type", "application/json")],
            json!({"operator": {"operator": "condition", "branches": [{"when": {"eqaul": [1, 1]}, "steps": []}]}}).to_string().as_bytes(),
        )
        .unwrap();
    assert_eq!(wrong.status, 422);
    let wrong: Value = serde_json::from_slice(&wrong.body).unwrap();
    assert_eq!(
        wrong["errors"][0]["at"], "/operator/branches/0/when/eqaul",
        "{wrong}"
    );
    assert!(
        wrong["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("did you mean `equal`?"),
        "{wrong}"
    );
    // Brackets in code end none of it, nor does what a condition has no use for do harm.
    let nested = json!({"operator": {"operator": "transform", "output": "text",
        "template": "{{ {'a': {'b': 1}}.a.b ~ ${x.y} }}"}, "data": {"x": {"y": "z"}}});
    let made = client
        .send_json("POST", "/api/v1/operators/preview", &nested)
        .unwrap();
    assert_eq!(made["data"], "1z", "{made}");
    let stray = json!({"operator": {"operator": "condition", "output": 7,
        "branches": [{"label": "yes", "when": {"equal": [1, 1]}, "steps": []}]}, "data": {}});
    let made = client
        .send_json("POST", "/api/v1/operators/preview", &stray)
        .unwrap();
    assert_eq!(made["data"]["branch"], "yes", "{made}");
    // Nothing was stored by any of them.
    assert_eq!(client.get("/api/v1/runs").unwrap(), before);

    let run = run(
        &mut client,
        "triage",
        &json!({"event": {"severity": "critical", "name": "db"}}),
    );
    let on_run = |client: &mut Client, operator: Value| {
        let body = json!({"operator": operator, "run": run["task_id"]});
        client
            .send_json("POST", "/api/v1/operators/preview", &body)
            .unwrap()
    };
    let made = on_run(&mut client, of("How bad?"));
    assert_eq!(
        (&made["data"]["branch"], &made["next"]),
        (&json!("critical"), &json!(["Create Incident"]))
    );
    let mut report = of("Report");
    report["template"] =
        "{{ Number_It }} {{ Update_Incident is none }} {{ ${appvar.limit} + 1 }}".into();
    assert_eq!(on_run(&mut client, report)["data"], "INC-db True 4");
    service.stop().unwrap();
}

/// Operators are given no secret, wherever it comes from: what they make of one, in reverse
/// say, no mask would find.
#[test]
fn operators_are_given_no_secret() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    let configuration = json!({"name": "acme", "configuration_data": [
        {"name": "password", "value": "correct-horse-battery", "encrypted": true},
        {"name": "url", "value": "https://u:${config.password}@acme.example"},
        {"name": "place", "value": "Vienna"}]});
    save(&mut client, "configurations", &configuration);
    let variables = json!([
        {"name": "token", "param_type": "secret"},
        {"name": "derived", "value": "Bearer ${config.password}"}]);
    let equal = |left: &str| {
        json!({"operator": "condition", "branches": [
            {"label": "yes", "when": {"equal": [left, "x"]}, "steps": ["then"]}]})
    };
    for operator in [
        json!({"operator": "transform", "template": "{{ ${config.password} | reverse }}"}),
        json!({"operator": "transform", "template": "a ${config.password}"}),
        json!({"operator": "transform", "template": "{{ ${config.url} | length }}"}),
        json!({"operator": "transform", "template": "{{ ${appvar.token} | reverse }}"}),
        json!({"operator": "transform", "template": "{{ ${appvar.derived} | reverse }}"}),
        equal("${config.password}"),
    ] {
        let mut named = operator.clone();
        named["name"] = "op".into();
        let application = json!({"name": "shows", "app_variables": variables, "steps": [
            named, {"name": "then", "file": "Echo", "syncpack": "trial_pack"}]});
        let saved = save(&mut client, "applications", &application);
        assert_eq!(saved["faults"], json!([]), "{saved}");
        let params = json!({"configuration": "acme", "token": "yrettab-esroh"});
        let body = json!({"name": "shows", "params": params}).to_string();
        let json_type = [("content-type", "application/json")];
        let path = "/api/v1/applications/run";
        let refused = client
            .send("POST", path, &json_type, body.as_bytes())
            .unwrap();
        let said = support::problem(&refused, "an operator that refers to a secret");
        assert_eq!(said["code"], "PF-1002", "{operator}: {said}");
        let faults = said["errors"].as_array().unwrap();
        assert_eq!(faults.len(), 1, "{operator}: {said}");
        assert_eq!(faults[0]["code"], "PF-R016", "{operator}: {said}");
        for secret in ["horse", "esroh"] {
            assert!(!said.to_string().contains(secret), "{said}");
        }
        if !operator.to_string().contains("appvar") {
            let body = json!({"operator": operator, "data": {}, "configuration": "acme"});
            let shown = client
                .send_json("POST", "/api/v1/operators/preview", &body)
                .unwrap();
            assert_eq!(shown["error"]["code"], "PF-R016", "{operator}: {shown}");
        }
    }
    let body = json!({
        "operator": {"operator": "transform", "template": "in ${config.place}"},
        "configuration": "acme",
    });
    let made = client
        .send_json("POST", "/api/v1/operators/preview", &body)
        .unwrap();
    assert_eq!(made["data"], "in Vienna");
    service.stop().unwrap();
}

/// A condition that fails has chosen no branch, also where the run goes on behind it.
#[test]
fn a_failed_condition_chooses_no_branch() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    let echo = |name: &str| json!({"name": name, "file": "Echo", "syncpack": "trial_pack"});
    let application = json!({"name": "fails", "steps": [
        {"name": "which", "operator": "condition", "task_on_error": "continue",
            "output_to": ["always"], "branches": [
                {"label": "a", "when": {"template": "{{ nope.nope.nope }}"}, "steps": ["one"]},
                {"label": "b", "steps": ["other"]}]},
        echo("one"), echo("other"), echo("always")]});
    let saved = save(&mut client, "applications", &application);
    assert_eq!(saved["faults"], json!([]), "{saved}");
    let done = run(&mut client, "fails", &json!({}));
    let states = ["which", "one", "other", "always"].map(|name| step(&done, name)["state"].clone());
    assert_eq!(
        json!(states),
        json!(["warning", "not_taken", "not_taken", "success"]),
        "{done}"
    );
    service.stop().unwrap();
}

/// The built-in SyncPack is there from the first moment, stays over restarts, and nobody can
/// take its place.
#[test]
fn the_built_in_pack_is_part_of_the_service() {
    let folder = support::folder();
    let plan = Plan::new(folder.path()).unwrap();
    let active = |client: &mut Client| {
        let packs = client.get("/api/v1/syncpacks").unwrap();
        let items = packs["items"].as_array().unwrap().clone();
        items
            .into_iter()
            .filter(|pack| pack["name"] == "flow_control")
            .collect::<Vec<_>>()
    };
    let service = plan.start().unwrap();
    let mut client = service.client().unwrap();
    let first = active(&mut client);
    assert_eq!(first.len(), 1, "{first:?}");
    let schema = client.get("/api/v1/operators/schema").unwrap();
    assert_eq!(schema["title"], "Operator");
    let path = "/api/v1/syncpacks/flow_control/deactivate";
    let refused = client.send("POST", path, &[], &[]).unwrap();
    assert!(!refused.is_success(), "{}", refused.status);
    service.stop().unwrap();
    let service = plan.start().unwrap();
    assert_eq!(active(&mut service.client().unwrap()), first);
    service.stop().unwrap();
}

/// Several processes start at once, each sees to the built-in SyncPack, and any of them
/// executes what the other accepts.
#[test]
fn operators_work_on_a_cluster() {
    let folder = support::folder();
    let size = Size {
        apis: 2,
        ..Size::default()
    };
    let cluster = Cluster::start(folder.path(), &size, &[]).unwrap();
    cluster.api().upload(&TRIAL.build().unwrap()).unwrap();
    cluster.api().activate(TRIAL.name, TRIAL.grants).unwrap();
    let mut client = cluster.apis[0].client().unwrap();
    triages(&mut client);
    nothing_holds(&mut client);
    a_failure_is_no_branch(&mut client);
    let mut other = cluster.apis[1].client().unwrap();
    let id = start(
        &mut other,
        "triage",
        &json!({"event": {"severity": "critical", "name": "x"}}),
    );
    until("the run", || {
        let run = support::task(&mut other, &id);
        (run["ended"] == true).then_some(())
    });
    let body = json!({"operator": {"operator": "transform", "template": "{{ 1 + 1 }}"}});
    let made = other
        .send_json("POST", "/api/v1/operators/preview", &body)
        .unwrap();
    assert_eq!(made["data"], 2);
    cluster.stop().unwrap();
}
