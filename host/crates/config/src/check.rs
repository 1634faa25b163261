//! Settings that are well formed one by one and contradict each other, or cannot work.

use std::time::Duration;

use crate::{Effective, Origin, Problem, Settings};

/// Section, field, and what is wrong with it.
type Finding = (&'static str, &'static str, String);

pub(crate) fn contradictions(settings: &Settings, effective: &[Effective]) -> Vec<Problem> {
    let mut found = Vec::new();
    amounts(settings, &mut found);
    relations(settings, &mut found);
    forms(settings, &mut found);
    let problem = |(section, field, message)| {
        let origin = effective
            .iter()
            .find(|entry| entry.section == section && entry.field == field)
            .map(|entry| &entry.origin);
        match origin {
            Some(Origin::File(place)) => Problem::new(place, format_args!("{field}: {message}")),
            Some(Origin::Variable(name)) => Problem::new(name, message),
            Some(Origin::Argument) => {
                Problem::new(format_args!("--set {section}.{field}"), message)
            }
            _ => Problem::new(format_args!("default of {section}.{field}"), message),
        }
    };
    found.into_iter().map(problem).collect()
}

/// Durations and sizes with which nothing would work.
fn amounts(settings: &Settings, found: &mut Vec<Finding>) {
    let timeouts = [
        ("server", "request_timeout", settings.server.request_timeout),
        ("store", "result_expires", settings.store.result_expires),
        ("queue", "lease", settings.queue.lease),
        ("worker", "lease", settings.worker.lease),
        (
            "worker",
            "step_soft_timeout",
            settings.worker.step_soft_timeout,
        ),
        ("worker", "step_timeout", settings.worker.step_timeout),
        ("http", "connect_timeout", settings.http.connect_timeout),
        (
            "http",
            "first_byte_timeout",
            settings.http.first_byte_timeout,
        ),
        (
            "http",
            "between_bytes_timeout",
            settings.http.between_bytes_timeout,
        ),
    ];
    for (section, field, timeout) in timeouts {
        if timeout == Duration::ZERO {
            found.push((section, field, "it must be longer than nothing".to_owned()));
        }
    }
    let sizes = [
        ("server", "body_limit", settings.server.body_limit),
        ("server", "upload_limit", settings.server.upload_limit),
        ("runtime", "memory", settings.runtime.memory),
        ("runtime", "output_limit", settings.runtime.output_limit),
    ];
    for (section, field, size) in sizes {
        if size.0 < 64 << 10 {
            found.push((section, field, "it must be at least 64KiB".to_owned()));
        }
    }
    if settings.runtime.memory.0 > 4 << 30 {
        let message = "a WebAssembly memory ends at 4GiB".to_owned();
        found.push(("runtime", "memory", message));
    }
}

/// Settings that must be in proportion.
fn relations(settings: &Settings, found: &mut Vec<Finding>) {
    let (database, redis) = (&settings.store.database_url, &settings.queue.redis_url);
    if database.is_some() != redis.is_some() {
        let message = "store.database_url (DATABASE_URL) and queue.redis_url (REDIS_URL) belong together: set both for a cluster, or none for one process with the embedded store";
        let (section, field) = if database.is_some() {
            ("store", "database_url")
        } else {
            ("queue", "redis_url")
        };
        found.push((section, field, message.to_owned()));
    }
    if !settings.worker.lease.is_zero() && settings.worker.lease < Duration::from_secs(2) {
        let message = "it must be at least 2s: a worker renews its lease every half second";
        found.push(("worker", "lease", message.to_owned()));
    }
    if settings.worker.step_timeout_max < settings.worker.step_timeout {
        let message = "it must not be shorter than worker.step_timeout";
        found.push(("worker", "step_timeout_max", message.to_owned()));
    }
    if settings.limits.run_wait >= settings.server.request_timeout {
        let message = "it must be shorter than server.request_timeout, which ends the request";
        found.push(("limits", "run_wait", message.to_owned()));
    }
}

/// Texts that must look like something.
fn forms(settings: &Settings, found: &mut Vec<Finding>) {
    let store = &["postgres", "postgresql"][..];
    let queue = &[
        "redis",
        "rediss",
        "redis-cluster",
        "rediss-cluster",
        "redis-sentinel",
        "rediss-sentinel",
    ];
    let urls = [
        ("store", "database_url", &settings.store.database_url, store),
        ("queue", "redis_url", &settings.queue.redis_url, queue),
    ];
    for (section, field, url, schemes) in urls {
        if let Some(url) = url
            && !schemes.contains(&url.scheme())
        {
            let message = format!("it must begin with {}://", schemes.join(":// or "));
            found.push((section, field, message));
        }
    }
    if let Some(url) = &settings.telemetry.otlp_endpoint
        && !["http", "https"].contains(&url.scheme())
    {
        let message = "it must begin with http:// or https://: OTLP is sent over HTTP, whose port is usually 4318";
        found.push(("telemetry", "otlp_endpoint", message.to_owned()));
    }
    if let Some(url) = &settings.telemetry.otlp_endpoint
        && url.expose().contains(['@', '?', '#'])
    {
        let message =
            "it must be an address alone: write what proves who sends into telemetry.headers_file";
        found.push(("telemetry", "otlp_endpoint", message.to_owned()));
    }
    let agent = &settings.http.user_agent;
    if !agent.chars().all(|letter| matches!(letter, ' '..='~')) {
        let message = "a header holds letters, digits and signs of ASCII alone".to_owned();
        found.push(("http", "user_agent", message));
    }
    if settings.auth.admin.is_empty() || settings.auth.admin.contains(':') {
        let message = "it must not be empty and hold no colon".to_owned();
        found.push(("auth", "admin", message));
    }
}
