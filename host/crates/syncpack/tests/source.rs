//! The source folder and the template.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path};

use serde_json::json;
use syncpack::{
    Error, HostPattern,
    source::{Component, Folder},
    template::{self, SdkSource},
};

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let files = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
        .collect();
    template::write(folder.path(), &files).unwrap();
    folder
}

fn load(files: &[(&str, &str)]) -> Result<Folder, Error> {
    Folder::load(folder(files).path())
}

const META: &str =
    r#"{"name": "p", "version": "1.0.0", "schedules": [{"application_id": "a"}], "other": 1}"#;

#[test]
fn a_folder_is_loaded_in_the_order_of_its_names() {
    let loaded = load(&[
        ("meta.json", META),
        ("pack.wasm", ""),
        ("apps/b.json", r#"{"name": "own", "steps": []}"#),
        ("apps/a größe.json", "\u{feff}{\"friendly_name\": \"A\"}"),
        ("apps/notes.txt", "no JSON"),
        ("configs/list.json", r#"[{"name": "x", "value": 1}]"#),
        ("README.md", "docs"),
    ])
    .unwrap();
    assert_eq!(
        loaded.applications,
        [
            json!({ "name": "a größe", "friendly_name": "A" }),
            json!({ "name": "own", "steps": [] })
        ]
    );
    assert_eq!(
        loaded.configurations,
        [json!({ "name": "list", "configuration_data": [{ "name": "x", "value": 1 }] })]
    );
    assert_eq!(loaded.schedules, [json!({ "application_id": "a" })]);
    assert_eq!(loaded.meta.extra.get("other"), Some(&json!(1)));
    assert_eq!(loaded.docs.as_deref(), Some("docs"));
    assert!(matches!(loaded.component, Component::Prebuilt(path) if path.ends_with("pack.wasm")));
}

#[test]
fn an_error_names_file_line_and_column() {
    let broken = load(&[
        ("meta.json", META),
        ("Cargo.toml", ""),
        ("apps/x.json", "{\n  \"name\": \"x\",\n}"),
    ])
    .unwrap_err();
    assert!(
        broken.to_string().ends_with("x.json:3:1: trailing comma"),
        "{broken}"
    );
    let shape = load(&[("meta.json", r#"{"version": "1"}"#), ("Cargo.toml", "")]).unwrap_err();
    assert!(
        shape.to_string().contains("meta.json:") && shape.to_string().contains("`name` is missing"),
        "{shape}"
    );
    for (files, expected) in [
        (&[][..], "no meta.json here"),
        (
            &[("meta.json", META)],
            "neither a Cargo.toml nor a compiled component",
        ),
        (
            &[("meta.json", META), ("a.wasm", ""), ("b.wasm", "")],
            "several *.wasm files",
        ),
        (
            &[
                ("meta.json", META),
                ("Cargo.toml", ""),
                ("apps/x.json", "1"),
            ],
            "no JSON object",
        ),
    ] {
        let error = load(files).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.code(), "PF-SYNCPACK-SOURCE");
    }
    assert!(
        Folder::load(Path::new("/nowhere/at/all"))
            .unwrap_err()
            .to_string()
            .contains("no such folder")
    );
}

#[test]
fn the_source_of_a_step_is_the_file_that_declares_it() {
    let folder = folder(&[
        ("meta.json", META),
        ("Cargo.toml", ""),
        ("src/lib.rs", "pub struct FetchAll;\n"),
        ("src/deep/fetch.rs", "pub struct Fetch { a: u8 }\n"),
        (
            "src/named.rs",
            "#[step(name = \"Odd Name\")] struct Other;\n",
        ),
    ]);
    let description = serde_json::from_value(
        json!({ "steps": [{ "name": "Fetch" }, { "name": "Odd Name" }, { "name": "Absent" }] }),
    );
    let metadata = Folder::load(folder.path())
        .unwrap()
        .metadata(description.unwrap());
    assert!(metadata.sources["Fetch"].contains("Fetch {"));
    assert!(metadata.sources["Odd Name"].contains("Other"));
    assert_eq!(metadata.sources.len(), 2);
}

#[test]
fn a_new_project_is_a_valid_source_folder() {
    let files = template::files("my_pack", &SdkSource::Path("/a \"b\"/sdk".to_owned()));
    assert!(files["Cargo.toml"].contains(r#"powerflow-sdk = { path = "/a \"b\"/sdk" }"#));
    assert!(
        files.values().all(|text| !text.contains('@')),
        "a placeholder is left"
    );
    let root = tempfile::tempdir().unwrap();
    template::write(root.path(), &files).unwrap();
    let folder = Folder::load(root.path()).unwrap();
    let description =
        serde_json::from_value(json!({ "steps": [{ "name": "FetchItem" }] })).unwrap();
    let metadata = folder.metadata(description);
    assert_eq!(metadata.problems(), []);
    assert!(metadata.sources["FetchItem"].contains("impl Execute for FetchItem"));
    assert!(fs::exists(root.path().join(".cargo/config.toml")).unwrap());
    let whole = template::files("p", &SdkSource::Bundled);
    assert!(whole["Cargo.toml"].contains("powerflow-sdk = { path = \"sdk/rust\" }"));
    let workspace: toml::Table = whole["sdk/Cargo.toml"].parse().unwrap();
    let macros = &workspace["workspace"]["dependencies"]["powerflow-sdk-macros"];
    assert_eq!(macros["path"].as_str(), Some("rust/macros"));
    for file in [
        "rust/src/lib.rs",
        "rust/macros/src/lib.rs",
        "wit/syncpack.wit",
        "LICENSE",
    ] {
        assert!(whole.contains_key(&format!("sdk/{file}")), "{file}");
    }
    let sdk = root.path().join("sdk-of-mine");
    assert!(
        template::check_sdk(&sdk)
            .unwrap_err()
            .contains("no Cargo.toml")
    );
    assert!(
        template::check_sdk(root.path())
            .unwrap_err()
            .contains("the package my_pack")
    );
    template::write(&sdk, &whole).unwrap();
    assert_eq!(template::check_sdk(&sdk.join("sdk/rust")), Ok(()));
    assert!(
        template::check_sdk(&sdk.join("sdk"))
            .unwrap_err()
            .contains("of no package")
    );
    for name in ["", "My", "1a", "a-b", "../x", "größe"] {
        assert!(template::check_name(name).is_err(), "{name}");
    }
}

#[test]
fn host_patterns() {
    use HostPattern::{Below, Exact, Variable};
    for (text, expected) in [
        (
            "Dev1.Service-Now.com",
            Exact("dev1.service-now.com".to_owned()),
        ),
        ("*.service-now.com", Below("service-now.com".to_owned())),
        ("${config.sn_url}", Variable("sn_url".to_owned())),
        ("10.0.0.1", Exact("10.0.0.1".to_owned())),
        ("[::1]", Exact("[::1]".to_owned())),
        ("localhost", Exact("localhost".to_owned())),
    ] {
        assert_eq!(HostPattern::parse(text), Ok(expected));
    }
    for text in [
        "",
        "*",
        "*.com",
        "a.*.b",
        "https://x",
        "x/y",
        "x:80",
        "${config.}",
        "${config.a}.com",
        "${appvar.x}",
        "-a.com",
        "a b",
    ] {
        assert!(HostPattern::parse(text).is_err(), "{text}");
    }
}
