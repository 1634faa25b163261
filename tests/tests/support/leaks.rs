//! A secret in all its forms, and where it could show.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use harness::service::Service;
use serde_json::{Value, json};

use super::part;

/// What every form of escaping changes.
pub(crate) const SECRET: &str = "Zürich \"pass/word\" +?&%<=>\\ 0815";

/// Every form in which the secret could show.
pub(crate) fn forms() -> Vec<(String, Vec<u8>)> {
    let quoted = Value::from(SECRET).to_string();
    let escaped = quoted.trim_matches('"').to_owned();
    let twice = Value::from(quoted.as_str()).to_string();
    let ascii: String = escaped
        .chars()
        .map(|c| {
            if c.is_ascii() {
                c.to_string()
            } else {
                format!("\\u{:04x}", c as u32)
            }
        })
        .collect();
    let spaces = part(SECRET).replace("%20", "+");
    let mut all = vec![
        ("plain".to_owned(), SECRET.to_owned()),
        ("in JSON".to_owned(), escaped),
        (
            "in JSON in JSON".to_owned(),
            twice.trim_matches(['"', '\\']).to_owned(),
        ),
        ("in ASCII JSON".to_owned(), ascii),
        ("in a URL".to_owned(), part(SECRET)),
        ("in a form".to_owned(), spaces),
    ];
    // At each of the three places within groups of three bytes; the ends depend on neighbours.
    for (name, engine) in [("base64", &STANDARD), ("base64url", &URL_SAFE)] {
        for shift in 0..3 {
            let text = engine.encode(format!("{}{SECRET}", "x".repeat(shift)));
            let text = text.trim_end_matches('=');
            all.push((
                format!("{name} {shift}"),
                text[4..text.len() - 4].to_owned(),
            ));
        }
    }
    // A part that most escaping leaves as it is.
    all.push(("in part".to_owned(), "pass/word".to_owned()));
    all.into_iter()
        .map(|(name, text)| (name, text.into_bytes()))
        .collect()
}

pub(crate) fn assert_without(what: &str, bytes: &[u8]) {
    for (name, form) in forms() {
        assert!(
            !bytes.windows(form.len()).any(|window| window == form),
            "the secret stands {name} in {what}"
        );
    }
}

/// Every file below a folder.
pub(crate) fn scan(folder: &Path, seen: &mut usize) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            scan(&path, seen);
        } else {
            *seen += 1;
            assert_without(&path.display().to_string(), &fs::read(&path).unwrap());
        }
    }
}

/// Runs it and reads everything that can be read of the run.
pub(crate) fn run_and_read(service: &Service, application: &str, params: &Value, state: &str) {
    let mut client = service.client().unwrap();
    let run = super::run(&mut client, application, params);
    assert_eq!(run["state"], state, "{run}");
    let id = run["task_id"].as_str().unwrap();
    let mut texts = vec![("the run".to_owned(), run.to_string())];
    for part in ["", "/data", "/logs?limit=5000&level=10"] {
        let path = format!("/api/v1/tasks/{id}{part}");
        texts.push((path.clone(), client.get(&path).unwrap().to_string()));
        for step in run["steps"].as_array().unwrap() {
            let path = format!("/api/v1/tasks/{}{part}", step["task_id"].as_str().unwrap());
            texts.push((path.clone(), client.get(&path).unwrap().to_string()));
        }
    }
    let lines = super::log(&mut client, id);
    assert!(
        lines.iter().any(|line| line["level"] == "DEBUG"),
        "{lines:?}"
    );
    for arguments in [
        ["run", "show", id],
        ["run", "logs", id],
        ["run", "data", id],
    ] {
        let output = super::pfctl(service, &arguments);
        texts.push((
            format!("pfctl {arguments:?}"),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        ));
        texts.push((
            format!("pfctl {arguments:?}"),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ));
    }
    for (what, text) in texts {
        // A step may return the handle that it was given; a log shows none.
        let handle = what.contains("logs") && text.contains("pf-secret:");
        assert!(!handle, "{what} of {application} shows a handle: {text}");
        assert_without(&format!("{what} of {application}"), text.as_bytes());
    }
}

/// Of each run that tried, only what was made with the secret is in the cache; its log says so.
pub(crate) fn kept_out_of_the_cache(service: &Service, runs: usize, name: &str) {
    let mut client = service.client().unwrap();
    let cache = client.get("/api/v1/cache?limit=200").unwrap();
    let records = cache["items"].as_array().unwrap();
    assert_eq!(records.len(), runs, "{cache}");
    for record in records {
        let key = record["key"].as_str().unwrap();
        let run = key.strip_suffix("/token").unwrap();
        let read = client.get(&format!("/api/v1/cache/{}", part(key))).unwrap();
        let token = json!(format!("token-{}", SECRET.len()));
        assert_eq!(read["value"], token, "{read}");
        let refusals: Vec<Value> = super::log(&mut client, run)
            .into_iter()
            .filter(|line| line["level"] == "WARNING")
            .filter(|line| line.to_string().contains("of the cache record holds"))
            .collect();
        assert_eq!(refusals.len(), 3, "{refusals:?}");
        let named = |line: &Value| line["message"].as_str().unwrap().contains(name);
        assert!(refusals.iter().all(named), "{refusals:?}");
    }
}
