//! The OpenAPI document as a page: made once, drawn at once, with nothing to execute.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::endpoint::service::errors::escape;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
/// Examples of schemas within schemas end here: some schemas hold themselves.
const DEEPEST: usize = 6;

/// The page.
pub(super) fn page(document: &Value) -> String {
    let info = &document["info"];
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>API · PowerFlow</title><link rel=\"icon\" href=\"data:,\">\
         <link rel=\"stylesheet\" href=\"page.css\">\
         <nav><a href=\"/\">PowerFlow</a> <a href=\"/docs/api/try\">Try it</a> \
         <a href=\"/openapi.json\">OpenAPI document</a> <a href=\"/docs/errors\">Error codes</a></nav>\
         <main><h1>API <small>{}</small></h1>{}",
        escape(text(&info["version"])),
        markdown(text(&info["description"])),
    );
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = text(&tag["name"]);
        let _ = write!(
            html,
            "<h2 id=\"{0}\">{0} <small>{1}</small></h2>",
            escape(name),
            inline(text(&tag["description"]))
        );
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for method in METHODS {
                let of_tag = item[method]["tags"].as_array();
                if of_tag.is_some_and(|tags| tags.iter().any(|one| one == name)) {
                    operation(&mut html, document, path, method, &item[method]);
                }
            }
        }
    }
    html.push_str("<h2 id=\"schemas\">Schemas</h2>");
    let schemas = document["components"]["schemas"].as_object();
    for (name, schema) in schemas.into_iter().flatten() {
        let _ = write!(
            html,
            "<details><summary><b>schema</b> <code>{0}</code></summary>\
             <div class=\"inside\" id=\"schema-{0}\">{1}",
            escape(name),
            markdown(text(&schema["description"]))
        );
        fields(&mut html, schema);
        example_of(&mut html, document, schema, schema);
        html.push_str("</div></details>");
    }
    html.push_str("</main></html>");
    html
}

fn operation(html: &mut String, document: &Value, path: &str, method: &str, operation: &Value) {
    let _ = write!(
        html,
        "<details><summary><b class=\"{method}\">{}</b> <code>{}</code> <span>{}</span></summary>\
         <div class=\"inside\" id=\"{}\">{}",
        method.to_uppercase(),
        escape(path),
        inline(text(&operation["summary"])),
        escape(text(&operation["operationId"])),
        markdown(text(&operation["description"])),
    );
    let parameters = operation["parameters"].as_array();
    if let Some(parameters) = parameters.filter(|all| !all.is_empty()) {
        let rows: Vec<_> = parameters
            .iter()
            .map(|one| {
                let schema = &one["schema"];
                let place = format!("{}<br><small>{}</small>", kind(schema), text(&one["in"]));
                let told = described(one, &one["example"]);
                (text(&one["name"]), one["required"] == true, place, told)
            })
            .collect();
        html.push_str("<h3>Parameters</h3>");
        table(html, "parameter", &rows);
    }
    let body = &operation["requestBody"];
    if body.is_object() {
        let _ = write!(
            html,
            "<h3>Body</h3>{}",
            markdown(text(&body["description"]))
        );
        contents(html, document, body);
    }
    html.push_str("<h3>Answers</h3>");
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        let _ = write!(
            html,
            "<p><code>{}</code> {}</p>",
            escape(status),
            inline(text(&answer["description"]))
        );
        // What a refusal looks like is the same everywhere, and has a schema.
        if status.starts_with('2') {
            contents(html, document, answer);
        }
    }
    html.push_str("</div></details>");
}

/// What a body or an answer consists of, by media type.
fn contents(html: &mut String, document: &Value, of: &Value) {
    for (media, content) in of["content"].as_object().into_iter().flatten() {
        let schema = &content["schema"];
        let _ = write!(
            html,
            "<p><code>{}</code>: {}</p>",
            escape(media),
            kind(schema)
        );
        if media.ends_with("json") {
            example_of(html, document, schema, content);
        }
    }
}

/// The fields of an object.
fn fields(html: &mut String, schema: &Value) {
    let mut rows = Vec::new();
    let parts = schema["allOf"].as_array().map_or(&[][..], Vec::as_slice);
    for part in std::iter::once(schema).chain(parts) {
        if part["$ref"].is_string() {
            let _ = write!(html, "<p>All of {}, and:</p>", kind(part));
        }
        let needed = |name: &str| {
            let all = part["required"].as_array();
            all.is_some_and(|all| all.iter().any(|one| one == name))
        };
        for (name, field) in part["properties"].as_object().into_iter().flatten() {
            let told = described(field, &Value::Null);
            rows.push((name.as_str(), needed(name), kind(field), told));
        }
    }
    if !rows.is_empty() {
        table(html, "field", &rows);
    }
}

/// Rows of a name, whether it is required, its kind and what it means.
fn table(html: &mut String, heading: &str, rows: &[(&str, bool, String, String)]) {
    let _ = write!(
        html,
        "<table><thead><tr><th>{heading}<th>kind<th>meaning</thead><tbody>"
    );
    for (name, required, kind, told) in rows {
        let required = if *required {
            " <small class=\"required\">required</small>"
        } else {
            ""
        };
        let _ = write!(
            html,
            "<tr><td class=\"name\"><code>{}</code>{required}<td class=\"kind\">{kind}<td>{told}",
            escape(name)
        );
    }
    html.push_str("</tbody></table>");
}

fn described(one: &Value, example: &Value) -> String {
    let mut told = markdown(text(&one["description"]));
    if !example.is_null() {
        let _ = write!(
            told,
            "<p>Example: <code>{}</code></p>",
            escape(&plain(example))
        );
    }
    told
}

fn example_of(html: &mut String, document: &Value, schema: &Value, given: &Value) {
    let example = match &given["example"] {
        Value::Null => example(document, schema, 0),
        given => given.clone(),
    };
    if example.is_object() || example.is_array() {
        let shown = serde_json::to_string_pretty(&example).unwrap_or_default();
        let _ = write!(html, "<pre>{}</pre>", escape(&shown));
    }
}

/// A value that fits a schema, from the examples in it.
fn example(document: &Value, schema: &Value, depth: usize) -> Value {
    if let Some(given) = schema.get("example").or(schema["examples"].get(0)) {
        return given.clone();
    }
    if depth > DEEPEST {
        return Value::Null;
    }
    let within = |part: &Value| example(document, part, depth + 1);
    if let Some(name) = referred(schema) {
        return within(&document["components"]["schemas"][name]);
    }
    for choice in ["oneOf", "anyOf"] {
        let parts = schema[choice].as_array().into_iter().flatten();
        if let Some(part) = parts.into_iter().find(|part| part["type"] != "null") {
            return within(part);
        }
    }
    let mut object = Map::new();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        if let Value::Object(more) = within(part) {
            object.extend(more);
        }
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        object.insert(name.clone(), within(field));
    }
    if !object.is_empty() {
        return object.into();
    }
    match kind(schema).split(' ').next().unwrap_or_default() {
        "list" => json!([within(&schema["items"])]),
        "object" => json!({}),
        "string" => schema["enum"].get(0).cloned().unwrap_or_else(|| "…".into()),
        "integer" | "number" => 0.into(),
        "boolean" => false.into(),
        _ => Value::Null,
    }
}

fn referred(schema: &Value) -> Option<&str> {
    schema["$ref"]
        .as_str()?
        .strip_prefix("#/components/schemas/")
}

/// What a value of the schema is, as HTML.
fn kind(schema: &Value) -> String {
    if let Some(name) = referred(schema) {
        return format!("<a href=\"#schema-{0}\">{0}</a>", escape(name));
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        if let Some(parts) = schema[choice].as_array() {
            let parts: Vec<_> = parts.iter().map(kind).collect();
            return parts.join(if choice == "allOf" { " and " } else { " or " });
        }
    }
    let named = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => vec!["anything"],
    };
    let mut kinds: Vec<String> = named
        .into_iter()
        .map(|name| match name {
            "array" => format!("list of {}", kind(&schema["items"])),
            name => escape(name),
        })
        .collect();
    if let (Some(format), Some(first)) = (schema["format"].as_str(), kinds.first_mut()) {
        let _ = write!(first, " ({})", escape(format));
    }
    kinds.join(" or ")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// The few forms of Markdown that descriptions use: paragraphs and lists.
fn markdown(source: &str) -> String {
    let mut html = String::new();
    for block in source
        .split("\n\n")
        .map(str::trim)
        .filter(|block| !block.is_empty())
    {
        if block.starts_with("- ") {
            let items = format!("\n{block}");
            html.push_str("<ul>");
            for item in items.split("\n- ").skip(1) {
                let _ = write!(html, "<li>{}</li>", inline(item));
            }
            html.push_str("</ul>");
        } else {
            let _ = write!(html, "<p>{}</p>", inline(block));
        }
    }
    html
}

/// `code`, **bold** and links, inside a line.
fn inline(source: &str) -> String {
    let mut html = String::with_capacity(source.len() + 16);
    for (at, piece) in source.split('`').enumerate() {
        if at % 2 == 1 {
            let _ = write!(html, "<code>{}</code>", escape(piece));
            continue;
        }
        for (at, piece) in piece.split("**").enumerate() {
            if at > 0 {
                html.push_str(if at % 2 == 1 { "<b>" } else { "</b>" });
            }
            html.push_str(&links(&escape(piece)));
        }
    }
    html
}

/// `[text](address)` in text that is escaped already.
fn links(text: &str) -> String {
    let Some((before, rest)) = text.split_once('[') else {
        return text.to_owned();
    };
    let Some((shown, (address, after))) = rest
        .split_once("](")
        .and_then(|(shown, rest)| Some((shown, rest.split_once(')')?)))
    else {
        return text.to_owned();
    };
    format!("{before}<a href=\"{address}\">{shown}</a>{}", links(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_become_markup_and_their_text_does_not() {
        assert_eq!(
            markdown("a `<b>` & **c** [d](/e)\n\n- one\n- two"),
            "<p>a <code>&lt;b&gt;</code> &amp; <b>c</b> <a href=\"/e\">d</a></p><ul><li>one</li><li>two</li></ul>"
        );
    }

    #[test]
    fn every_operation_and_schema_has_its_place_and_every_link_leads_to_one() {
        let document = serde_json::from_str(&crate::openapi::text()).unwrap();
        let page = page(&document);
        let mut operations = 0;
        for item in document["paths"].as_object().unwrap().values() {
            for operation in METHODS.iter().filter_map(|method| item.get(*method)) {
                operations += 1;
                let id = text(&operation["operationId"]);
                assert_eq!(page.matches(&format!(" id=\"{id}\"")).count(), 1, "{id}");
            }
        }
        assert!(operations > 40, "{operations}");
        for link in page.split("href=\"#").skip(1) {
            let id = link.split('"').next().unwrap();
            assert!(page.contains(&format!(" id=\"{id}\"")), "{id}");
        }
        assert!(page.contains("number (double)"));
        assert!(!page.contains("<script"));
    }

    #[test]
    fn a_schema_that_holds_itself_has_an_example() {
        let document = json!({"components": {"schemas": {"Node": {"type": "object",
            "properties": {"next": {"$ref": "#/components/schemas/Node"}, "n": {"type": "integer", "example": 3}}}}}});
        let made = example(&document, &json!({"$ref": "#/components/schemas/Node"}), 0);
        assert_eq!(made["next"]["n"], 3);
    }
}
