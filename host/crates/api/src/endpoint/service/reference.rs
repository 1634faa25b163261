//! `GET /docs/api`: the OpenAPI document for people, to browse and to try.
//!
//! The viewer is Swagger UI, embedded, in a page of ours: its own one has a bar with another
//! product's name and a field for documents from elsewhere, which the content policy refuses
//! anyway. These addresses are pages for browsers and no part of the document that they show.

use std::{borrow::Cow, sync::Arc};

use axum::{
    Router,
    extract::Path,
    http::{Uri, header},
    response::{Html, IntoResponse as _, Redirect, Response},
    routing::get,
};
use utoipa_swagger_ui::Config;

use crate::{edge, state::Shared};

const PAGE: &str = include_str!("reference/page.html");
const STYLE: &str = include_str!("reference/page.css");
const SCRIPT: &str = include_str!("reference/page.js");
/// The files of the viewer that the page loads.
const VIEWER: [&str; 2] = ["swagger-ui.css", "swagger-ui-bundle.js"];

/// The page and its files; all of them are for everybody.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/docs/api", get(async || Redirect::to("/docs/api/")))
        .route("/docs/api/", get(async || Html(PAGE)))
        .route("/docs/api/{file}", get(file))
}

/// A file beside the page, or the refusal of an address that there is not.
async fn file(Path(name): Path<String>, uri: Uri) -> Response {
    let found = match name.as_str() {
        "page.css" => Some((
            "text/css; charset=utf-8".to_owned(),
            STYLE.as_bytes().into(),
        )),
        "page.js" => Some((
            "text/javascript; charset=utf-8".to_owned(),
            SCRIPT.as_bytes().into(),
        )),
        name if VIEWER.contains(&name) => embedded(name),
        _ => None,
    };
    match found {
        Some((kind, bytes)) => ([(header::CONTENT_TYPE, kind)], bytes).into_response(),
        None => edge::no_route(uri).await.into_response(),
    }
}

/// A file of the viewer with its content type.
fn embedded(name: &str) -> Option<(String, Cow<'static, [u8]>)> {
    let file = utoipa_swagger_ui::serve(name, Arc::new(Config::default())).ok()??;
    Some((file.content_type, file.bytes))
}
