//! A client for HTTP/1.1 in the clear: one connection, kept alive, one request at a time.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// A client of one server.
pub struct Client {
    authority: String,
    authorization: Option<String>,
    /// Whether a connection serves more than one request.
    keeps: bool,
    connection: Option<BufReader<TcpStream>>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names, in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Client {
    /// A client for `http://host:port`, without credentials. Connects with the first request.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let Some(authority) = url.strip_prefix("http://") else {
            bail!("`{url}` is no http:// URL");
        };
        Ok(Self {
            authority: authority.trim_end_matches('/').to_owned(),
            authorization: None,
            keeps: true,
            connection: None,
        })
    }

    /// The same with Basic authentication.
    pub fn with_basic(mut self, user: &str, password: &str) -> Self {
        let credentials = STANDARD.encode(format!("{user}:{password}"));
        self.authorization = Some(format!("Basic {credentials}"));
        self
    }

    /// The same with a connection for each request.
    pub fn without_keeping(mut self) -> Self {
        self.keeps = false;
        self
    }

    /// A second client of the same server with the same credentials and its own connection.
    pub fn another(&self) -> Self {
        Self {
            authority: self.authority.clone(),
            authorization: self.authorization.clone(),
            keeps: self.keeps,
            connection: None,
        }
    }

    /// Sends a request and reads the whole answer, whatever its status. A connection that the
    /// server closed in the meantime is opened again, except for `POST` and `PATCH`, which might
    /// have been carried out.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> anyhow::Result<Response> {
        let head = self.head(method, path, headers, body.len());
        let kept = self.connection.is_some();
        let exchanged = self.exchange(&head, body);
        let exchanged = match exchanged {
            Err(_) if kept && !matches!(method, "POST" | "PATCH") => self.exchange(&head, body),
            other => other,
        };
        exchanged.with_context(|| format!("{method} http://{}{path}", self.authority))
    }

    /// `GET`; an error unless the answer is a success with a JSON document.
    pub fn get(&mut self, path: &str) -> anyhow::Result<Value> {
        let response = self.send("GET", path, &[], &[])?;
        response
            .json()
            .with_context(|| format!("GET http://{}{path}", self.authority))
    }

    /// Sends a JSON document; an error unless the answer is a success, with a JSON document or
    /// without a body (`null`).
    pub fn send_json(
        &mut self,
        method: &str,
        path: &str,
        document: &Value,
    ) -> anyhow::Result<Value> {
        let body = serde_json::to_vec(document)?;
        let response = self.send(method, path, &[("content-type", "application/json")], &body)?;
        response
            .json()
            .with_context(|| format!("{method} http://{}{path}", self.authority))
    }

    /// Asks for server-sent events on a connection of their own; the answer itself where it is none.
    pub fn events(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<Result<Events, Response>> {
        let mut connection = self.connect()?;
        let headers = [&[("accept", "text/event-stream")], headers].concat();
        let head = self.head("GET", path, &headers, 0);
        connection.get_mut().write_all(&head)?;
        let mut response = read_head(&mut connection)?;
        if response.header("content-type") == Some("text/event-stream") {
            return Ok(Ok(Events {
                connection,
                text: Vec::new(),
            }));
        }
        connection.read_to_end(&mut response.body).ok();
        Ok(Err(response))
    }

    fn head(&self, method: &str, path: &str, headers: &[(&str, &str)], length: usize) -> Vec<u8> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.authority);
        if let Some(authorization) = &self.authorization {
            let _ = write!(head, "authorization: {authorization}\r\n");
        }
        if !self.keeps {
            head.push_str("connection: close\r\n");
        }
        for (name, value) in headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(head, "content-length: {length}\r\n\r\n");
        head.into_bytes()
    }

    fn exchange(&mut self, head: &[u8], body: &[u8]) -> anyhow::Result<Response> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let mut request = head.to_vec();
        request.extend_from_slice(body);
        connection.get_mut().write_all(&request)?;
        let response = read(&mut connection)?;
        if self.keeps && response.header("connection") != Some("close") {
            self.connection = Some(connection);
        }
        Ok(response)
    }

    fn connect(&self) -> io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(&self.authority)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(BufReader::new(stream))
    }
}

impl Response {
    /// A header's value; the name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether the status is a success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The document of a successful answer, `null` for none; an error that shows the body otherwise.
    pub fn json(&self) -> anyhow::Result<Value> {
        if !self.is_success() {
            bail!("{}: {}", self.status, String::from_utf8_lossy(&self.body));
        }
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body).context("the answer is no JSON")
    }
}

fn line(connection: &mut impl BufRead) -> anyhow::Result<String> {
    let mut text = String::new();
    if connection.read_line(&mut text)? == 0 {
        bail!("the server closed the connection");
    }
    text.truncate(text.trim_end().len());
    Ok(text)
}

fn read(connection: &mut impl BufRead) -> anyhow::Result<Response> {
    loop {
        let response = read_one(connection)?;
        // 100 Continue and its like come before the answer.
        if response.status >= 200 {
            return Ok(response);
        }
    }
}

fn read_one(connection: &mut impl BufRead) -> anyhow::Result<Response> {
    let mut response = read_head(connection)?;
    if response.header("transfer-encoding") == Some("chunked") {
        while read_chunk(connection, &mut response.body)? {}
    } else if let Some(length) = response.header("content-length") {
        let length: u64 = length.parse().context("content-length")?;
        let read = connection.take(length).read_to_end(&mut response.body)?;
        if (read as u64) < length {
            bail!("the server closed the connection within the answer");
        }
    }
    Ok(response)
}

fn read_head(connection: &mut impl BufRead) -> anyhow::Result<Response> {
    let first = line(connection)?;
    let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.with_context(|| format!("`{first}` begins no answer"))?;
    let mut response = Response {
        status,
        headers: Vec::new(),
        body: Vec::new(),
    };
    loop {
        let text = line(connection)?;
        if text.is_empty() {
            break;
        }
        let (name, value) = text
            .split_once(':')
            .with_context(|| format!("`{text}` is no header"))?;
        response
            .headers
            .push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(response)
}

/// Reads a chunk; says whether there is another.
fn read_chunk(connection: &mut impl BufRead, body: &mut Vec<u8>) -> anyhow::Result<bool> {
    let head = line(connection)?;
    let size = head.split(';').next().unwrap_or_default();
    let size = u64::from_str_radix(size, 16).context("the size of a chunk")?;
    let read = connection.take(size).read_to_end(body)?;
    if (read as u64) < size {
        bail!("the server closed the connection within the answer");
    }
    // The empty line after the chunk; after the last one, trailers may come before it.
    while !line(connection)?.is_empty() {}
    Ok(size > 0)
}

/// Server-sent events as they come.
pub struct Events {
    connection: BufReader<TcpStream>,
    text: Vec<u8>,
}

/// A server-sent event.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Its data.
    pub data: Value,
}

impl Events {
    /// The next event; `None` at the end of the stream.
    pub fn next_event(&mut self) -> anyhow::Result<Option<Event>> {
        loop {
            if let Some(end) = self.text.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.text.drain(..end + 2).collect();
                match event(&String::from_utf8_lossy(&block))? {
                    Some(event) => return Ok(Some(event)),
                    // A comment that keeps the connection.
                    None => continue,
                }
            }
            if !read_chunk(&mut self.connection, &mut self.text)? {
                return Ok(None);
            }
        }
    }
}

fn event(block: &str) -> anyhow::Result<Option<Event>> {
    let field = |name: &str| {
        block.lines().find_map(|line| {
            let value = line.strip_prefix(name)?.strip_prefix(':')?;
            Some(value.trim_start())
        })
    };
    let Some(data) = field("data") else {
        return Ok(None);
    };
    Ok(Some(Event {
        name: field("event").unwrap_or_default().to_owned(),
        id: field("id").unwrap_or_default().to_owned(),
        data: serde_json::from_str(data).context("an event without a document")?,
    }))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn answers_of_every_form_are_read() {
        let mut stream: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-One: a b\r\n\r\n{}\
            HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n2;x\r\n2]\r\n0\r\n\r\n\
            HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\noops\
            HTTP/1.1 204 No Content\r\n\r\n";
        let first = read(&mut stream).unwrap();
        assert_eq!((first.status, first.header("x-one")), (200, Some("a b")));
        let second = read(&mut stream).unwrap();
        assert_eq!(
            (second.status, second.json().unwrap()),
            (201, serde_json::json!([1, 2]))
        );
        assert!(
            read(&mut stream)
                .unwrap()
                .json()
                .unwrap_err()
                .to_string()
                .contains("oops")
        );
        assert_eq!(read(&mut stream).unwrap().json().unwrap(), Value::Null);
        assert!(read(&mut stream).is_err());
        assert!(read(&mut &b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort"[..]).is_err());
    }

    /// Answers one request on each connection, then closes it without a word.
    fn forgetful(connections: usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for _ in 0..connections {
                let (stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream);
                while !line(&mut reader).unwrap().is_empty() {}
                reader
                    .get_mut()
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n7")
                    .unwrap();
            }
        });
        url
    }

    #[test]
    fn only_what_may_be_repeated_is_sent_again_on_a_new_connection() {
        let mut client = Client::new(&forgetful(2)).unwrap().with_basic("u", "p");
        assert_eq!(client.get("/").unwrap(), 7);
        assert_eq!(client.get("/").unwrap(), 7);
        assert!(client.send("POST", "/", &[], b"").is_err());
        assert!(Client::new("https://example.com").is_err());
    }
}
