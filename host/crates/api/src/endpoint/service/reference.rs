//! `GET /docs/api`: the OpenAPI document for people. `/docs/api/try` is for trying it out.
//!
//! The first is made here from the document and needs no script. The viewer for trying is Swagger
//! UI, embedded, in a page of ours: its own one has a bar with another product's name and a field
//! for documents from elsewhere, which the content policy refuses anyway. It takes a second to
//! draw, and most of one for each operation, so it is not what a reader gets. These addresses are
//! pages for browsers and no part of the document that they show.

mod render;

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

use axum::{
    Router,
    extract::Path,
    http::{Uri, header},
    response::{Html, IntoResponse as _, Redirect, Response},
    routing::get,
};
use utoipa_swagger_ui::Config;

use crate::{edge, state::Shared};

/// The page for readers, the same for each.
static PAGE: LazyLock<String> = LazyLock::new(|| {
    let document = serde_json::from_str(&crate::openapi::text()).unwrap_or_default();
    render::page(&document)
});
const VIEWER_PAGE: &str = include_str!("reference/viewer.html");
/// Files of ours by name: their kind and text.
const FILES: [(&str, &str, &str); 3] = [
    ("page.css", "text/css", include_str!("reference/page.css")),
    (
        "viewer.css",
        "text/css",
        include_str!("reference/viewer.css"),
    ),
    (
        "viewer.js",
        "text/javascript",
        include_str!("reference/viewer.js"),
    ),
];
/// The files of the viewer that its page loads.
const VIEWER: [&str; 2] = ["swagger-ui.css", "swagger-ui-bundle.js"];

/// The pages and their files; all of them are for everybody.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/docs/api", get(async || Redirect::to("/docs/api/")))
        .route("/docs/api/", get(async || Html(PAGE.as_str())))
        .route("/docs/api/try", get(async || Html(VIEWER_PAGE)))
        .route("/docs/api/{file}", get(file))
}

/// A file beside the pages, or the refusal of an address that there is not.
async fn file(Path(name): Path<String>, uri: Uri) -> Response {
    let ours = FILES.iter().find(|(own, ..)| *own == name);
    let found = match ours {
        Some((_, kind, text)) => Some((format!("{kind}; charset=utf-8"), text.as_bytes().into())),
        None if VIEWER.contains(&&*name) => embedded(&name),
        None => None,
    };
    match found {
        Some((kind, bytes)) => ([(header::CONTENT_TYPE, kind)], bytes).into_response(),
        None => edge::no_route(&uri).into_response(),
    }
}

/// A file of the viewer with its content type.
fn embedded(name: &str) -> Option<(String, Cow<'static, [u8]>)> {
    let file = utoipa_swagger_ui::serve(name, Arc::new(Config::default())).ok()??;
    Some((file.content_type, file.bytes))
}
