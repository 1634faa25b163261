use super::*;

fn query(action: BulkAction, states: &[&str]) -> BulkQuery {
    BulkQuery {
        action,
        application: None,
        queue: Some("celery".to_owned()),
        configuration: None,
        states: states.iter().map(|&word| word.to_owned()).collect(),
        from: None,
        until: None,
        dead_letters: false,
        newest: false,
    }
}

#[test]
fn each_action_takes_runs_that_it_can_be_done_to() {
    use BulkAction::{Cancel, Replay, Retry};
    use RunState::{Cancelled, Failed, Queued, Running};
    let filter = |action, states: &[&str]| query(action, states).filter(Some(7)).unwrap();
    let cancel = filter(Cancel, &[]);
    assert_eq!(cancel.states, [Queued, Running]);
    assert_eq!(
        (cancel.queue.as_deref(), cancel.application),
        (Some("default"), Some(7))
    );
    assert!(!cancel.top && filter(Retry, &[]).top);
    assert_eq!(filter(Retry, &[]).states, [Failed]);
    assert_eq!(
        filter(Replay, &["failed", "cancelled"]).states,
        [Failed, Cancelled]
    );
    for (action, states) in [
        (Cancel, ["failed"]),
        (Retry, ["running"]),
        (Replay, ["gone"]),
    ] {
        let faults = query(action, &states).filter(None).unwrap_err();
        assert_eq!(faults[0].at, "/states/0");
    }
    let mut window = query(Retry, &[]);
    window.from = Some(Timestamp(5));
    window.until = Some(Timestamp(5));
    assert_eq!(window.filter(None).unwrap_err()[0].at, "/until");
    // What one version stores, another reads.
    let text = "{\"query\": {\"action\": \"retry\"}, \"application\": null}";
    let stored: Stored = serde_json::from_str(text).unwrap();
    assert_eq!(stored.query.action, Retry);
}
