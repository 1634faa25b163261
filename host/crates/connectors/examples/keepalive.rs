//! Measures the HTTP client over kept connections: POST of a JSON document of 500 bytes, against an
//! echo server in the same process or against a URL on this machine (with the simulators' user).
//!
//! `cargo run --release -p powerflow-connectors --example keepalive [SECONDS] [CONCURRENCY] [URL]`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::post;
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use connectors::http::{Connector, Egress, Error, Grant, Grants, Timeouts};
use http_body_util::{BodyExt as _, Full};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os()
        .skip(1)
        .filter_map(|argument| argument.into_string().ok());
    let seconds: u64 = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let concurrency: usize = arguments.next().map_or(Ok(32), |text| text.parse())?;

    let given = arguments.next();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = given.unwrap_or(format!(
        "http://127.0.0.1:{}/echo",
        listener.local_addr()?.port()
    ));
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let router = Router::new().route("/echo", post(async |body: Bytes| body));
    tokio::spawn(async move { axum::serve(listener, router).await });

    let grant = Grant::parse("bench", "127.0.0.1")?
        .with_ports(Some((1..=u16::MAX).collect()))
        .with_private_network(true);
    let egress = Egress {
        tenant: 1,
        pack: "bench".into(),
        grants: Grants::new([grant]),
        tls: None,
    };
    let connector = Connector::default();
    let done = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let end = begun + Duration::from_secs(seconds);
    let mut tasks = Vec::new();
    for _ in 0..concurrency {
        let (connector, egress, url, done) =
            (connector.clone(), egress.clone(), url.clone(), done.clone());
        tasks.push(tokio::spawn(async move {
            let payload = Bytes::from(format!(r#"{{"description":"{}"}}"#, "x".repeat(482)));
            while Instant::now() < end {
                let request = http::Request::post(&url)
                    .header("content-type", "application/json")
                    .header("authorization", "Basic c2ltdWxhdG9yOnNpbXVsYXRvcg==")
                    .body(Full::new(payload.clone()))
                    .map_err(|error| Error::Request {
                        reason: error.to_string(),
                    })?;
                let response = connector
                    .send(&egress, request, Timeouts::default())
                    .await?;
                response.into_body().collect().await?;
                done.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, Error>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let rate = done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
    println!(
        "{rate:.0} requests/s, {concurrency} at a time, {:?}",
        connector.stats()
    );
    Ok(())
}
