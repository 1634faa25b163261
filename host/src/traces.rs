//! Traces: from the spans that the crates below tell to a collector that speaks OTLP.
//!
//! Whoever tells a span never waits: spans stand in a bounded queue, one task sends them in
//! batches, and what is too much or cannot be sent is dropped and counted.

mod client;
mod convert;

use std::{path::Path, time::Duration};

use anyhow::{Context as _, bail};
use config::sections::Telemetry;
use engine::Role;
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{Resource, trace::SpanExporter as _};
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    task::JoinHandle,
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use trace::{Sink, Span, Tracer};

use client::Client;

/// The most spans of one request.
const BATCH: usize = 512;
/// How long a span waits for others to be sent with.
const LINGER: Duration = Duration::from_secs(1);
/// How long a stopping service takes to send what waits.
const FLUSH: Duration = Duration::from_secs(5);
/// How often it is said that the collector does not take spans.
const COMPLAIN: Duration = Duration::from_mins(1);

/// Sends spans until it is ended.
pub(crate) struct Traces {
    tracer: Tracer,
    sending: Option<(CancellationToken, JoinHandle<()>)>,
}

impl Traces {
    /// Starts sending, if the settings name a collector. Must run inside a tokio runtime,
    /// which then also sends.
    pub(crate) fn start(
        settings: &Telemetry,
        role: Role,
        instance: String,
    ) -> anyhow::Result<Self> {
        let Some(endpoint) = &settings.otlp_endpoint else {
            return Ok(Self {
                tracer: Tracer::off(),
                sending: None,
            });
        };
        let address = format!("{}/v1/traces", endpoint.expose().trim_end_matches('/'));
        let client = Client::new(&address).context("telemetry.otlp_endpoint")?;
        let headers = match &settings.headers_file {
            Some(path) => headers(path).context("telemetry.headers_file")?,
            None => Vec::new(),
        };
        let mut exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(address)
            .with_headers(headers.into_iter().collect())
            .build()
            .context("traces cannot be exported")?;
        exporter.set_resource(&resource(settings, role, instance));
        let (sender, receiver) = channel(settings.queue.get() as usize);
        let stopping = CancellationToken::new();
        let exports = Exports {
            exporter,
            complained: None,
            lost: 0,
        };
        let task = tokio::spawn(exports.run(receiver, stopping.clone()));
        let how = trace::Settings {
            sampling: settings.sampling.0,
            propagate: settings.propagate,
        };
        tracing::info!(collector = %endpoint.masked(), "traces are on");
        Ok(Self {
            tracer: Tracer::new(Queue(sender), how),
            sending: Some((stopping, task)),
        })
    }

    /// Who is told spans.
    pub(crate) fn tracer(&self) -> Tracer {
        self.tracer.clone()
    }

    /// Sends what waits, if that does not take long.
    pub(crate) async fn end(self) {
        let Some((stopping, task)) = self.sending else {
            return;
        };
        stopping.cancel();
        if tokio::time::timeout(FLUSH, task).await.is_err() {
            tracing::warn!("the collector did not take the last spans in time");
        }
    }
}

/// What names this process to whoever looks at its spans.
fn resource(settings: &Telemetry, role: Role, instance: String) -> Resource {
    // Reads OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME.
    let found = Resource::builder().build();
    let named = found
        .get(&Key::from_static_str("service.name"))
        .map(|name| name.as_str().into_owned())
        .filter(|name| !name.starts_with("unknown_service"));
    let name = settings.service_name.clone().or(named);
    Resource::builder()
        .with_service_name(name.unwrap_or_else(|| "powerflow".to_owned()))
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", instance),
            KeyValue::new("powerflow.role", role.word()),
        ])
        .build()
}

/// Headers from a file. What it holds is repeated in no error.
fn headers(path: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    let mut headers = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = || format!("{}, line {}", path.display(), number + 1);
        let Some((name, value)) = line.split_once(':') else {
            bail!("{}: a header is written `name: value`", wrong());
        };
        let (name, value) = (name.trim(), value.trim());
        let proper =
            http::HeaderName::try_from(name).is_ok() && http::HeaderValue::try_from(value).is_ok();
        if !proper {
            bail!("{}: this is no header", wrong());
        }
        headers.push((name.to_owned(), value.to_owned()));
    }
    Ok(headers)
}

/// Where spans wait.
struct Queue(Sender<Span>);

impl Sink for Queue {
    fn take(&self, span: Span) {
        if self.0.try_send(span).is_err() {
            metrics::get().spans_dropped(1);
        }
    }
}

/// Takes spans from the queue to the collector.
struct Exports {
    exporter: opentelemetry_otlp::SpanExporter,
    complained: Option<Instant>,
    /// Spans that were lost since the last complaint.
    lost: usize,
}

impl Exports {
    async fn run(mut self, mut waiting: Receiver<Span>, stopping: CancellationToken) {
        loop {
            let batch = gather(&mut waiting, &stopping).await;
            if batch.is_empty() {
                return;
            }
            self.export(batch).await;
        }
    }

    async fn export(&mut self, batch: Vec<Span>) {
        let number = batch.len();
        let spans = batch.into_iter().map(convert::span).collect();
        match self.exporter.export(spans).await {
            Ok(()) => {
                metrics::get().spans_exported(number);
                if self.lost > 0 {
                    tracing::info!(lost = self.lost, "the collector takes spans again");
                    self.lost = 0;
                }
            }
            Err(error) => {
                metrics::get().spans_dropped(number);
                self.lost += number;
                let now = Instant::now();
                if self.complained.is_none_or(|last| now - last >= COMPLAIN) {
                    self.complained = Some(now);
                    tracing::warn!(%error, lost = self.lost, "the collector does not take spans");
                }
            }
        }
    }
}

/// The next batch: full, or as old as a span may get. Empty when all has been sent at the end.
async fn gather(waiting: &mut Receiver<Span>, stopping: &CancellationToken) -> Vec<Span> {
    let mut batch = Vec::new();
    tokio::select! {
        _ = waiting.recv_many(&mut batch, BATCH) => {}
        () = stopping.cancelled() => {
            waiting.close();
            waiting.recv_many(&mut batch, BATCH).await;
            return batch;
        }
    }
    let until = Instant::now() + LINGER;
    while batch.len() < BATCH {
        let room = BATCH - batch.len();
        tokio::select! {
            more = waiting.recv_many(&mut batch, room) => if more == 0 { break },
            () = tokio::time::sleep_until(until) => break,
            () = stopping.cancelled() => break,
        }
    }
    batch
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn headers_are_read_and_what_is_wrong_is_not_repeated() -> anyhow::Result<()> {
        let mut file = tempfile::NamedTempFile::new()?;
        writeln!(file, "# token\n\nAuthorization: Bearer x:y\nx-tenant:7")?;
        let expected = [("Authorization", "Bearer x:y"), ("x-tenant", "7")];
        let read = headers(file.path())?;
        let read: Vec<_> = read
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        assert_eq!(read, expected);
        write!(file, "hunter2")?;
        let error = format!("{:#}", headers(file.path()).expect_err("it is no header"));
        assert!(
            error.contains("line 5") && !error.contains("hunter2"),
            "{error}"
        );
        Ok(())
    }
}
