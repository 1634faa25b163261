//! `pfctl run data`: what a run was given and made.

use serde_json::Value;

use crate::{
    client::Client,
    failure::{Exit, Failure},
    output::text,
    session::Session,
};

pub(super) async fn data(session: &Session, client: &Client, id: &str) -> Result<Exit, Failure> {
    let mut data = client.get(&["tasks", id, "data"]).await?.json()?;
    if session.output.json {
        session.output.result(&data, |_| String::new());
        return Ok(Exit::Success);
    }
    let lacks = |data: &Value| {
        let outputs = data["outputs"].as_object();
        outputs.is_some_and(|outputs| outputs.values().any(Value::is_null))
    };
    let mut absent = Vec::new();
    if lacks(&data) {
        let task = client.get(&["tasks", id]).await?.json()?;
        // Ended in the meantime, they may have something now.
        data = client.get(&["tasks", id, "data"]).await?.json()?;
        absent = without_data(&mut data, &task);
    }
    // JSON in both forms: that is what it is.
    session.output.result(&data, |data| {
        serde_json::to_string_pretty(data).unwrap_or_default()
    });
    for line in absent {
        session.output.remark(&line);
    }
    Ok(Exit::Success)
}

/// Takes the steps without data out of it; says of each why it has none.
fn without_data(data: &mut Value, task: &Value) -> Vec<String> {
    let steps = match task["steps"].as_array() {
        Some(steps) => &steps[..],
        None => std::slice::from_ref(task),
    };
    let mut absent = Vec::new();
    let Some(outputs) = data["outputs"].as_object_mut() else {
        return absent;
    };
    outputs.retain(|name, output| {
        let step = steps.iter().find(|step| step["name"] == **name);
        let state = step.map_or_else(String::new, |step| text(&step["state"]));
        let why = match &*state {
            "success" | "warning" => return true,
            "failed" | "skipped" | "not_taken" | "cancelled" => format!("it ended as {state}"),
            _ => format!("it has not finished, it is {state}"),
        };
        if output.is_null() {
            absent.push(format!("the step `{name}` has no data: {why}"));
        }
        !output.is_null()
    });
    absent
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_step_without_data_is_told_and_not_null() {
        let mut data = json!({"outputs": {"a": {"x": 1}, "b": null, "c": null, "d": null}});
        let run = json!({"steps": [{"name": "a", "state": "success"}, {"name": "b", "state": "success"},
            {"name": "c", "state": "running"}, {"name": "d", "state": "failed"}]});
        assert_eq!(
            without_data(&mut data, &run),
            [
                "the step `c` has no data: it has not finished, it is running",
                "the step `d` has no data: it ended as failed"
            ]
        );
        // A step may hand on `null`.
        assert_eq!(data, json!({"outputs": {"a": {"x": 1}, "b": null}}));
        let mut data = json!({"outputs": {"c": null}});
        let step = json!({"name": "c", "state": "pending", "run": {}});
        assert_eq!(
            without_data(&mut data, &step),
            ["the step `c` has no data: it has not finished, it is pending"]
        );
    }
}
