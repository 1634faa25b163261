//! Keeps ServiceNow incidents in step with SL1 events: the steps of the application
//! "Create or Update ServiceNow Incident from SL1 Event".

mod create_or_update;
mod read;
mod servicenow;
mod sl1;
mod transform;

pub use create_or_update::CreateOrUpdateIncident;
pub use read::ReadIncident;
pub use sl1::UpdateSl1ExternalTicket;
pub use transform::TransformEvent;

powerflow_sdk::syncpack!(
    TransformEvent,
    CreateOrUpdateIncident,
    ReadIncident,
    UpdateSl1ExternalTicket
);

#[cfg(test)]
mod tests;
