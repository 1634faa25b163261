//! What Prometheus reads of a service that has worked.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
#![expect(clippy::float_cmp, reason = "counts are whole numbers")]

mod support;

use std::collections::HashMap;

use harness::http::Client;
use harness::packs::BENCH;
use serde_json::json;
use support::run;

/// The samples of a text in the format of OpenMetrics, by name and labels. Fails where a line is
/// neither a sample nor a comment.
fn samples(text: &str) -> HashMap<String, f64> {
    assert!(text.ends_with("# EOF\n"), "{text}");
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with("powerflow_"), "{line}");
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

#[test]
fn what_a_service_did_is_told() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[BENCH]);
    let mut client = service.client().unwrap();
    for number in 0..3 {
        let params = json!({"event": {"id": number}});
        assert_eq!(
            run(&mut client, "bench_chain_of_three", &params)["state"],
            "success"
        );
    }
    let response = client.send("GET", "/metrics", &[], &[]).unwrap();
    assert_eq!(response.status, 200);
    let kind = response.header("content-type").unwrap();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let found = samples(&String::from_utf8(response.body).unwrap());
    let of = |name: &str| {
        *found
            .get(name)
            .unwrap_or_else(|| panic!("no {name}: {found:?}"))
    };
    assert_eq!(of("powerflow_runs_accepted_total"), 3.0);
    assert_eq!(of("powerflow_runs_ended_total{state=\"success\"}"), 3.0);
    assert_eq!(of("powerflow_steps_ended_total{state=\"success\"}"), 9.0);
    assert_eq!(of("powerflow_step_duration_seconds_count"), 9.0);
    assert_eq!(of("powerflow_steps_running"), 0.0);
    assert_eq!(of("powerflow_slots"), 512.0);
    assert_eq!(of("powerflow_leases_lost_total"), 0.0);
    assert!(of("powerflow_store_commit_items_sum") >= 12.0);
    assert!(of("powerflow_sandbox_programs") >= 1.0);
    let requests = "powerflow_http_requests_total{method=\"POST\",status=\"202\"}";
    assert_eq!(of(requests), 3.0);

    let mut stranger = Client::new(service.url()).unwrap();
    let refused = stranger.send("GET", "/metrics", &[], &[]).unwrap();
    assert_eq!(refused.status, 401);
    service.stop().unwrap();
}
