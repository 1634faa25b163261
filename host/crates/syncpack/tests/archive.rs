//! Reading and writing the file, good and bad.

#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use serde_json::{Value, json};
use syncpack::{Archive, CONTRACT, Error, Manifest, Metadata, Severity};
use wasm_encoder::{
    Component, ComponentExportKind, ComponentExportSection, ComponentImportSection,
    ComponentTypeRef, ComponentTypeSection, InstanceType, Module, RawSection,
};

/// A component that imports the contract's types and exports these names. Nobody runs
/// it: only its border matters here.
fn component(contract: Option<&str>, exports: &[&str]) -> Vec<u8> {
    let mut component = Component::new();
    let mut types = ComponentTypeSection::new();
    types.instance(&InstanceType::new());
    component.section(&types);
    let mut imports = ComponentImportSection::new();
    if let Some(version) = contract {
        imports.import(
            format!("powerflow:syncpack/types@{version}").as_str(),
            ComponentTypeRef::Instance(0),
        );
    }
    imports.import("wasi:http/types@0.2.12", ComponentTypeRef::Instance(0));
    component.section(&imports);
    // A module inside with a section that only looks like ours.
    let mut module = Module::new();
    module.section(&wasm_encoder::CustomSection {
        name: "powerflow:manifest".into(),
        data: b"decoy"[..].into(),
    });
    component.section(&wasm_encoder::ModuleSection(&module));
    let mut section = ComponentExportSection::new();
    for name in exports {
        section.export(*name, ComponentExportKind::Instance, 0, None);
    }
    component.section(&section);
    component.finish()
}

fn good() -> Vec<u8> {
    component(Some(CONTRACT), &["describe", "execute"])
}

fn document() -> Value {
    json!({
        "format": 1, "name": "example_pack", "version": "1.2", "wit": CONTRACT, "author": "Ä", "future": { "kept": true },
        "steps": [{
            "name": "First", "kind": "standard", "future": 1,
            "parameters": [{ "name": "url", "type": "string", "required": true, "widget": "wide" }],
        }],
        "grants": [{ "id": "web", "kind": "http", "host": "${config.url}", "reason": "it reads", "later": 1 }],
    })
}

fn manifest(document: Value) -> Manifest {
    serde_json::from_value(document).unwrap()
}

fn metadata() -> Metadata {
    let mut metadata = Metadata::new(manifest(document()));
    metadata.applications = vec![
        json!({ "name": "größe", "steps": [{ "name": "a", "file": "First", "syncpack": "example_pack" }] }),
    ];
    metadata.configurations = vec![
        json!({ "name": "c", "configuration_data": [{ "name": "p", "value": "", "encrypted": true }] }),
    ];
    metadata.schedules = vec![json!({ "application_id": "größe", "entry_id": "e" })];
    metadata.docs = Some("# Größe\n".to_owned());
    metadata
        .sources
        .insert("First".to_owned(), "struct First;".to_owned());
    metadata
}

#[test]
fn what_is_written_is_read() {
    let bytes = Archive::write(&good(), &metadata()).unwrap();
    let archive = Archive::read(&bytes).unwrap();
    assert_eq!(archive.metadata, metadata());
    assert_eq!(
        archive.interface.imports,
        ["powerflow:syncpack/types@1.0.0", "wasi:http/types@0.2.12"]
    );
    assert_eq!(archive.interface.exports, ["describe", "execute"]);
    assert_eq!((archive.size, archive.digest.len()), (bytes.len(), 64));
    let odd: Vec<_> = archive
        .warnings
        .iter()
        .map(|one| (one.code, &*one.path))
        .collect();
    let stray = "PF-SYNCPACK-STRAY-KEY";
    assert_eq!(odd, [(stray, "/future"), (stray, "/grants/0/later")]);
}

#[test]
fn unknown_keys_survive() {
    let bytes = Archive::write(&good(), &metadata()).unwrap();
    let written = serde_json::to_value(Archive::read(&bytes).unwrap().metadata.manifest).unwrap();
    assert_eq!(written["future"], json!({ "kept": true }));
    assert_eq!(written["steps"][0]["future"], 1);
    assert_eq!(written["steps"][0]["parameters"][0]["widget"], "wide");
    assert_eq!(written["grants"][0]["later"], 1);
}

#[test]
fn the_same_input_gives_the_same_bytes_and_sections_are_replaced() {
    let once = Archive::write(&good(), &metadata()).unwrap();
    assert_eq!(once, Archive::write(&good(), &metadata()).unwrap());
    assert_eq!(once, Archive::write(&once, &metadata()).unwrap());
}

#[test]
fn the_digest_is_sha_256_of_the_file() {
    // A change of one byte in the docs changes it.
    let mut other = metadata();
    other.docs = Some("# Grösse\n".to_owned());
    let digest = |metadata| {
        Archive::read(&Archive::write(&good(), &metadata).unwrap())
            .unwrap()
            .digest
    };
    assert_ne!(digest(metadata()), digest(other));
}

fn code(result: Result<Archive, Error>) -> &'static str {
    result.unwrap_err().code()
}

#[test]
fn what_is_no_syncpack_says_what_it_is() {
    let error = Archive::read(b"PK\x03\x04zip").unwrap_err();
    assert_eq!(error.code(), "PF-SYNCPACK-NOT-WASM");
    assert!(error.to_string().contains("PK\\x03\\x04zip"), "{error}");
    assert_eq!(code(Archive::read(b"")), "PF-SYNCPACK-NOT-WASM");
    assert_eq!(
        code(Archive::read(b"\0asm\x01\0\0\0")),
        "PF-SYNCPACK-CORE-MODULE"
    );
    assert_eq!(
        code(Archive::read(b"\0asm\x02\0\0\0")),
        "PF-SYNCPACK-MALFORMED"
    );
    assert_eq!(code(Archive::read(&good())), "PF-SYNCPACK-NO-MANIFEST");
    let bytes = Archive::write(&good(), &metadata()).unwrap();
    for end in [3, 6, 9, 20, bytes.len() / 2, bytes.len() - 1] {
        let found = code(Archive::read(&bytes[..end]));
        assert!(
            ["PF-SYNCPACK-TRUNCATED", "PF-SYNCPACK-NOT-WASM"].contains(&found),
            "{end}: {found}"
        );
    }
}

#[test]
fn a_component_that_lacks_the_contract_is_refused() {
    let write = |component: &[u8]| Archive::write(component, &metadata()).unwrap_err();
    assert_eq!(
        write(&component(Some(CONTRACT), &["describe"])).code(),
        "PF-SYNCPACK-MISSING-EXPORT"
    );
    assert_eq!(
        write(&component(None, &["describe", "execute"])).code(),
        "PF-SYNCPACK-CONTRACT"
    );
    for (version, hint) in [
        ("2.0.0", "upgrade the platform"),
        ("1.1.0", "upgrade the platform"),
        ("0.9.0", "build the SyncPack again"),
    ] {
        let error = write(&component(Some(version), &["describe", "execute"]));
        assert_eq!(error.code(), "PF-SYNCPACK-CONTRACT");
        assert!(error.to_string().contains(hint), "{error}");
    }
}

/// A component with these sections of ours, whatever they hold.
fn with_sections(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = good();
    for (name, data) in sections {
        let mut content = vec![u8::try_from(name.len()).unwrap()];
        content.extend_from_slice(name.as_bytes());
        content.extend_from_slice(data);
        let mut component = Component::new();
        component.section(&RawSection {
            id: 0,
            data: &content,
        });
        bytes.extend_from_slice(&component.finish()[8..]);
    }
    bytes
}

#[test]
fn damaged_sections_are_named() {
    let good = document().to_string();
    let error = Archive::read(&with_sections(&[(
        "powerflow:manifest",
        b"{\n  \"name\": }",
    )]))
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the section powerflow:manifest is damaged: expected value at line 2 column 11"
    );
    let twice = with_sections(&[
        ("powerflow:manifest", good.as_bytes()),
        ("powerflow:manifest", good.as_bytes()),
    ]);
    assert_eq!(code(Archive::read(&twice)), "PF-SYNCPACK-SECTION");
    for (name, data) in [
        ("powerflow:applications", &b"{}"[..]),
        ("powerflow:docs", b"\xff"),
        ("powerflow:sources", b"[1]"),
        ("powerflow:manifest", b"{}"),
    ] {
        let mut sections = vec![(name, data)];
        if name != "powerflow:manifest" {
            sections.push(("powerflow:manifest", good.as_bytes()));
        }
        let error = Archive::read(&with_sections(&sections)).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    let deep = "[".repeat(100_000);
    let sections = [
        ("powerflow:applications", deep.as_bytes()),
        ("powerflow:manifest", good.as_bytes()),
    ];
    assert_eq!(
        code(Archive::read(&with_sections(&sections))),
        "PF-SYNCPACK-SECTION"
    );
    // An unknown section of ours is for a later version.
    let later = with_sections(&[
        ("powerflow:later", b"?"),
        ("powerflow:manifest", good.as_bytes()),
    ]);
    assert!(Archive::read(&later).is_ok());
}

#[test]
fn too_much_metadata_is_refused() {
    let mut large = metadata();
    large.docs = Some("x".repeat(syncpack::MAX_METADATA));
    assert_eq!(
        Archive::write(&good(), &large).unwrap_err().code(),
        "PF-SYNCPACK-TOO-LARGE"
    );
}

/// Metadata with every kind of problem.
fn bad() -> Metadata {
    let mut bad = Metadata::new(manifest(json!({
        "format": 2, "name": "a b", "version": "x", "wit": "2.0.0", "requires_platform": "soon", "requires_dist": ["ok>=1", "no good"],
        "steps": [
            { "name": "S", "kind": "odd", "parameters": [
                { "name": "p", "type": "text" },
                { "name": "p", "type": "integer", "default": "5" },
                { "name": "s", "type": "secret", "default": "hunter2" },
                { "name": "c", "type": "string", "default": "a", "choices": ["b"] },
            ] },
            { "name": "S" },
        ],
        "grants": [
            { "id": "g", "kind": "http", "reason": "r" },
            { "id": "g", "kind": "http", "host": "https://x", "ports": [0], "methods": ["get"], "reason": "r" },
            { "id": "h", "kind": "disk" },
        ],
    })));
    bad.applications = vec![
        json!({ "name": "a", "steps": [{ "file": "T", "syncpack": "a b" }, { "file": "Elsewhere", "syncpack": "other" }] }),
        json!({ "name": "a" }),
        json!(1),
    ];
    bad.configurations = vec![
        json!({ "name": "c", "configuration_data": [{ "name": "p", "value": "x", "encrypted": true }] }),
    ];
    bad.schedules = vec![json!({})];
    bad
}

#[test]
fn every_problem_is_listed() {
    let bad = bad();
    let found: Vec<_> = bad
        .problems()
        .into_iter()
        .map(|problem| (problem.severity, problem.path))
        .collect();
    let expected = [
        "/format",
        "/name",
        "/version",
        "/wit",
        "/requires_platform",
        "/requires_dist/1",
        "/steps/0/kind",
        "/steps/0/parameters/0/type",
        "/steps/0/parameters/1/name",
        "/steps/0/parameters/1/default",
        "/steps/0/parameters/2/default",
        "/steps/0/parameters/3/default",
        "/steps/1/name",
        "/grants/0/host",
        "/grants/1/id",
        "/grants/1/host",
        "/grants/1/ports",
        "/grants/1/methods",
        "/grants/2/reason",
        "/grants/2/kind",
        "/applications/1/name",
        "/applications/2",
        "/applications/0/steps/0/file",
        "/configurations/0/configuration_data/0/value",
        "/schedules/0/application_id",
    ];
    let paths: Vec<_> = found.iter().map(|(_, path)| path.as_str()).collect();
    assert_eq!(paths, expected);
    let warnings: Vec<_> = found
        .iter()
        .filter(|(severity, _)| *severity == Severity::Warning)
        .map(|(_, path)| path.as_str())
        .collect();
    assert_eq!(
        warnings,
        [
            "/grants/2/reason",
            "/configurations/0/configuration_data/0/value"
        ]
    );
    let error = Archive::write(&good(), &bad).unwrap_err();
    assert_eq!(
        (error.code(), error.problems().len()),
        ("PF-SYNCPACK-INVALID", expected.len())
    );
    assert!(
        error
            .to_string()
            .starts_with("the SyncPack has 25 problems:\n  /format: "),
        "{error}"
    );
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let bytes = Archive::write(&good(), &metadata()).unwrap();
    for end in 0..bytes.len() {
        assert!(Archive::read(&bytes[..end]).is_err(), "cut at {end}");
    }
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400), header in any::<bool>()) {
        let mut file = if header { b"\0asm\x0d\0\x01\0".to_vec() } else { Vec::new() };
        file.extend(bytes);
        prop_assert!(Archive::read(&file).is_err());
    }

    #[test]
    fn flipped_bits_never_panic_and_always_change_the_digest(flips in proptest::collection::vec((any::<proptest::sample::Index>(), 0..8_u8), 1..6)) {
        let bytes = Archive::write(&good(), &metadata()).unwrap();
        let digest = Archive::read(&bytes).unwrap().digest;
        let mut flipped = bytes.clone();
        for (index, bit) in flips {
            flipped[index.index(bytes.len())] ^= 1 << bit;
        }
        if let Ok(archive) = Archive::read(&flipped) {
            prop_assert_eq!(archive.digest == digest, flipped == bytes);
            // What was read can be written again.
            prop_assert!(Archive::write(&flipped, &archive.metadata).is_ok());
        }
    }
}
