//! Servers and shortcuts for the tests of the HTTP client.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body as ServerBody;
use axum::extract::Request as ServerRequest;
use axum::response::IntoResponse as _;
use axum::routing::any;
use bytes::Bytes;
use connectors::http::{
    Connector, Egress, Error, Grant, Grants, Resolve, Resolving, Settings, Timeouts, Tls,
};
use http_body_util::{BodyExt as _, Full};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Answers each lookup with the next of the given answers, the last one for ever.
pub(crate) struct Names {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    pub(crate) asked: AtomicUsize,
}

impl Names {
    pub(crate) fn new(answers: &[&[&str]]) -> Arc<Self> {
        let answers = answers
            .iter()
            .map(|answer| answer.iter().map(|ip| ip.parse().unwrap()).collect());
        Arc::new(Self {
            answers: Mutex::new(answers.collect()),
            asked: AtomicUsize::new(0),
        })
    }
}

/// A resolver that the test keeps a hand on.
pub(crate) struct Shared(pub(crate) Arc<Names>);

impl Resolve for Shared {
    fn resolve<'a>(&'a self, _name: &'a str) -> Resolving<'a> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.0.answers.lock();
        let answer = if answers.len() > 1 {
            answers.pop_front()
        } else {
            answers.front().cloned()
        };
        Box::pin(async move { Ok(answer.unwrap_or_default()) })
    }
}

/// A connector for which every name is 127.0.0.1.
pub(crate) fn connector(settings: Settings) -> Connector {
    Connector::new(
        settings,
        Shared(Names::new(&[&["127.0.0.1"]])),
        Tls::system(),
    )
}

/// May reach everything below `example.test` and 127.0.0.1, private addresses included.
pub(crate) fn egress() -> Egress {
    let grants = ["*.example.test", "127.0.0.1"].map(|host| {
        Grant::parse("all", host)
            .unwrap()
            .with_ports(Some((1..=u16::MAX).collect()))
            .with_private_network(true)
    });
    Egress {
        tenant: 1,
        pack: "pack".into(),
        grants: Grants::new(grants),
        tls: None,
    }
}

pub(crate) fn request(method: &str, url: &str, body: &'static str) -> http::Request<Full<Bytes>> {
    http::Request::builder()
        .method(method)
        .uri(url)
        .body(Full::new(Bytes::from_static(body.as_bytes())))
        .unwrap()
}

pub(crate) async fn fetch(
    connector: &Connector,
    method: &str,
    url: &str,
    body: &'static str,
) -> Result<(u16, String), Error> {
    fetch_as(connector, &egress(), method, url, body).await
}

pub(crate) async fn fetch_as(
    connector: &Connector,
    egress: &Egress,
    method: &str,
    url: &str,
    body: &'static str,
) -> Result<(u16, String), Error> {
    let response = connector
        .send(egress, request(method, url, body), Timeouts::default())
        .await?;
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8(bytes.to_vec()).unwrap()))
}

/// A real axum server that counts its connections.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Echoes method, `Host` and body; `/redirect` redirects to `/`.
    pub(crate) async fn echo() -> Self {
        let echo = async |request: ServerRequest| {
            let host = request.headers()["host"].to_str().unwrap().to_owned();
            let (method, path) = (request.method().clone(), request.uri().to_string());
            let body = request.into_body().collect().await.unwrap().to_bytes();
            format!("{method} {host} {path} {}", String::from_utf8_lossy(&body))
        };
        let redirect = async || (http::StatusCode::FOUND, [("location", "/")], "elsewhere");
        Self::start(
            Router::new()
                .route("/redirect", any(redirect))
                .fallback(echo),
        )
        .await
    }

    pub(crate) async fn start(router: Router) -> Self {
        use axum::serve::ListenerExt as _;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = connections.clone();
        let listener = listener.tap_io(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            address,
            connections,
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://a.example.test:{}{path}", self.address.port())
    }
}

/// A response whose body never ends by itself.
pub(crate) fn endless() -> axum::response::Response {
    let pieces =
        futures::stream::once(async { Ok::<_, std::io::Error>(Bytes::from_static(b"first")) });
    let silence = futures::stream::pending();
    ServerBody::from_stream(futures::StreamExt::chain(pieces, silence)).into_response()
}

/// A server written out by hand: each connection plays one script, the last script for ever.
///
/// It counts the requests that it has read whole.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Arc<AtomicUsize>,
    pub(crate) closed: Arc<AtomicUsize>,
}

/// What a scripted connection does with its next request.
#[derive(Clone, Copy)]
pub(crate) enum Act {
    /// Answers with 200 and a body.
    Answer,
    /// Reads it and closes the connection.
    Close,
    /// Answers with these bytes.
    Say(&'static str),
}

impl Scripted {
    pub(crate) async fn start(scripts: &'static [&'static [Act]]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, closed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (read, ended) = (requests.clone(), closed.clone());
        tokio::spawn(async move {
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let script = scripts[number.min(scripts.len() - 1)];
                let (read, ended) = (read.clone(), ended.clone());
                tokio::spawn(async move {
                    play(stream, script, &read).await;
                    ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            address,
            requests,
            closed,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://a.example.test:{}/", self.address.port())
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn play(mut stream: TcpStream, script: &[Act], read: &AtomicUsize) {
    for act in script {
        if !read_request(&mut stream).await {
            return;
        }
        read.fetch_add(1, Ordering::SeqCst);
        let answer = match act {
            Act::Answer => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            Act::Close => return,
            Act::Say(text) => text,
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

/// Reads head and body; false at the end of the stream.
async fn read_request(stream: &mut TcpStream) -> bool {
    let mut seen = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some(head) = seen.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&seen[..head]).to_lowercase();
            let length = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if seen.len() >= head + 4 + length.unwrap_or(0) {
                return true;
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return false,
            Ok(count) => seen.extend_from_slice(&chunk[..count]),
        }
    }
}

/// Waits for something that happens in another task, at most ten seconds.
pub(crate) async fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if happened() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("never happened: {what}");
}
