//! `GET /api/v1/schedules/{name}/occurrences`

use axum::{extract::State, http::Uri, response::Response};
use engine::OccurrencesQuery;
use serde::Deserialize;
use store::schedules::Outcome;
use utoipa::IntoParams;

use crate::{
    extract::{Args, Name, Who},
    paging::{self, Listing},
    problem::{Answer, Problem},
    state::Shared,
    view::schedule::Occurrence,
};

/// How occurrences are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OccurrencesArgs {
    /// Only those of which this became: `started`, `skipped`, `failed`, `missed`, `waiting`.
    #[param(example = "failed")]
    outcome: Option<String>,
    /// The `next` of the part before.
    after: Option<String>,
    /// Entries of a part, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<usize>,
}

/// List what became of a schedule's occurrences
///
/// The newest first. They are kept as long as runs are.
#[utoipa::path(
    get, path = "/api/v1/schedules/{name}/occurrences", operation_id = "list_occurrences", tag = "schedules",
    params(
        ("name" = String, Path, description = "The schedule's name", example = "weekdays at nine"),
        OccurrencesArgs,
    ),
    responses(
        (status = 200, description = "A part of the list", body = Listing<Occurrence>),
        (status = 404, description = "There is no such schedule (PF-0404)"),
    ),
)]
pub(crate) async fn occurrences(
    State(api): State<Shared>,
    Who(caller): Who,
    Name(name): Name<String>,
    Args(args): Args<OccurrencesArgs>,
    uri: Uri,
) -> Answer<Response> {
    let query = OccurrencesQuery {
        outcome: args.outcome.as_deref().map(outcome).transpose()?,
        after: paging::after(&uri, args.after)?,
        limit: paging::limit(args.limit)?,
    };
    let page = api.engine.occurrences(caller.tenant, &name, &query).await?;
    let items = page.items.into_iter().map(Occurrence::new).collect();
    Ok(paging::answer(&uri, items, page.next))
}

fn outcome(word: &str) -> Answer<Outcome> {
    let found = Outcome::WORDS.iter().find(|(known, _)| *known == word);
    found.map(|(_, outcome)| *outcome).ok_or_else(|| {
        let all: Vec<_> = Outcome::WORDS.iter().map(|(word, _)| *word).collect();
        let message = format!("`{word}` is no outcome; outcomes are {}", all.join(", "));
        Problem::unreadable_at("outcome", message)
    })
}
