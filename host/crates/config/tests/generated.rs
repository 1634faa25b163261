//! The committed reference is the one that the doc comments give. With
//! `POWERFLOW_WRITE_GENERATED=1` the test writes it instead.
#![expect(
    clippy::unwrap_used,
    reason = "a test may panic on what it did not expect"
)]

use std::{env, fs, path::Path};

use config::{Settings, reference};

fn agrees(name: &str, content: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name);
    if env::var_os("POWERFLOW_WRITE_GENERATED").is_some() {
        fs::write(&path, content).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == content,
        "host/docs/{name} is out of date: run \
         `POWERFLOW_WRITE_GENERATED=1 cargo test -p powerflow-config --test generated`"
    );
}

#[test]
fn the_committed_files_are_up_to_date() {
    agrees("configuration.md", &reference::markdown());
    agrees("powerflow.example.toml", &reference::example());
    agrees("powerflow.schema.json", &reference::schema());
}

/// The example with every default uncommented changes nothing.
#[test]
fn the_example_holds_the_defaults() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("powerflow.toml");
    let uncommented: String = reference::example()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    assert!(uncommented.contains("\nlisten = "));
    fs::write(&path, uncommented).unwrap();
    let read = Settings::load(Some(&path), [], &[]).unwrap();
    let defaults = Settings::load(None, [], &[]).unwrap();
    assert_eq!(read.effective().len(), defaults.effective().len());
    for (read, default) in read.effective().iter().zip(defaults.effective()) {
        assert_eq!(read.shown, default.shown);
        assert_ne!(read.origin, default.origin);
    }
}

#[test]
fn every_setting_says_what_it_is() {
    for section in Settings::describe() {
        for field in &section.fields {
            let name = format!("{}.{}", section.name, field.name);
            assert!(field.doc.len() > 20, "{name} has no documentation");
            assert!(field.optional || field.default.is_some(), "{name}");
        }
    }
}
