//! `GET /api/v1/webhooks`

use axum::{extract::State, http::Uri, response::Response};
use engine::WebhookQuery;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    extract::{Args, Who},
    paging::{self, Listing},
    problem::Answer,
    state::Shared,
    view::webhook::WebhookDocument,
};

/// How webhooks are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WebhooksArgs {
    /// Only those of this application.
    #[param(example = "create_or_update_incident")]
    application: Option<String>,
    /// Only those whose name or application contains this, in upper or lower case.
    #[serde(default)]
    #[param(example = "incident")]
    search: String,
    /// The `next` of the part before.
    after: Option<String>,
    /// Entries of a part, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<usize>,
}

/// List webhooks
///
/// In the order of their names.
#[utoipa::path(
    get, path = "/api/v1/webhooks", operation_id = "list_webhooks", tag = "webhooks",
    params(WebhooksArgs),
    responses((status = 200, description = "A part of the list", body = Listing<WebhookDocument>)),
)]
pub(crate) async fn list(
    State(api): State<Shared>,
    Who(caller): Who,
    Args(args): Args<WebhooksArgs>,
    uri: Uri,
) -> Answer<Response> {
    let query = WebhookQuery {
        application: args.application,
        search: args.search,
        after: paging::after(&uri, args.after)?,
        limit: paging::limit(args.limit)?,
    };
    let page = api.engine.webhooks(caller.tenant, &query).await?;
    let items = page.items.into_iter().map(WebhookDocument::new).collect();
    Ok(paging::answer(&uri, items, page.next))
}
