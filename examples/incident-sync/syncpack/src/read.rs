//! The third step: read back what was written.

use powerflow_sdk::prelude::*;

use crate::servicenow::ServiceNow;

/// Reads an incident and checks that it is the right one.
#[derive(Step)]
#[step(friendly_name = "Read Incident", version = "1.0.0")]
pub struct ReadIncident {
    /// Base URL of the ServiceNow instance.
    #[param(sample = "https://dev1.service-now.com")]
    sn_url: String,
    /// User of the Table API.
    sn_user: String,
    /// Password of that user.
    sn_password: Secret,
    /// The incident's sys_id.
    sys_id: String,
    /// The correlation that the incident must have, if it is to be checked.
    correlation_id: Option<String>,
}

impl Execute for ReadIncident {
    fn execute(&self, cx: &mut Context) -> Result<Output> {
        let incident =
            ServiceNow::new(&self.sn_url, &self.sn_user, &self.sn_password).read(&self.sys_id)?;
        if let Some(expected) = &self.correlation_id
            && *expected != incident.correlation_id
        {
            return Err(Error::permanent(format!(
                "incident {} has the correlation \"{}\", not \"{expected}\"",
                incident.number, incident.correlation_id
            ))
            .with_code("incident"));
        }
        debug!(cx, "{} is in state {}", incident.number, incident.state);
        Output::json(&incident)
    }
}
