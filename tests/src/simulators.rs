//! The simulators of ServiceNow and SL1 as a child process.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use crate::http::Client;
use crate::place;
use crate::process::{Process, Usage};

/// User and password of both simulators.
pub const USER: &str = "simulator";
const PASSWORD: &str = "simulator";

/// How the simulators start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    /// Events that the SL1 simulator holds.
    pub events: usize,
    /// Added to each answer.
    pub latency: Duration,
    /// Whether ServiceNow refuses a second incident of one correlation.
    pub unique_correlation: bool,
    /// The password of both; a plain one where it is absent.
    pub password: Option<&'static str>,
}

/// Running simulators. Dropping them kills them.
pub struct Simulators {
    process: Process,
    servicenow: String,
    sl1: String,
    password: &'static str,
}

impl Plan {
    /// Starts both on free ports. The log goes into the folder.
    pub fn start(self, folder: &Path) -> anyhow::Result<Simulators> {
        let mut command = Command::new(place::program("incident-sync-simulators")?);
        let password = self.password.unwrap_or(PASSWORD);
        command.args(["--user", USER, "--password", password]);
        command.arg("--events").arg(self.events.to_string());
        command
            .arg("--latency-ms")
            .arg(self.latency.as_millis().to_string());
        if self.unique_correlation {
            command.arg("--unique-correlation");
        }
        let log = folder.join("simulators.log");
        let (process, line) = Process::start_and_listen("the simulators", &mut command, &log)?;
        let said: Value = serde_json::from_str(&line).context("the simulators' first line")?;
        let url = |name: &str| {
            let url = said[name].as_str().map(str::to_owned);
            url.with_context(|| format!("the simulators do not say where {name} is: {line}"))
        };
        Ok(Simulators {
            servicenow: url("servicenow")?,
            sl1: url("sl1")?,
            password,
            process,
        })
    }
}

impl Simulators {
    /// ServiceNow's base URL.
    pub fn servicenow_url(&self) -> &str {
        &self.servicenow
    }

    /// SL1's base URL.
    pub fn sl1_url(&self) -> &str {
        &self.sl1
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// What their process uses.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        self.process.usage()
    }

    /// A client of ServiceNow with its credentials.
    pub fn servicenow(&self) -> anyhow::Result<Client> {
        Ok(Client::new(&self.servicenow)?.with_basic(USER, self.password))
    }

    /// A client of SL1 with its credentials.
    pub fn sl1(&self) -> anyhow::Result<Client> {
        Ok(Client::new(&self.sl1)?.with_basic(USER, self.password))
    }

    /// The configuration object `servicenow_example` that leads to them.
    pub fn configuration(&self) -> Value {
        json!({
            "name": "servicenow_example",
            "friendly_name": "ServiceNow Example",
            "description": "The simulators on this machine.",
            "author": "PowerFlow",
            "version": "1.0.0",
            "configuration_data": [
                {"name": "sn_url", "value": self.servicenow, "encrypted": false},
                {"name": "sn_user", "value": USER, "encrypted": false},
                {"name": "sn_password", "value": self.password, "encrypted": true},
                {"name": "sl1_url", "value": self.sl1, "encrypted": false},
                {"name": "sl1_user", "value": USER, "encrypted": false},
                {"name": "sl1_password", "value": self.password, "encrypted": true},
                {"name": "region", "value": "SL1", "encrypted": false},
            ],
        })
    }

    /// All incidents that ServiceNow holds.
    pub fn incidents(&self) -> anyhow::Result<Vec<Value>> {
        let mut document = self
            .servicenow()?
            .get("/api/now/table/incident?sysparm_limit=1000000")?;
        match document["result"].take() {
            Value::Array(incidents) => Ok(incidents),
            other => anyhow::bail!("ServiceNow listed no incidents but {other}"),
        }
    }

    /// All events that SL1 holds.
    pub fn events(&self) -> anyhow::Result<Vec<Value>> {
        let path = "/api/event?limit=1000000&extended_fetch=1&hide_filterinfo=1";
        match self.sl1()?.get(path)? {
            Value::Object(events) => Ok(events.into_iter().map(|(_, event)| event).collect()),
            other => anyhow::bail!("SL1 listed no events but {other}"),
        }
    }

    /// Forgets all incidents and events.
    pub fn clear(&self) -> anyhow::Result<()> {
        self.servicenow()?
            .send_json("DELETE", "/_sim/data", &Value::Null)?;
        self.sl1()?
            .send_json("DELETE", "/_sim/data", &Value::Null)?;
        Ok(())
    }

    /// Gives SL1 events to hold.
    pub fn load(&self, events: &[Value]) -> anyhow::Result<()> {
        self.sl1()?
            .send_json("PUT", "/_sim/events", &Value::Array(events.to_vec()))?;
        Ok(())
    }

    /// Sets what both add to each answer.
    pub fn set_latency(&self, latency: Duration) -> anyhow::Result<()> {
        let change = json!({"latency_ms": latency.as_millis() as u64});
        self.servicenow()?
            .send_json("PUT", "/_sim/settings", &change)?;
        self.sl1()?.send_json("PUT", "/_sim/settings", &change)?;
        Ok(())
    }
}
