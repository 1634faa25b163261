//! `POST /api/v1/applications/{name}/revisions/{number}/restore`

use axum::{extract::State, response::Response};
use store::definitions::Kind;

use crate::{
    audit::{Audit, Document},
    endpoint::to_its_end,
    etag::{self, Expect},
    extract::{Name, Who},
    problem::Answer,
    refusal,
    state::Shared,
    view::definition::{self, SavedDocument},
};

/// Restore a revision of an application
///
/// Saves it again as the newest revision; those between stay.
/// What the application is aligned with, its configuration object and its queue, stays as it is, and so do its
/// schedules. A revision that could not run as things are now is refused with every reason, such as a SyncPack that
/// is not active.
#[utoipa::path(
    post, path = "/api/v1/applications/{name}/revisions/{number}/restore", operation_id = "restore_application_revision", tag = "applications",
    params(
        ("name" = String, Path, description = "The application's name", example = "create_or_update_incident"),
        ("number" = i64, Path, description = "The revision's number", example = 2),
        ("If-Match" = Option<String>, Header, description = "Only while this revision (its ETag) is the newest", example = "\"3\""),
    ),
    responses(
        (status = 200, description = "Restored; one that means the same as the newest makes no new revision", body = SavedDocument),
        (status = 404, description = "There is no such application or revision (PF-0404)"),
        (status = 409, description = "It was changed at the same moment (PF-0409)"),
        (status = 412, description = "It was changed in the meantime (PF-0412)"),
        (status = 422, description = "It has faults as things are now (PF-1001); `errors` lists all"),
    ),
)]
pub(crate) async fn restore(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Name((name, number)): Name<(String, i64)>,
    expect: Expect,
) -> Answer<Response> {
    if expect == Expect::Present {
        let found = api.engine.application(caller.tenant, &name).await;
        etag::present("application", &name, found)?;
    }
    to_its_end(async move {
        let saved = api
            .engine
            .restore(&caller, Kind::Application, &name, number, expect.revision())
            .await
            .map_err(|error| refusal::conditional(error, expect.revision().is_some()))?;
        audit.restored(Document::Application, &saved, number);
        Ok(definition::saved(super::COLLECTION, saved))
    })
    .await
}
