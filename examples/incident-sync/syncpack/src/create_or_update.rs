//! The second step: the incident of a correlation, made or brought up to date.

use powerflow_sdk::prelude::*;

use crate::servicenow::{Incident, ServiceNow};

/// The states of an incident that matter here.
const IN_PROGRESS: &str = "2";
const RESOLVED: &str = "6";

/// Updates the incident of a correlation, or creates it.
///
/// When ServiceNow refuses the creation because another run was faster (409), the
/// step updates the incident that is there now.
#[derive(Step)]
#[step(friendly_name = "Create or Update Incident", version = "1.0.0")]
pub struct CreateOrUpdateIncident {
    /// Base URL of the ServiceNow instance.
    #[param(sample = "https://dev1.service-now.com")]
    sn_url: String,
    /// User of the Table API.
    sn_user: String,
    /// Password of that user.
    sn_password: Secret,
    /// The fields of the incident, `correlation_id` among them.
    #[param(kind = "object")]
    incident: Value,
}

impl Execute for CreateOrUpdateIncident {
    fn execute(&self, cx: &mut Context) -> Result<Output> {
        let correlation_id = match self.incident.get("correlation_id").and_then(Value::as_str) {
            Some(correlation_id) if !correlation_id.is_empty() => correlation_id,
            _ => {
                return Err(
                    Error::permanent("the incident lacks correlation_id").with_code("incident")
                );
            }
        };
        if correlation_id.contains('^') {
            // It would end the condition and begin another.
            let message = format!(
                "the correlation \"{correlation_id}\" holds a ^, which ServiceNow's queries cannot"
            );
            return Err(Error::permanent(message).with_code("incident"));
        }
        let servicenow = ServiceNow::new(&self.sn_url, &self.sn_user, &self.sn_password);
        let (incident, action) = match servicenow.find(correlation_id)? {
            Some(found) => (self.update(&servicenow, &found)?, "updated"),
            None => match servicenow.create(&self.incident)? {
                Some(created) => (created, "created"),
                None => {
                    info!(
                        cx,
                        "another run created the incident of {correlation_id} first; updating it"
                    );
                    let found = servicenow.find(correlation_id)?.ok_or_else(|| {
                        let message = format!(
                            "ServiceNow refused a second incident of {correlation_id} (409), and the first cannot be found yet"
                        );
                        Error::retryable(message).with_code("conflict")
                    })?;
                    (self.update(&servicenow, &found)?, "updated")
                }
            },
        };
        flow!(cx, "{action} {} for {correlation_id}", incident.number);
        Ok(Output::new(json!({
            "sys_id": incident.sys_id,
            "number": incident.number,
            "action": action,
            "correlation_id": correlation_id,
        })))
    }
}

impl CreateOrUpdateIncident {
    fn update(&self, servicenow: &ServiceNow, found: &Incident) -> Result<Incident> {
        let mut changes = json!({});
        for field in ["work_notes", "impact", "urgency"] {
            if let Some(value) = self.incident.get(field) {
                changes[field] = value.clone();
            }
        }
        let resolves = self.incident.get("state").and_then(Value::as_str) == Some(RESOLVED);
        match (resolves, found.state == RESOLVED) {
            (true, false) => {
                for field in ["state", "close_code", "close_notes"] {
                    changes[field] = self.incident.get(field).cloned().unwrap_or_default();
                }
            }
            (false, true) => changes["state"] = IN_PROGRESS.into(),
            (true, true) | (false, false) => {}
        }
        servicenow.update(&found.sys_id, &changes)
    }
}
