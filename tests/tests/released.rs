//! Components built by each released version of the contract run on today's service.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs;

use harness::{place, simulators};
use serde_json::{Value, json};

/// The pack that each of them is.

#[test]
fn components_of_every_released_contract_run() {
    let mut kept: Vec<_> = fs::read_dir(place::root().join("tests/released"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "wasm")
        })
        .collect();
    kept.sort();
    assert!(!kept.is_empty(), "no component is kept");
    for component in kept {
        let folder = support::folder();
        let simulators = simulators::Plan::default().start(folder.path()).unwrap();
        let events: Vec<Value> = ::simulators::events::generate(1, 7).collect();
        simulators.load(&events).unwrap();
        let service = support::serve(folder.path(), &[]);
        service.upload(&component).unwrap();
        support::lead_to(&service, &simulators);
        let mut client = service.client().unwrap();
        let run = support::run(&mut client, support::SYNC, &json!({"event": events[0]}));
        assert_eq!(run["state"], "success", "{}: {run}", component.display());
        assert_eq!(simulators.incidents().unwrap().len(), 1);
        service.stop().unwrap();
    }
}
