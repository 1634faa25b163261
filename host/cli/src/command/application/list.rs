//! Lists of applications.

use serde_json::{Value, json};

use crate::{
    failure::{Exit, Failure},
    output::{table, text, time},
    session::Session,
};

/// Prints them with their last runs; `hidden`: internal ones as well.
pub(super) async fn list(
    session: &Session,
    search: Option<String>,
    hidden: bool,
) -> Result<Exit, Failure> {
    let query: Vec<_> = search
        .map(|search| ("search", search))
        .into_iter()
        .collect();
    let mut items = session
        .client()?
        .list(&["applications"], &query, usize::MAX)
        .await?;
    let all = items.len();
    items.retain(|one| hidden || one["hidden"] != true);
    let left_out = all - items.len();
    session.output.result(&json!({"items": items}), |_| {
        let rows: Vec<_> = items.iter().map(row).collect();
        table(
            &[
                "name",
                "friendly name",
                "version",
                "edited",
                "by",
                "last run",
                "state",
            ],
            &rows,
        )
    });
    if left_out > 0 {
        session.output.remark(&format!(
            "{left_out} hidden: pfctl application list --hidden"
        ));
    }
    Ok(Exit::Success)
}

fn row(one: &Value) -> Vec<String> {
    let last = &one["last_run"];
    vec![
        text(&one["name"]),
        text(&one["friendly_name"]),
        text(&one["version"]),
        time(&one["edited_at"]),
        text(&one["edited_by"]),
        time(&last["created_at"]),
        text(&last["state"]),
    ]
}
