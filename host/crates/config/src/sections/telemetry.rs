use std::{num::NonZeroU32, path::PathBuf};

use super::section;
use crate::{SecretUrl, Share};

section! {
    /// Traces of requests, runs and steps, sent to a collector of OpenTelemetry. Off where no
    /// collector is named.
    Telemetry = "telemetry" {
        /// The collector, as `http://host:4318`: it is sent OTLP over HTTP, as protobuf, at
        /// `/v1/traces` below this address.
        otlp_endpoint: Option<SecretUrl> = "" or "OTEL_EXPORTER_OTLP_ENDPOINT";
        /// A file of headers that the collector is sent, one `name: value` a line, such as a
        /// token. Headers of `OTEL_EXPORTER_OTLP_HEADERS` are sent too.
        headers_file: Option<PathBuf> = "";
        /// The share of traces begun here that are recorded, from 0 to 1. A caller that
        /// sends a `traceparent` decides on its trace itself.
        sampling: Share = "1";
        /// Whether steps' HTTP requests tell the far side the trace (`traceparent`,
        /// `tracestate`), unless a step sets the header itself.
        propagate: bool = "true";
        /// The service's name in traces; `powerflow` where neither it nor
        /// `OTEL_RESOURCE_ATTRIBUTES` names one.
        service_name: Option<String> = "" or "OTEL_SERVICE_NAME";
        /// How many spans may wait to be sent. When more come, they are dropped and counted
        /// rather than waited for.
        queue: NonZeroU32 = "8192";
    }
}
