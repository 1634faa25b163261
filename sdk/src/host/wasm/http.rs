//! HTTP over `wasi:http`.
//!
//! Each call of the host costs, so there are few: the headers go in one list, a
//! small body in one write, the answer comes in large reads, and a body whose length
//! is known is not asked for its end.

use super::bindings::wasi::{
    http::{
        outgoing_handler,
        types::{
            ErrorCode, Fields, HeaderError, IncomingResponse, Method, OutgoingBody,
            OutgoingRequest, RequestOptions, Scheme, http_error_code,
        },
    },
    io::streams::{OutputStream, StreamError},
};
use crate::http::{Failure, Incoming, Outgoing};

/// How much one read asks for, in bytes.
const READ: u64 = 256 * 1024;

pub(crate) fn send(request: &Outgoing<'_>) -> Result<Incoming, Failure> {
    let wire = OutgoingRequest::new(fields(request)?);
    let refused =
        |what: &str| Failure::Invalid(format!("the host refused the {what} of the request"));
    if request.method != "GET" {
        wire.set_method(&method(request.method))
            .map_err(|()| refused("method"))?;
    }
    let scheme = if request.url.secure() {
        Scheme::Https
    } else {
        Scheme::Http
    };
    wire.set_scheme(Some(&scheme))
        .map_err(|()| refused("scheme"))?;
    wire.set_authority(Some(request.url.authority()))
        .map_err(|()| refused("host"))?;
    wire.set_path_with_query(Some(request.url.path_with_query()))
        .map_err(|()| refused("path"))?;

    // The body is taken before the request is given away and written afterwards: the
    // host reads it only once the request is on its way.
    let body = match request.body {
        [] => None,
        bytes => Some((wire.body().map_err(|()| refused("body"))?, bytes)),
    };
    let pending = outgoing_handler::handle(wire, options(request)?).map_err(failure)?;
    // When the host has stopped reading the body, the answer says why.
    let written = body.map_or(Ok(()), |(body, bytes)| write(body, bytes));
    let answer = {
        let pollable = pending.subscribe();
        pollable.block();
        drop(pollable);
        pending.get()
    };
    match answer {
        Some(Ok(Ok(response))) => {
            drop(pending);
            read(&response, request)
        }
        Some(Ok(Err(code))) => Err(failure(code)),
        Some(Err(())) | None => Err(written
            .err()
            .unwrap_or(Failure::Other("the host gave no response".to_owned()))),
    }
}

fn fields(request: &Outgoing<'_>) -> Result<Fields, Failure> {
    let entries: Vec<(String, Vec<u8>)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into_bytes()))
        .collect();
    Fields::from_list(&entries).map_err(|error| {
        Failure::Invalid(match error {
            HeaderError::InvalidSyntax => {
                "a header of the request has a name or value that HTTP forbids".to_owned()
            }
            HeaderError::Forbidden => {
                "the host sets one of these headers itself; do not give it".to_owned()
            }
            HeaderError::Immutable => "the host takes no headers".to_owned(),
        })
    })
}

fn options(request: &Outgoing<'_>) -> Result<Option<RequestOptions>, Failure> {
    let Some(timeout) = request.timeout else {
        return Ok(None);
    };
    let nanoseconds = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
    let options = RequestOptions::new();
    options
        .set_connect_timeout(Some(nanoseconds))
        .and_then(|()| options.set_first_byte_timeout(Some(nanoseconds)))
        .and_then(|()| options.set_between_bytes_timeout(Some(nanoseconds)))
        .map_err(|()| Failure::Invalid("the host knows no time-outs".to_owned()))?;
    Ok(Some(options))
}

fn write(body: OutgoingBody, bytes: &[u8]) -> Result<(), Failure> {
    let stream = body
        .write()
        .map_err(|()| Failure::Other("the host takes no body".to_owned()))?;
    write_all(&stream, bytes)?;
    drop(stream);
    OutgoingBody::finish(body, None).map_err(failure)
}

fn write_all(stream: &OutputStream, mut rest: &[u8]) -> Result<(), Failure> {
    while !rest.is_empty() {
        let allowed =
            usize::try_from(stream.check_write().map_err(stream_failure)?).unwrap_or(usize::MAX);
        if allowed == 0 {
            stream.subscribe().block();
            continue;
        }
        let (now, later) = rest.split_at(allowed.min(rest.len()));
        stream.write(now).map_err(stream_failure)?;
        rest = later;
    }
    Ok(())
}

fn read(response: &IncomingResponse, request: &Outgoing<'_>) -> Result<Incoming, Failure> {
    let limit = request.limit;
    let status = response.status();
    let headers = response.headers().entries();
    let length = content_length(&headers);
    let mut bytes = Vec::new();
    if status != 204 && status != 304 && length != Some(0) && request.method != "HEAD" {
        if length.is_some_and(|length| length > limit) {
            return Err(Failure::TooLarge { limit });
        }
        let body = response
            .consume()
            .map_err(|()| Failure::Other("the host gave no body".to_owned()))?;
        let stream = body
            .stream()
            .map_err(|()| Failure::Other("the host gave no body".to_owned()))?;
        while length.is_none_or(|length| bytes.len() < length) {
            match stream.blocking_read(READ) {
                // The first piece is most often the whole: taken as it is.
                Ok(piece) if bytes.is_empty() => bytes = piece,
                Ok(piece) => bytes.extend_from_slice(&piece),
                Err(StreamError::Closed) => break,
                Err(error) => return Err(stream_failure(error)),
            }
            if bytes.len() > limit {
                return Err(Failure::TooLarge { limit });
            }
        }
    }
    Ok(Incoming {
        status,
        headers,
        body: bytes,
    })
}

/// The length that the answer states, unless the body is coded on the way.
fn content_length(headers: &[(String, Vec<u8>)]) -> Option<usize> {
    let (_, value) = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

fn method(name: &str) -> Method {
    match name {
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "PATCH" => Method::Patch,
        "OPTIONS" => Method::Options,
        other => Method::Other(other.to_owned()),
    }
}

fn stream_failure(error: StreamError) -> Failure {
    match error {
        StreamError::Closed => Failure::Terminated,
        StreamError::LastOperationFailed(error) => match http_error_code(&error) {
            Some(code) => failure(code),
            None => Failure::Other(error.to_debug_string()),
        },
    }
}

fn failure(code: ErrorCode) -> Failure {
    match code {
        ErrorCode::ConnectionRefused => Failure::Refused,
        ErrorCode::DnsTimeout
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => Failure::Timeout,
        ErrorCode::DnsError(payload) => Failure::Dns(payload.rcode.unwrap_or_default()),
        ErrorCode::DestinationNotFound => Failure::Dns(String::new()),
        ErrorCode::DestinationUnavailable | ErrorCode::DestinationIpUnroutable => {
            Failure::Unreachable
        }
        ErrorCode::ConnectionTerminated | ErrorCode::HttpResponseIncomplete => Failure::Terminated,
        ErrorCode::ConnectionLimitReached => Failure::Busy,
        ErrorCode::TlsCertificateError => Failure::Tls("the certificate is not trusted".to_owned()),
        ErrorCode::TlsProtocolError => Failure::Tls("the TLS handshake failed".to_owned()),
        ErrorCode::TlsAlertReceived(payload) => Failure::Tls(format!(
            "the server refused the TLS handshake: {}",
            payload.alert_message.unwrap_or_default()
        )),
        ErrorCode::DestinationIpProhibited => {
            Failure::Denied("the address is private and no grant allows it".to_owned())
        }
        ErrorCode::HttpRequestDenied => {
            Failure::Denied("no grant of the SyncPack covers this request".to_owned())
        }
        ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestLengthRequired
        | ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::HttpRequestHeaderSize(_)
        | ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpRequestTrailerSize(_)
        | ErrorCode::HttpRequestTrailerSectionSize(_)
        | ErrorCode::ConfigurationError
        | ErrorCode::LoopDetected => {
            Failure::Invalid(format!("the host refused the request: {code:?}"))
        }
        ErrorCode::InternalError(text) => Failure::Other(text.unwrap_or_default()),
        other => Failure::Protocol(format!("{other:?}")),
    }
}
