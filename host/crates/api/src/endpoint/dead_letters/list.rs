//! `GET /api/v1/dead-letters`

use axum::{extract::State, http::Uri, response::Response};
use engine::DeadLetterQuery;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    extract::{Args, Who},
    paging::{self, Listing},
    problem::Answer,
    state::Shared,
    view::bulk::DeadLetterDocument,
};

/// How dead letters are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeadLettersArgs {
    /// Only those of runs of this application.
    #[param(example = "create_or_update_incident")]
    application: Option<String>,
    /// Only those of runs on this queue.
    #[param(example = "default")]
    queue: Option<String>,
    /// Only those with this code: `worker-lost`, `dead-letter`.
    #[param(example = "dead-letter")]
    code: Option<String>,
    /// The `next` of the part before.
    after: Option<String>,
    /// Entries of a part, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<usize>,
}

/// List dead letters
///
/// Steps that failed because their workers were lost: after as many attempts as there may be
/// (`dead-letter`), or after the first, where nothing may be executed twice (`worker-lost`). The newest
/// first, as long as their runs are kept and nobody has retried them.
#[utoipa::path(
    get, path = "/api/v1/dead-letters", operation_id = "list_dead_letters", tag = "runs",
    params(DeadLettersArgs),
    responses(
        (status = 200, description = "A part of the list", body = Listing<DeadLetterDocument>),
        (status = 404, description = "There is no such application (PF-0404)"),
    ),
)]
pub(crate) async fn list(
    State(api): State<Shared>,
    Who(caller): Who,
    Args(args): Args<DeadLettersArgs>,
    uri: Uri,
) -> Answer<Response> {
    let query = DeadLetterQuery {
        application: args.application,
        queue: args.queue,
        code: args.code,
        after: paging::after(&uri, args.after)?,
        limit: paging::limit(args.limit)?,
    };
    let page = api.engine.dead_letters(caller.tenant, &query).await?;
    let items: Vec<DeadLetterDocument> = page.items.into_iter().map(Into::into).collect();
    Ok(paging::answer(&uri, items, page.next))
}
