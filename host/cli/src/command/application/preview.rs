//! `pfctl application preview`

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use super::Preview;
use crate::{
    client::with_text,
    failure::{Exit, Failure},
    file,
    output::{pretty, text},
    session::Session,
};

/// Evaluates an operator of an application's file and prints what it makes.
pub(super) async fn preview(session: &Session, asked: &Preview) -> Result<Exit, Failure> {
    if asked.file.as_os_str() == "-" && asked.data.as_deref() == Some(Path::new("-")) {
        return Err(Failure::usage("only one of the two files can be stdin"));
    }
    let (_, application) = file::json(&asked.file)?;
    let mut body = json!({ "operator": operator(&application, asked)? });
    if let Some(data) = &asked.data {
        body["data"] = file::json(data)?.1;
    }
    if let Some(run) = &asked.run {
        body["run"] = json!(run);
    }
    if let Some(configuration) = &asked.config {
        body["configuration"] = json!(configuration);
    }
    let client = session.client()?;
    let request = client.request(Method::POST, &["operators", "preview"]);
    let answer = client
        .send(with_text(request, body.to_string()))
        .await?
        .json()?;
    for line in answer["log"].as_array().into_iter().flatten() {
        session.output.remark(&text(line));
    }
    let failed = !answer["error"].is_null();
    session.output.result(&answer, |answer| {
        let error = &answer["error"];
        if failed {
            return format!("{}: {}", text(&error["code"]), text(&error["message"]));
        }
        pretty(&answer["data"])
    });
    if let Some(next) = answer["next"].as_array() {
        let names: Vec<String> = next.iter().map(text).collect();
        session.output.remark(&match names.as_slice() {
            [] => "it leads nowhere".to_owned(),
            names => format!("it leads to {}", names.join(", ")),
        });
    }
    Ok(if failed { Exit::Refused } else { Exit::Success })
}

/// The entry of that name.
fn operator(application: &Value, asked: &Preview) -> Result<Value, Failure> {
    let steps = application["steps"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let found = steps
        .iter()
        .find(|step| step["name"] == asked.step.as_str());
    found.cloned().ok_or_else(|| {
        let known: Vec<String> = steps
            .iter()
            .filter(|step| !step["operator"].is_null())
            .map(|step| text(&step["name"]))
            .collect();
        let known = match known.as_slice() {
            [] => "it has no operator".to_owned(),
            known => format!("its operators: {}", known.join(", ")),
        };
        Failure::local(format!(
            "{} has no step `{}`; {known}",
            asked.file.display(),
            asked.step
        ))
    })
}
