//! `GET /docs/errors` and `GET /docs/errors/{code}`: what the codes mean.

use std::fmt::Write as _;

use axum::{http::StatusCode, response::Html};

use crate::{
    code,
    extract::Name,
    problem::{Answer, Problem},
};

/// The page's source: a section with a heading `## CODE Title` for each code.
const SOURCE: &str = include_str!("../../../../../docs/errors.md");

/// Read about all error codes
///
/// What each code means and what to do, as a page for people.
#[utoipa::path(
    get, path = "/docs/errors", operation_id = "list_error_codes", tag = "service",
    responses((status = 200, description = "The page", body = String, content_type = "text/html")),
)]
pub(crate) async fn all() -> Html<String> {
    page("Error codes", SOURCE)
}

/// Read about an error code
///
/// What the code means and what to do: where the `type` of a problem document leads.
#[utoipa::path(
    get, path = "/docs/errors/{code}", operation_id = "get_error_code", tag = "service",
    params(("code" = String, Path, description = "The code", example = "PF-0404")),
    responses(
        (status = 200, description = "The page", body = String, content_type = "text/html"),
        (status = 404, description = "There is no such code"),
    ),
)]
pub(crate) async fn one(Name(code): Name<String>) -> Answer<Html<String>> {
    match section(&code) {
        Some(text) => Ok(page(&code, text)),
        None => Err(Problem::new(
            StatusCode::NOT_FOUND,
            code::NOT_FOUND,
            "there is no such code; /docs/errors lists all",
        )),
    }
}

fn section(code: &str) -> Option<&'static str> {
    let start = SOURCE.find(&format!("\n## {code} "))? + 1;
    let rest = &SOURCE[start..];
    let end = rest[1..].find("\n## ").map_or(rest.len(), |end| end + 1);
    Some(&rest[..end])
}

/// The few forms of Markdown that the source uses: headings, paragraphs, `code`.
fn page(title: &str, source: &str) -> Html<String> {
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <link rel=\"icon\" href=\"data:,\"><title>{title} · PowerFlow</title>\
         <style>:root{{color-scheme:light dark}}body{{font:15px/1.6 system-ui,sans-serif;max-width:44rem;\
         margin:6vh auto;padding:0 1.5rem}}h1{{font-size:1.4rem}}h2{{font-size:1.1rem;margin-top:2rem}}\
         code{{font-family:ui-monospace,monospace;font-size:.92em;overflow-wrap:anywhere}}\
         h2:target{{background:light-dark(#fff3bf,#4a3f12)}}</style>\
         <nav><a href=\"/\">PowerFlow</a></nav><main>"
    );
    for block in source
        .split("\n\n")
        .map(str::trim)
        .filter(|block| !block.is_empty())
    {
        for (at, line) in block.lines().enumerate() {
            if let Some(heading) = line.strip_prefix("## ") {
                let id = heading.split(' ').next().unwrap_or_default();
                let _ = write!(html, "<h2 id=\"{}\">{}</h2>", escape(id), inline(heading));
            } else if let Some(heading) = line.strip_prefix("# ") {
                let _ = write!(html, "<h1>{}</h1>", inline(heading));
            } else {
                html.push_str(if at == 0 { "<p>" } else { " " });
                html.push_str(&inline(line));
            }
        }
    }
    html.push_str("</main></html>");
    Html(html)
}

fn inline(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 16);
    for (at, piece) in text.split('`').enumerate() {
        if at > 0 {
            html.push_str(if at % 2 == 1 { "<code>" } else { "</code>" });
        }
        html.push_str(&escape(piece));
    }
    html
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_own_section() {
        for one in code::CODES {
            let text = section(one.code).unwrap();
            assert!(text.starts_with(&format!("## {} {}", one.code, one.title)));
            assert_eq!(text.matches("## ").count(), 1, "{text}");
        }
        assert!(section("PF").is_none());
        assert!(section("").is_none());
    }

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(inline("a `<b>` & c"), "a <code>&lt;b&gt;</code> &amp; c");
    }
}
