//! Steps that reach for the network.

use std::net::{TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket};

use crate::wasi::http::outgoing_handler::handle;
use crate::wasi::http::types::{
    Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method, OutgoingRequest, Scheme,
};
use crate::{Error, Outcome, error, output};

/// Sends a GET to `host:port/path`; more words are a header: name and value.
fn send(parameters: &str) -> Result<FutureIncomingResponse, Error> {
    let mut words = parameters.splitn(3, ' ');
    let target = words.next().unwrap_or_default();
    let headers = Fields::new();
    if let (Some(name), Some(value)) = (words.next(), words.next()) {
        headers
            .append(name, value.as_bytes())
            .map_err(|refused| error("header", format!("{refused:?}")))?;
    }
    let (authority, path) = target.split_at(target.find('/').unwrap_or(target.len()));
    let request = OutgoingRequest::new(headers);
    let set = request
        .set_method(&Method::Get)
        .and_then(|()| request.set_scheme(Some(&Scheme::Http)))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some(if path.is_empty() { "/" } else { path })));
    set.map_err(|()| error("request", "refused".into()))?;
    handle(request, None).map_err(|refused| error("http", format!("{refused:?}")))
}

fn wait(future: &FutureIncomingResponse) -> Result<IncomingResponse, Error> {
    future.subscribe().block();
    match future.get() {
        Some(Ok(Ok(response))) => Ok(response),
        Some(Ok(Err(refused))) => Err(error("http", format!("{refused:?}"))),
        other => Err(error("http", format!("{other:?}"))),
    }
}

fn read(response: &IncomingResponse) -> Result<Vec<u8>, Error> {
    let body = response
        .consume()
        .map_err(|()| error("body", "consumed".into()))?;
    let stream = body
        .stream()
        .map_err(|()| error("body", "no stream".into()))?;
    let mut bytes = Vec::new();
    let ended = loop {
        match stream.blocking_read(1 << 16) {
            Ok(part) => bytes.extend(part),
            Err(end) => break end,
        }
    };
    drop(stream);
    drop(IncomingBody::finish(body));
    match ended {
        crate::wasi::io::streams::StreamError::Closed => Ok(bytes),
        failed @ crate::wasi::io::streams::StreamError::LastOperationFailed(_) => Err(error(
            "stream",
            format!("{failed:?} after {} bytes", bytes.len()),
        )),
    }
}

/// Fetches once; follows one redirect by hand, as an SDK would.
pub(crate) fn fetch(parameters: &str) -> Result<Outcome, Error> {
    let mut response = wait(&send(parameters)?)?;
    if response.status() == 302 {
        let to = response.headers().get("location").pop().unwrap_or_default();
        let to = String::from_utf8_lossy(&to).replace("http://", "");
        response = wait(&send(&to)?)?;
    }
    let status = response.status();
    let body = read(&response)?;
    let text: String = String::from_utf8_lossy(&body)
        .chars()
        .take(200)
        .filter(|c| c.is_ascii_graphic() || *c == ' ')
        .collect();
    output(format!(
        r#"{{"status": {status}, "length": {}, "body": "{}"}}"#,
        body.len(),
        text.replace(['"', '\\'], "'")
    ))
}

/// Reads a body that does not end.
pub(crate) fn fetch_forever(parameters: &str) -> Result<Outcome, Error> {
    loop {
        fetch(parameters)?;
    }
}

/// Opens requests until the host refuses one.
pub(crate) fn open_many(parameters: &str) -> Result<Outcome, Error> {
    let mut open = Vec::new();
    for _ in 0..100 {
        open.push(send(parameters)?);
    }
    let mut refused = 0;
    for future in &open {
        refused += usize::from(wait(future).is_err());
    }
    output(refused.to_string())
}

/// Fills the bodies of so many requests as far as the host takes it and sends none; how many bytes
/// that were.
pub(crate) fn hoard(count: &str) -> Result<Outcome, Error> {
    let count: usize = count
        .trim()
        .parse()
        .map_err(|_| error("parameter", "not a number".into()))?;
    let refused = |_| error("body", "refused".into());
    let mut held = 0;
    for _ in 0..count {
        let request = OutgoingRequest::new(Fields::new());
        let body = request.body().map_err(refused)?;
        let stream = body.write().map_err(refused)?;
        while let Ok(room @ 1..) = stream.check_write() {
            let part = vec![b'x'; room as usize];
            stream
                .write(&part)
                .map_err(|failed| error("stream", format!("{failed:?}")))?;
            held += part.len();
        }
        drop(stream);
        std::mem::forget((request, body));
    }
    output(held.to_string())
}

/// Tries everything but HTTP.
pub(crate) fn sockets() -> Result<Outcome, Error> {
    let tried = [
        TcpStream::connect("127.0.0.1:22").is_ok(),
        TcpStream::connect("1.1.1.1:80").is_ok(),
        TcpListener::bind("127.0.0.1:0").is_ok(),
        UdpSocket::bind("0.0.0.0:0")
            .and_then(|socket| socket.send_to(b"x", "127.0.0.1:53"))
            .is_ok(),
        "localhost:80"
            .to_socket_addrs()
            .is_ok_and(|mut found| found.next().is_some()),
        "example.com:80"
            .to_socket_addrs()
            .is_ok_and(|mut found| found.next().is_some()),
    ];
    output(format!("{tried:?}"))
}
