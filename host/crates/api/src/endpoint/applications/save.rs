//! `POST /api/v1/applications`

use axum::{extract::State, response::Response};

use crate::{
    audit::{Audit, Document},
    endpoint::to_its_end,
    etag::Expect,
    extract::{Args, Document as Text, Who},
    problem::Answer,
    refusal,
    state::Shared,
    view::definition::{self, ApplicationDocument, SaveArgs, SavedDocument},
};

/// Add or overwrite an application
///
/// The body is the document. What was there before stays as a revision; a document equal
/// to the newest revision makes no new one. All faults of a document are answered at once; nothing is stored then.
#[utoipa::path(
    post, path = "/api/v1/applications", operation_id = "save_application", tag = "applications",
    params(
        SaveArgs,
        ("If-Match" = Option<String>, Header, description = "Overwrite only this revision (its ETag)", example = "\"3\""),
        ("If-None-Match" = Option<String>, Header, description = "`*`: save only if there is none of that name", example = "*"),
    ),
    request_body(content = ApplicationDocument, description = "The document, kept as it is", content_type = "application/json"),
    responses(
        (status = 200, description = "Saved", body = SavedDocument),
        (status = 201, description = "Saved; there was none of that name before", body = SavedDocument),
        (status = 412, description = "It was changed in the meantime (PF-0412)"),
        (status = 422, description = "The document has faults (PF-1001); `errors` lists all"),
    ),
)]
pub(crate) async fn save(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Args(args): Args<SaveArgs>,
    expect: Expect,
    Text(document): Text,
) -> Answer<Response> {
    to_its_end(async move {
        let saved = api
            .engine
            .save_application(&caller, args.name.as_deref(), &document, expect.revision())
            .await
            .map_err(|error| refusal::conditional(error, expect != Expect::Anything))?;
        audit.saved(Document::Application, &saved);
        Ok(definition::saved(super::COLLECTION, saved))
    })
    .await
}
