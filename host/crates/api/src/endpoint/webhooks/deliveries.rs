//! `GET /api/v1/webhooks/{name}/deliveries`

use axum::{extract::State, http::Uri, response::Response};
use serde::Deserialize;
use store::webhooks::Outcome;
use utoipa::IntoParams;

use crate::{
    extract::{Args, Name, Who},
    paging::{self, Listing},
    problem::{Answer, Problem},
    state::Shared,
    view::webhook::DeliveryDocument,
};

/// How deliveries are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeliveriesArgs {
    /// Only those of which this became: `accepted`, `duplicate`, `refused`, `disabled`, `unproven`.
    #[param(example = "refused")]
    outcome: Option<String>,
    /// The `next` of the part before.
    after: Option<String>,
    /// Entries of a part, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<usize>,
}

/// List what a webhook has received
///
/// The newest first: the last 1,000 that proved who sent them and the last 100 that did not, for
/// seven days. Of refusals ten in a minute are listed and the others counted.
#[utoipa::path(
    get, path = "/api/v1/webhooks/{name}/deliveries", operation_id = "list_deliveries", tag = "webhooks",
    params(
        ("name" = String, Path, description = "The webhook's name", example = "github push"),
        DeliveriesArgs,
    ),
    responses(
        (status = 200, description = "A part of the list", body = Listing<DeliveryDocument>),
        (status = 404, description = "There is no such webhook (PF-0404)"),
    ),
)]
pub(crate) async fn deliveries(
    State(api): State<Shared>,
    Who(caller): Who,
    Name(name): Name<String>,
    Args(args): Args<DeliveriesArgs>,
    uri: Uri,
) -> Answer<Response> {
    let outcome = args.outcome.as_deref().map(outcome).transpose()?;
    let limit = paging::limit(args.limit)?;
    let after = paging::after(&uri, args.after)?;
    let page = api
        .engine
        .deliveries(caller.tenant, &name, outcome, after.as_deref(), limit)
        .await?;
    let items = page.items.into_iter().map(DeliveryDocument::new).collect();
    Ok(paging::answer(&uri, items, page.next))
}

fn outcome(word: &str) -> Answer<Outcome> {
    let found = Outcome::WORDS.iter().find(|(known, _)| *known == word);
    found.map(|(_, outcome)| *outcome).ok_or_else(|| {
        let words: Vec<_> = Outcome::WORDS.iter().map(|(word, _)| *word).collect();
        Problem::unreadable_at(
            "outcome",
            format!("`{word}` is none; give one of {}", words.join(", ")),
        )
    })
}
