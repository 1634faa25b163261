//! The first step: from an event to the fields of an incident.

use powerflow_sdk::prelude::*;

/// The longest short description that ServiceNow keeps, in characters.
const SHORT: usize = 160;

/// Turns an SL1 event into the fields of a ServiceNow incident.
#[derive(Step)]
#[step(friendly_name = "Transform Event", version = "1.0.0")]
pub struct TransformEvent {
    /// The SL1 event, as SL1's API gives it.
    #[param(kind = "object", sample = json!({
        "eid": "4000001", "severity": 4, "message": "Device Failed Availability Check",
        "device_id": 100, "device_name": "fra01-core-sw-100", "policy_id": 1,
    }))]
    event: Value,
    /// First part of the correlation: events of two SL1 systems never share an incident.
    #[param(default = "SL1")]
    region: String,
    /// Impact and urgency for each severity of SL1, from 0 (healthy) to 4 (critical).
    #[param(kind = "object", default = json!({
        "0": [3, 3], "1": [3, 3], "2": [2, 3], "3": [2, 2], "4": [1, 1],
    }))]
    severity_map: Value,
}

impl Execute for TransformEvent {
    fn execute(&self, cx: &mut Context) -> Result<Output> {
        let mut fields = Fields {
            event: &self.event,
            missing: Vec::new(),
        };
        let eid = fields.text("eid");
        let message = fields.text("message");
        let device_id = fields.text("device_id");
        let device_name = fields.text("device_name");
        let policy_id = fields.text("policy_id");
        let severity = fields.text("severity");
        fields.refuse_missing()?;

        let Some((impact, urgency)) = self.priority(&severity) else {
            return Err(Error::permanent(format!(
                "event {eid}: its severity \"{severity}\" is not in the severity map, which holds pairs of impact and urgency"
            ))
            .with_code("event"));
        };
        let correlation_id = format!("{}+DEV+{device_id}+POLICY+{policy_id}", self.region);
        let resolved = severity == "0";
        let mut incident = json!({
            "short_description": cut(&format!("{device_name}: {message}"), SHORT),
            "description": self.description(&message),
            "impact": impact,
            "urgency": urgency,
            "correlation_id": correlation_id,
            "correlation_display": "SL1",
            "company": optional(&self.event, "company_sys_id"),
            "cmdb_ci": device_name,
            "category": "network",
            "contact_type": "monitoring",
            "state": if resolved { "6" } else { "1" },
            "work_notes": format!("SL1 event {eid}: {message}"),
        });
        if resolved {
            incident["close_code"] = "Resolved by caller".into();
            incident["close_notes"] = format!("SL1 reports the device healthy: {message}").into();
        }
        debug!(cx, "event {eid} has the correlation {correlation_id}");
        Ok(Output::new(
            json!({ "eid": eid, "correlation_id": correlation_id, "incident": incident }),
        ))
    }
}

impl TransformEvent {
    fn priority(&self, severity: &str) -> Option<(String, String)> {
        let pair = self.severity_map.get(severity)?.as_array()?;
        match pair.as_slice() {
            [impact, urgency] => Some((as_text(impact)?, as_text(urgency)?)),
            _ => None,
        }
    }

    /// The message and whatever of these the event has, a line each.
    fn description(&self, message: &str) -> String {
        let mut text = message.to_owned();
        for (label, field) in [
            ("Device", "device_name"),
            ("Address", "device_ip"),
            ("Class", "device_class"),
            ("Organization", "organization"),
            ("Policy", "policy_name"),
            ("Severity", "severity_name"),
            ("First occurrence", "first_occurrence"),
            ("Last occurrence", "last_occurrence"),
            ("Count", "counter"),
        ] {
            let value = optional(&self.event, field);
            if !value.is_empty() {
                text.push_str(&format!("\n{label}: {value}"));
            }
        }
        text
    }
}

/// Reads what an event must have and remembers what it lacks.
struct Fields<'a> {
    event: &'a Value,
    missing: Vec<&'static str>,
}

impl Fields<'_> {
    fn text(&mut self, field: &'static str) -> String {
        let text = optional(self.event, field);
        if text.is_empty() {
            self.missing.push(field);
        }
        text
    }

    fn refuse_missing(&self) -> Result<()> {
        if self.missing.is_empty() {
            return Ok(());
        }
        let fields = self.missing.join(", ");
        let eid = optional(self.event, "eid");
        let event = if eid.is_empty() {
            "the event".to_owned()
        } else {
            format!("event {eid}")
        };
        Err(Error::permanent(format!("{event} lacks {fields}"))
            .with_code("event")
            .with_detail(json!({ "missing": self.missing })))
    }
}

/// The field as text; empty when it is missing, null or no plain value.
fn optional(event: &Value, field: &str) -> String {
    event.get(field).and_then(as_text).unwrap_or_default()
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some(_) => text.chars().take(characters - 1).chain(['…']).collect(),
        None => text.to_owned(),
    }
}
