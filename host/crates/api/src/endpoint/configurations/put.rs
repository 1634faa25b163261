//! `PUT /api/v1/configurations/{name}`

use axum::{extract::State, response::Response};

use crate::{
    audit::{Audit, Document},
    endpoint::to_its_end,
    etag::{self, Expect},
    extract::{Document as Text, Name, Who},
    problem::Answer,
    refusal,
    state::Shared,
    view::definition::{self, ConfigurationDocument, SavedDocument},
};

/// Replace a configuration object knowingly
///
/// As `POST /api/v1/configurations`, but the caller must say what is replaced, so that nobody's work is
/// overwritten unseen: `If-Match` with the ETag that was read, `If-Match: *` for whatever
/// there is, or `If-None-Match: *` if there should be none.
#[utoipa::path(
    put, path = "/api/v1/configurations/{name}", operation_id = "put_configuration", tag = "configurations",
    params(
        ("name" = String, Path, description = "The configuration object's name", example = "acme"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the revision that is replaced, or `*`", example = "\"3\""),
        ("If-None-Match" = Option<String>, Header, description = "`*`: save only if there is none of that name", example = "*"),
    ),
    request_body(content = ConfigurationDocument, description = "The document, kept as it is", content_type = "application/json"),
    responses(
        (status = 200, description = "Saved", body = SavedDocument),
        (status = 201, description = "Saved; there was none of that name before", body = SavedDocument),
        (status = 412, description = "It was changed in the meantime (PF-0412)"),
        (status = 422, description = "The document has faults (PF-1001); `errors` lists all"),
        (status = 428, description = "Neither `If-Match` nor `If-None-Match` was sent (PF-0428)"),
    ),
)]
pub(crate) async fn put(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Name(name): Name<String>,
    expect: Expect,
    Text(document): Text,
) -> Answer<Response> {
    let expect = expect.needed()?;
    if expect == Expect::Present {
        let found = api.engine.configuration(caller.tenant, &name).await;
        etag::present("configuration object", &name, found)?;
    }
    to_its_end(async move {
        let saved = api
            .engine
            .save_configuration(&caller, Some(&name), &document, expect.revision())
            .await
            .map_err(|error| refusal::conditional(error, true))?;
        audit.saved(Document::Configuration, &saved);
        Ok(definition::saved(super::COLLECTION, saved))
    })
    .await
}
