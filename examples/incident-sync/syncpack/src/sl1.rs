//! The last step: the event learns its incident.

use powerflow_sdk::prelude::*;

/// Writes the number of an incident to an SL1 event as its external ticket.
#[derive(Step)]
#[step(
    name = "UpdateSl1ExternalTicket",
    friendly_name = "Update SL1 External Ticket",
    version = "1.0.0"
)]
pub struct UpdateSl1ExternalTicket {
    /// Base URL of SL1.
    #[param(sample = "https://sl1.example.com")]
    sl1_url: String,
    /// User of the SL1 API.
    sl1_user: String,
    /// Password of that user.
    sl1_password: Secret,
    /// The event's id.
    eid: String,
    /// The number of the incident.
    #[param(sample = "INC0010001")]
    number: String,
}

impl Execute for UpdateSl1ExternalTicket {
    fn execute(&self, cx: &mut Context) -> Result<Output> {
        http::Client::new(&self.sl1_url)
            .basic_auth(&self.sl1_user, &self.sl1_password)
            .post(&format!("/api/event/{}", http::encode(&self.eid)))
            .json(&json!({ "ext_ticket_ref": self.number }))
            .send()?
            .ok()?;
        info!(
            cx,
            "event {} has the external ticket {}", self.eid, self.number
        );
        Ok(Output::new(
            json!({ "eid": self.eid, "ext_ticket_ref": self.number }),
        ))
    }
}
