//! The reference, written from the doc comments: for reading, for copying, for editors.

use std::fmt::Write;

use serde_json::{Map, json};

use crate::{Field, Settings};

const NEVER_EDIT: &str =
    "Generated from the doc comments in host/crates/config/src/sections; do not edit.";

/// A page in Markdown.
pub fn markdown() -> String {
    let mut page = format!(
        "# Settings\n\n<!-- {NEVER_EDIT} -->\n\n\
         Nothing has to be set: `powerflow serve` runs with the defaults. A setting comes from, \
         the strongest first: the command line (`--set section.setting=value`), the environment, \
         the settings file, its default. The file is the one that `--config` or \
         `POWERFLOW_CONFIG` names, else `powerflow.toml` in the working directory if it is \
         there; [powerflow.example.toml](powerflow.example.toml) shows every setting. \
         `powerflow config check` prints what holds and where each value comes from, or every \
         problem at once.\n\n\
         Durations are written `500ms`, `30s`, `15m`, `1h30m` or `7d`; sizes `64KiB`, `2MiB`, \
         `1GiB` (powers of 1024) or `64kB`, `2MB`, `1GB` (of 1000). In a variable, the entries \
         of a list are separated by commas, and an empty value unsets an optional setting.\n"
    );
    for section in Settings::describe() {
        let _ = write!(
            page,
            "\n## {}\n\n{}\n\n| setting | type | default | variable | meaning |\n\
             | --- | --- | --- | --- | --- |\n",
            section.name, section.doc
        );
        for field in &section.fields {
            let default = match &field.default {
                Some(default) => format!("`{default}`"),
                None => "not set".to_owned(),
            };
            let alias = field.alias.map(|name| format!(", `{name}`"));
            let _ = writeln!(
                page,
                "| `{}` | {} | {default} | `{}`{} | {} |",
                field.name,
                field.kind.describe(),
                field.variable,
                alias.unwrap_or_default(),
                field.doc.replace("\n\n", "<br>").replace('|', "\\|"),
            );
        }
    }
    page
}

/// A settings file in which everything is a comment.
pub fn example() -> String {
    let mut file = format!(
        "# Settings of PowerFlow. Every line is optional; what is commented out shows the \
         default.\n# {NEVER_EDIT}\n"
    );
    for section in Settings::describe() {
        file.push('\n');
        comment(&mut file, &section.doc);
        let _ = writeln!(file, "[{}]", section.name);
        for field in &section.fields {
            file.push('\n');
            comment(&mut file, &field.doc);
            let default = field.default.as_deref().unwrap_or("\"\"");
            let _ = writeln!(file, "#{} = {default}", field.name);
        }
    }
    file
}

/// Writes `# ` lines of at most 96 characters.
fn comment(file: &mut String, text: &str) {
    for paragraph in text.split("\n\n") {
        let mut line = String::from("#");
        for word in paragraph.split_whitespace() {
            if line.chars().count() + 1 + word.chars().count() > 96 {
                let _ = writeln!(file, "{line}");
                line = String::from("#");
            }
            line.push(' ');
            line.push_str(word);
        }
        let _ = writeln!(file, "{line}");
    }
}

/// A JSON Schema of the settings file, for editors.
pub fn schema() -> String {
    let field_schema = |field: &Field| {
        let mut schema = field.kind.schema();
        if let Some(object) = schema.as_object_mut() {
            object.insert("description".to_owned(), json!(field.doc));
            let default = field.default.as_ref().and_then(|text| {
                let document: toml::Table = format!("value = {text}").parse().ok()?;
                serde_json::to_value(document.get("value")?).ok()
            });
            if let Some(default) = default {
                object.insert("default".to_owned(), default);
            }
        }
        (field.name.to_owned(), schema)
    };
    let sections: Map<String, serde_json::Value> = Settings::describe()
        .iter()
        .map(|section| {
            let fields: Map<_, _> = section.fields.iter().map(field_schema).collect();
            let schema = json!({
                "type": "object",
                "description": section.doc,
                "additionalProperties": false,
                "properties": fields,
            });
            (section.name.to_owned(), schema)
        })
        .collect();
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of PowerFlow",
        "$comment": NEVER_EDIT,
        "type": "object",
        "additionalProperties": false,
        "properties": sections,
    });
    format!("{schema:#}\n")
}
