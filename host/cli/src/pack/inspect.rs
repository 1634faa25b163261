//! `pfctl syncpack inspect`

use std::path::Path;

use serde_json::{Value, json};
use syncpack::Archive;

use crate::{
    command::syncpack::grants,
    failure::{Exit, Failure},
    file,
    output::{brief, facts, table, text, warning_line},
    session::Session,
};

/// Prints what is in the file.
pub(crate) fn run(session: &Session, path: &Path) -> Result<Exit, Failure> {
    let file = file::bytes(path)?;
    let archive = Archive::read(&file)?;
    let metadata = &archive.metadata;
    let names = |documents: &[Value]| -> Vec<Value> {
        documents
            .iter()
            .map(|document| document["name"].clone())
            .collect()
    };
    let all = json!({
        "file": path,
        "size": archive.size,
        "digest": archive.digest,
        "manifest": serde_json::to_value(&metadata.manifest).unwrap_or_default(),
        "applications": names(&metadata.applications),
        "configurations": names(&metadata.configurations),
        "schedules": metadata.schedules.len(),
        "docs": metadata.docs,
        "sources": metadata.sources.keys().collect::<Vec<_>>(),
        "imports": archive.interface.imports,
        "exports": archive.interface.exports,
    });
    session.output.result(&all, human);
    for warning in &archive.warnings {
        let line = warning_line(warning.code, &warning.path, &warning.message);
        session.output.remark(&line);
    }
    Ok(Exit::Success)
}

fn cell(item: &Value, column: &str) -> String {
    match column {
        "description" => brief(&item[column]),
        _ => text(&item[column]),
    }
}

fn human(all: &Value) -> String {
    let manifest = &all["manifest"];
    let size = all["size"].as_u64().unwrap_or(0).div_ceil(1000);
    let mut shown = facts(&[
        (
            "syncpack",
            format!("{} {}", text(&manifest["name"]), text(&manifest["version"])),
        ),
        ("summary", text(&manifest["summary"])),
        ("author", text(&manifest["author"])),
        ("tags", text(&manifest["tags"])),
        ("needs", text(&manifest["requires_dist"])),
        ("contract", text(&manifest["wit"])),
        ("size", format!("{size} kB")),
        ("digest", text(&all["digest"])),
        ("applications", text(&all["applications"])),
        ("configurations", text(&all["configurations"])),
        ("sources", text(&all["sources"])),
    ]);
    let rows = |key: &str, columns: &[&str]| -> Vec<Vec<String>> {
        let items = manifest[key].as_array().into_iter().flatten();
        items
            .map(|item| columns.iter().map(|column| cell(item, column)).collect())
            .collect()
    };
    let steps = rows("steps", &["name", "kind", "version", "description"]);
    shown.push('\n');
    shown.push_str(&table(&["step", "kind", "version", "description"], &steps));
    let grants = grants::rows(manifest, |_| None);
    if !grants.is_empty() {
        shown.push('\n');
        shown.push_str(&table(
            &["asks for", "kind", "host", "ports", "methods", "reason"],
            &grants,
        ));
    }
    shown
}
