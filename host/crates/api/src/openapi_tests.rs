//! The committed OpenAPI document is the one of the routes, and says something of everything.

use std::{env, fs, path::Path};

use serde_json::Value;

/// With this variable set, the committed document is written instead of compared.
const UPDATE: &str = "POWERFLOW_UPDATE";

#[test]
fn the_committed_document_is_that_of_the_routes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let made = crate::openapi::text();
    if env::var_os(UPDATE).is_some() {
        fs::write(&path, &made).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap();
    assert!(
        committed == made,
        "openapi.json is out of date: run the tests of powerflow-api with {UPDATE}=1"
    );
}

#[test]
fn everything_is_described() {
    let document: Value = serde_json::from_str(&crate::openapi::text()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut operations = 0;
    let mut ids = std::collections::BTreeSet::new();
    let said = |value: &Value| value.as_str().is_some_and(|text| !text.trim().is_empty());
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let place = format!("{method} {path}");
            operations += 1;
            assert!(said(&operation["summary"]), "{place}: no summary");
            assert!(said(&operation["description"]), "{place}: no description");
            assert!(said(&operation["tags"][0]), "{place}: no tag");
            assert!(said(&operation["x-permission"]), "{place}: no permission");
            assert!(
                ids.insert(operation["operationId"].to_string()),
                "{place}: the id is not unique"
            );
            assert!(
                operation["responses"]["default"].is_object(),
                "{place}: no refusal"
            );
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = &parameter["name"];
                assert!(
                    said(&parameter["description"]),
                    "{place}: {name} is not described"
                );
            }
            let public = operation["x-permission"] == "Public";
            assert_eq!(
                public,
                operation["security"] == serde_json::json!([]),
                "{place}"
            );
            // Where those who scrape look for it; it tells more than a stranger should know.
            let apart = path == "/metrics";
            // Whoever logs in is not known yet.
            let login = path == "/api/v1/session" && place != "delete /api/v1/session";
            let open = login || !path.starts_with("/api/") && !apart;
            assert_eq!(public, open, "{place}");
        }
    }
    assert!(operations >= 40, "{operations} operations");
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            // What may be null stands beside null.
            let or_null = property["oneOf"]
                .as_array()
                .is_some_and(|either| either.iter().any(|one| one.get("$ref").is_some()));
            let reference = property.get("$ref").is_some() || or_null;
            assert!(
                reference || said(&property["description"]),
                "{name}.{key} is not described"
            );
        }
    }
}
