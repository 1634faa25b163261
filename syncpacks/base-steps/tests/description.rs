//! The service builds this SyncPack without executing it, so what it describes is a file.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use serde_json::Value;

#[test]
fn the_description_is_the_committed_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/description.json");
    let described: Value = serde_json::from_str(&base_steps::SYNCPACK.describe()).unwrap();
    if std::env::var_os("POWERFLOW_UPDATE").is_some() {
        let text = serde_json::to_string_pretty(&described).unwrap();
        std::fs::write(path, text + "\n").unwrap();
    }
    let committed: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(
        committed, described,
        "write it anew with POWERFLOW_UPDATE=1"
    );
}
