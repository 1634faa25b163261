//! What steps hand on, and for how long it is kept.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use harness::cluster::{Cluster, Size};
use harness::http::Client;
use harness::packs::TRIAL;
use serde_json::{Value, json};
use support::{output, run, save};

const MEGABYTES: usize = 20;

/// A step makes twenty megabytes, the next hands them on as they are, the last counts them.
fn large(client: &mut Client) {
    let size = MEGABYTES << 20;
    let application = json!({"name": "large", "result_expires": 86_400, "steps": [
        {"name": "make", "operator": "transform", "output": "text",
            "template": format!("{{{{ 'x' * {} }}}}", size - 2)},
        {"name": "hand on", "file": "Echo", "syncpack": "trial_pack", "data_from": ["make"],
            "value": "${make}"},
        {"name": "count", "operator": "transform", "data_from": ["hand on"],
            "template": "{{ input | length }}"}]});
    let saved = save(client, "applications", &application);
    assert_eq!(saved["faults"], json!([]), "{saved}");

    // Others are answered meanwhile.
    let done = AtomicBool::new(false);
    let mut other = client.another();
    let (worst, answers) = thread::scope(|scope| {
        let asks = scope.spawn(|| {
            let mut worst = Duration::ZERO;
            let mut answers = 0;
            while !done.load(Ordering::Relaxed) {
                let asked = Instant::now();
                other.get("/api/v1/applications").unwrap();
                worst = worst.max(asked.elapsed());
                answers += 1;
            }
            (worst, answers)
        });
        let ended = run(client, "large", &json!({}));
        done.store(true, Ordering::Relaxed);
        assert_eq!(ended["state"], "success", "{ended}");
        assert_eq!(output(client, &ended, "count"), size - 2);
        assert!(is_a_day(&ended), "{ended}");
        asks.join().unwrap()
    });
    println!("{answers} requests were answered meanwhile, the slowest in {worst:?}");
    assert!(answers > 0);
}

/// Whether the run is kept for a day from its acceptance.
fn is_a_day(run: &Value) -> bool {
    let moment = |key: &str| -> (String, String) {
        let (date, time) = run[key].as_str().unwrap().split_once('T').unwrap();
        (date.to_owned(), time.to_owned())
    };
    let (accepted, expires) = (moment("created_at"), moment("expires_at"));
    accepted.1 == expires.1 && accepted.0 < expires.0
}

#[test]
fn one_process_hands_much_on() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    large(&mut service.client().unwrap());
    for wrong in [json!("7d"), json!(59), json!(-1)] {
        let application = json!({"name": "wrong", "steps": [], "result_expires": wrong});
        let saved = save(&mut service.client().unwrap(), "applications", &application);
        let faults = saved["faults"].as_array().unwrap();
        assert_eq!(faults[0]["code"], "PF-A053", "{saved}");
        assert_eq!(faults[0]["at"], "/result_expires");
    }
    service.stop().unwrap();
}

#[test]
fn a_cluster_hands_much_on() {
    let folder = support::folder();
    let cluster = Cluster::start(folder.path(), &Size::default(), &[]).unwrap();
    cluster.api().upload(&TRIAL.build().unwrap()).unwrap();
    cluster.api().activate(TRIAL.name, TRIAL.grants).unwrap();
    large(&mut cluster.api().client().unwrap());
    cluster.stop().unwrap();
}
