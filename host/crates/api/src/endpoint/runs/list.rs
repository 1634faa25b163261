//! `GET /api/v1/runs`

use axum::{extract::State, http::Uri, response::Response};
use engine::RunsQuery;
use model::state::RunState;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    extract::{Args, Who},
    paging::{self, Listing},
    problem::{Answer, Problem},
    state::Shared,
    view::run::Run,
};

/// How runs are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunsArgs {
    /// Only runs of this application.
    #[param(example = "create_or_update_incident")]
    application: Option<String>,
    /// Only runs on this queue.
    #[param(example = "default")]
    queue: Option<String>,
    /// Only runs that are aligned with this configuration object.
    #[param(example = "acme")]
    configuration: Option<String>,
    /// Only runs in these states, separated by commas.
    #[param(example = "failed,warning")]
    state: Option<String>,
    /// The `next` of the part before.
    after: Option<String>,
    /// Entries of a part, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<usize>,
}

/// List runs
///
/// The newest first, without steps.
#[utoipa::path(
    get, path = "/api/v1/runs", operation_id = "list_runs", tag = "runs",
    params(RunsArgs),
    responses((status = 200, description = "A part of the list", body = Listing<Run>)),
)]
pub(crate) async fn list(
    State(api): State<Shared>,
    Who(caller): Who,
    Args(args): Args<RunsArgs>,
    uri: Uri,
) -> Answer<Response> {
    let query = RunsQuery {
        application: args.application,
        queue: args.queue,
        configuration: args.configuration,
        states: states(args.state.as_deref())?,
        after: paging::after(&uri, args.after)?,
        limit: paging::limit(args.limit)?,
    };
    let page = api.engine.runs(caller.tenant, &query).await?;
    let items = page.items.into_iter().map(Run::new).collect();
    Ok(paging::answer(&uri, items, page.next))
}

/// The states in a list separated by commas.
pub(crate) fn states(text: Option<&str>) -> Answer<Vec<String>> {
    let words = text.unwrap_or_default().split(',').map(str::trim);
    words
        .filter(|word| !word.is_empty())
        .map(|word| {
            if let Some(state) = RunState::from_word(word) {
                return Ok(state.word().to_owned());
            }
            let all: Vec<_> = RunState::ALL.iter().map(|state| state.word()).collect();
            let message = format!("`{word}` is no state; states are {}", all.join(", "));
            Err(Problem::unreadable_at("state", message))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_words() {
        assert_eq!(states(None).unwrap(), [""; 0]);
        assert_eq!(
            states(Some("failed, warning,")).unwrap(),
            ["failed", "warning"]
        );
        assert!(states(Some("broken")).is_err());
    }
}
