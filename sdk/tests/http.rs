//! The HTTP client above the transport.

#![expect(clippy::unwrap_used, reason = "tests")]

use powerflow_sdk::{
    http::Failure,
    prelude::*,
    testing::{MockHost, MockRequest, MockResponse},
};

/// Sends what the parameters say.
#[derive(Step)]
struct Call {
    #[param(default = "https://h/start")]
    url: String,
    #[param(default = "GET")]
    method: String,
    #[param(default = 0)]
    redirects: u8,
    #[param(default = 1000)]
    limit: usize,
    user: Option<String>,
    user_secret: Option<Secret>,
    password: Option<Secret>,
    header: Option<String>,
    body: Option<Value>,
}

impl Execute for Call {
    fn execute(&self, _: &mut Context) -> Result<Output> {
        let mut request = http::Request::new(&self.method, &self.url)
            .redirects(self.redirects)
            .limit(self.limit);
        if let Some(password) = &self.password {
            request = match (&self.user, &self.user_secret) {
                (Some(user), _) => request.basic_auth(user, password),
                (None, Some(user)) => request.basic_auth(user, password),
                (None, None) => request.bearer_auth(password),
            };
        }
        if let Some(value) = &self.header {
            request = request.header("X-Test", value);
        }
        if let Some(body) = &self.body {
            request = request.json(body);
        }
        Ok(Output::new(json!({ "text": request.send()?.ok()?.text() })))
    }
}

fn answering(handler: impl FnMut(&MockRequest) -> MockResponse + 'static) -> MockHost {
    MockHost::new().http(handler)
}

#[test]
fn statuses_know_whether_to_try_again() {
    for (status, retryable) in [
        (400, false),
        (401, false),
        (403, false),
        (404, false),
        (409, false),
        (301, false),
        (501, false),
        (505, false),
        (408, true),
        (425, true),
        (429, true),
        (500, true),
        (502, true),
        (503, true),
        (504, true),
        (599, true),
    ] {
        let error =
            answering(move |_| MockResponse::text(status, "busy").header("Retry-After", "7"))
                .run::<Call>()
                .unwrap_err();
        assert_eq!(
            (error.code(), error.is_retryable()),
            ("http-status", retryable),
            "{status}"
        );
        assert_eq!(
            error.detail().unwrap(),
            &json!({ "status": status, "body": "busy", "retry_after": "7" })
        );
        assert!(
            error.message().starts_with(&format!(
                "GET https://h/start: the answer is status {status}"
            )),
            "{error}"
        );
    }
}

#[test]
fn failures_know_whether_to_try_again() {
    for (failure, code, retryable) in [
        (Failure::Refused, "http-refused", true),
        (Failure::Timeout, "http-timeout", true),
        (Failure::Dns("NXDOMAIN".to_owned()), "http-dns", true),
        (Failure::Terminated, "http-terminated", true),
        (
            Failure::Tls("the certificate is not trusted".to_owned()),
            "http-tls",
            false,
        ),
        (Failure::Denied("no grant".to_owned()), "http-denied", false),
    ] {
        let error = answering(move |_| MockResponse::failure(failure.clone()))
            .run::<Call>()
            .unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), (code, retryable));
    }
}

#[test]
fn an_error_does_not_show_the_query() {
    let host = answering(|_| MockResponse::text(500, "")).parameter("url", "https://h/p?token=abc");
    assert!(!host.run::<Call>().unwrap_err().message().contains("abc"));
    let error = MockHost::new()
        .parameter("url", "ftp://me:pw@h/")
        .run::<Call>()
        .unwrap_err();
    assert_eq!(
        error.message(),
        "\"h/\" is no URL for a request: the scheme is neither http nor https"
    );
}

#[test]
fn the_host_puts_secrets_into_headers() {
    let seen = |host: MockHost| {
        let host = host
            .secret("password", "pä ss")
            .http(|_| MockResponse::text(200, ""));
        host.run::<Call>().unwrap();
        host.requests()[0]
            .header("authorization")
            .unwrap()
            .to_owned()
    };
    // base64 of "jö%d:pä ss" and of "admin:pä ss"
    assert_eq!(
        seen(MockHost::new().parameter("user", "jö%d")),
        "Basic asO2JWQ6cMOkIHNz"
    );
    assert_eq!(
        seen(MockHost::new().secret("user_secret", "admin")),
        "Basic YWRtaW46cMOkIHNz"
    );
    assert_eq!(seen(MockHost::new()), "Bearer pä ss");
}

#[test]
fn a_password_that_is_no_handle_is_sent_as_it_is() {
    let host = answering(|_| MockResponse::text(200, ""))
        .parameter("user", "Aladdin")
        .parameter("password", "open sesame");
    host.run::<Call>().unwrap();
    // The pair of RFC 7617, section 2.
    assert_eq!(
        host.requests()[0].header("authorization"),
        Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
    );
}

#[test]
fn a_body_has_its_type_and_a_line_break_in_a_header_is_refused() {
    let host = answering(|_| MockResponse::text(200, ""))
        .parameter("method", "patch")
        .parameter("body", json!({ "a": "ü" }));
    host.run::<Call>().unwrap();
    let request = &host.requests()[0];
    assert_eq!(
        (request.method.as_str(), request.header("content-type")),
        ("PATCH", Some("application/json"))
    );
    assert_eq!(request.body, "{\"a\":\"ü\"}".as_bytes());
    let error = answering(|_| MockResponse::text(200, ""))
        .parameter("header", "x\r\nevil: 1")
        .run::<Call>()
        .unwrap_err();
    assert_eq!(error.code(), "http-invalid");
}

#[test]
fn a_long_answer_is_refused() {
    let error = answering(|_| MockResponse::text(200, &"x".repeat(1001)))
        .run::<Call>()
        .unwrap_err();
    assert_eq!(error.code(), "http-too-large");
    assert!(
        answering(|_| MockResponse::text(200, &"x".repeat(1000)))
            .run::<Call>()
            .is_ok()
    );
}

fn redirecting(status: u16, location: &'static str) -> MockHost {
    answering(move |request| {
        if request.path == "/start" {
            MockResponse::text(status, "moved").header("Location", location)
        } else {
            MockResponse::text(200, &request.method)
        }
    })
}

#[test]
fn a_redirect_is_followed_only_on_request() {
    assert_eq!(
        redirecting(302, "/next")
            .run::<Call>()
            .unwrap_err()
            .detail()
            .unwrap()["status"],
        302
    );
    let host = redirecting(302, "/next").parameter("redirects", 1);
    assert_eq!(host.run::<Call>().unwrap().data().unwrap()["text"], "GET");
    assert_eq!(host.requests()[1].url, "https://h/next");
    let endless = answering(|_| MockResponse::text(307, "").header("location", "/start"))
        .parameter("redirects", 3);
    assert_eq!(endless.run::<Call>().unwrap_err().code(), "http-status");
    assert_eq!(endless.requests().len(), 4);
}

#[test]
fn a_redirected_post_keeps_its_body_only_where_it_should() {
    for (status, method, body) in [
        (302, "GET", ""),
        (303, "GET", ""),
        (307, "POST", "1"),
        (308, "POST", "1"),
    ] {
        let host = redirecting(status, "/next")
            .parameter("redirects", 1)
            .parameter("method", "POST")
            .parameter("body", 1);
        host.run::<Call>().unwrap();
        let request = &host.requests()[1];
        assert_eq!(
            (request.method.as_str(), request.body.as_slice()),
            (method, body.as_bytes()),
            "{status}"
        );
        assert_eq!(
            request.header("content-type").is_some(),
            !body.is_empty(),
            "{status}"
        );
    }
}

#[test]
fn secrets_stay_with_their_origin() {
    for (location, kept) in [
        ("/next", true),
        ("https://h:443/next", true),
        ("http://h/next", false),
        ("https://evil/next", false),
    ] {
        let host = redirecting(302, location)
            .parameter("redirects", 1)
            .parameter("user", "u")
            .secret("password", "p");
        host.run::<Call>().unwrap();
        assert_eq!(
            host.requests()[1].header("authorization").is_some(),
            kept,
            "{location}"
        );
    }
}
