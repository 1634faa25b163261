//! Runs both simulators until interrupted. Once they listen, one JSON line on standard output says
//! where.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Parser;
use serde_json::json;
use simulators::{Settings, events, servicenow, sl1};

/// Simulators of the ServiceNow Table API and of the SL1 API.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Address to listen on.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// Port of the ServiceNow simulator; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    servicenow_port: u16,
    /// Port of the SL1 simulator; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    sl1_port: u16,
    /// User of both.
    #[arg(long, default_value = "simulator")]
    user: String,
    /// Password of both.
    #[arg(
        long,
        default_value = "simulator",
        env = "SIMULATOR_PASSWORD",
        hide_env_values = true
    )]
    password: String,
    /// Milliseconds added to every answer.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Share of requests that fail with 503, 0 to 1.
    #[arg(long, default_value_t = 0.0, value_parser = rate)]
    error_rate: f64,
    /// Refuse a second incident with the same correlation_id with 409.
    #[arg(long)]
    unique_correlation: bool,
    /// Let writing to an unknown SL1 event create it.
    #[arg(long)]
    create_on_write: bool,
    /// Load this many generated events into the SL1 simulator.
    #[arg(long, default_value_t = 0)]
    events: usize,
    /// Seed of the generated events.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(rate),
        _ => Err("a number from 0 to 1".into()),
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let given = Arguments::parse();
    let settings = |port| Settings {
        bind: SocketAddr::new(given.bind, port),
        user: given.user.clone(),
        password: given.password.clone(),
        latency: Duration::from_millis(given.latency_ms),
        error_rate: given.error_rate,
        unique_correlation: given.unique_correlation,
        create_on_write: given.create_on_write,
    };
    let servicenow = servicenow::Server::start(settings(given.servicenow_port)).await?;
    let sl1 = sl1::Server::start(settings(given.sl1_port)).await?;
    let loaded = sl1.load(events::generate(given.events, given.seed));
    println!(
        "{}",
        json!({"servicenow": servicenow.url(), "sl1": sl1.url(), "user": given.user, "events": loaded})
    );
    tokio::signal::ctrl_c().await?;
    servicenow.stop().await;
    sl1.stop().await;
    Ok(())
}
