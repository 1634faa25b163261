//! The part of ServiceNow's Table API that the steps use.

use powerflow_sdk::{http::Response, prelude::*};
use serde::{Deserialize, Serialize};

const TABLE: &str = "/api/now/table/incident";
/// Only what is used: an incident has about a hundred fields.
const FIELDS: &str = "sys_id,number,state,correlation_id,short_description";

/// An incident, as far as it matters here.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Incident {
    pub(crate) sys_id: String,
    pub(crate) number: String,
    #[serde(default)]
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) correlation_id: String,
    #[serde(default)]
    pub(crate) short_description: String,
}

/// What every answer of the Table API looks like.
#[derive(Deserialize)]
struct Answer<T> {
    result: T,
}

pub(crate) struct ServiceNow(http::Client);

impl ServiceNow {
    pub(crate) fn new(url: &str, user: &str, password: &Secret) -> Self {
        Self(
            http::Client::new(url)
                .basic_auth(user, password)
                .header("accept", "application/json"),
        )
    }

    /// The incident of this correlation, if there is one.
    pub(crate) fn find(&self, correlation_id: &str) -> Result<Option<Incident>> {
        let answer: Answer<Vec<Incident>> = self
            .0
            .get(TABLE)
            .query(
                "sysparm_query",
                format_args!("correlation_id={correlation_id}"),
            )
            .query("sysparm_limit", 1)
            .query("sysparm_fields", FIELDS)
            .send()?
            .ok()?
            .json()?;
        Ok(answer.result.into_iter().next())
    }

    pub(crate) fn read(&self, sys_id: &str) -> Result<Incident> {
        let request = self.0.get(&path(sys_id)).query("sysparm_fields", FIELDS);
        incident(&request.send()?.ok()?)
    }

    /// `None` when the instance holds an incident of this correlation already (409).
    pub(crate) fn create(&self, fields: &Value) -> Result<Option<Incident>> {
        let response = self
            .0
            .post(TABLE)
            .query("sysparm_fields", FIELDS)
            .json(fields)
            .send()?;
        if response.status() == 409 {
            return Ok(None);
        }
        incident(&response.ok()?).map(Some)
    }

    pub(crate) fn update(&self, sys_id: &str, fields: &Value) -> Result<Incident> {
        let request = self
            .0
            .patch(&path(sys_id))
            .query("sysparm_fields", FIELDS)
            .json(fields);
        incident(&request.send()?.ok()?)
    }
}

fn path(sys_id: &str) -> String {
    format!("{TABLE}/{}", http::encode(sys_id))
}

fn incident(response: &Response) -> Result<Incident> {
    Ok(response.json::<Answer<Incident>>()?.result)
}
