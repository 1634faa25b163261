//! What a document is made of, as people read it.

use serde_json::Value;

use crate::output::{self, table, text};

/// The steps of an application or the variables of a configuration object.
pub(super) fn parts(document: &Value) -> String {
    if let Some(steps) = document["steps"].as_array() {
        let rows: Vec<_> = steps
            .iter()
            .map(|step| {
                let file = match text(&step["file"]) {
                    none if none.is_empty() => text(&step["operator"]),
                    file => file,
                };
                vec![
                    text(&step["name"]),
                    file,
                    text(&step["syncpack"]),
                    leads_to(step),
                    text(&step["data_from"]),
                ]
            })
            .collect();
        let steps = table(
            &["step", "file", "syncpack", "leads to", "data from"],
            &rows,
        );
        return match output::items(&document["app_variables"]) {
            [] => steps,
            variables => format!("{}\n{steps}", table_of(variables)),
        };
    }
    let variables = document["configuration_data"]
        .as_array()
        .or(document.as_array());
    let rows: Vec<_> = variables
        .into_iter()
        .flatten()
        .map(|one| {
            let encrypted = one["encrypted"] == true;
            let value = if encrypted {
                "(encrypted)".to_owned()
            } else {
                text(&one["value"])
            };
            vec![text(&one["name"]), value]
        })
        .collect();
    table(&["variable", "value"], &rows)
}

/// The steps behind a step, those of branches with their labels.
fn leads_to(step: &Value) -> String {
    let mut all: Vec<String> = Vec::new();
    for (index, branch) in output::items(&step["branches"]).iter().enumerate() {
        let label = match text(&branch["label"]) {
            none if none.is_empty() && branch["when"].is_null() => "else".to_owned(),
            none if none.is_empty() => (index + 1).to_string(),
            label => label,
        };
        let steps = match text(&branch["steps"]) {
            none if none.is_empty() => "nothing".to_owned(),
            steps => steps,
        };
        all.push(format!("{label}: {steps}"));
    }
    all.push(text(&step["output_to"]));
    let on_error = text(&step["task_on_error"]);
    if !on_error.is_empty() {
        all.push(format!("on error: {on_error}"));
    }
    all.retain(|one| !one.is_empty());
    all.join("; ")
}

/// The application variables.
fn table_of(variables: &[Value]) -> String {
    let rows: Vec<_> = variables
        .iter()
        .map(|one| {
            let value = match (text(&one["value"]), text(&one["default_value"])) {
                (value, default) if value.is_empty() => default,
                (value, _) => value,
            };
            let required = if one["required"] == true { "yes" } else { "" };
            vec![
                text(&one["name"]),
                text(&one["param_type"]),
                required.to_owned(),
                value,
                text(&one["description"]),
            ]
        })
        .collect();
    table(
        &["variable", "type", "required", "value", "description"],
        &rows,
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn branches_are_shown_with_their_labels() {
        let condition = json!({"name": "c", "operator": "condition", "output_to": ["always"],
            "branches": [{"label": "yes", "when": {}, "steps": ["a", "b"]},
                {"when": {}, "steps": ["c"]}, {"steps": []}]});
        assert_eq!(
            leads_to(&condition),
            "yes: a, b; 2: c; else: nothing; always"
        );
        let shown = parts(&json!({"steps": [condition]}));
        assert!(shown.contains("condition"), "{shown}");
    }

    #[test]
    fn encrypted_values_are_not_shown() {
        let shown = parts(&json!({"configuration_data": [
            {"name": "url", "value": "http://x"}, {"name": "secret", "value": "pf:abc", "encrypted": true}]}));
        assert!(
            shown.contains("http://x") && !shown.contains("pf:abc"),
            "{shown}"
        );
    }

    #[test]
    fn variables_are_shown_with_what_counts_of_their_values() {
        let shown = parts(&json!({"steps": [], "app_variables": [
            {"name": "table", "value": "incident", "default_value": "problem"},
            {"name": "depth", "default_value": 3},
            {"name": "device", "required": true, "description": "Which."}]}));
        assert!(
            shown.contains("incident") && !shown.contains("problem"),
            "{shown}"
        );
        let lines: Vec<Vec<&str>> = shown
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(lines[2], ["depth", "3"], "{shown}");
        assert_eq!(lines[3], ["device", "yes", "Which."], "{shown}");
    }
}
