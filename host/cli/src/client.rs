//! The service over HTTP.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{Method, RequestBuilder, Url, header::CONTENT_TYPE};
use serde_json::Value;

use crate::{
    failure::{Exit, Failure},
    file,
    nearest::nearest,
    profile::Access,
};

/// A service.
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    access: Access,
}

/// What the service answered.
pub(crate) struct Reply {
    pub(crate) body: Bytes,
}

impl Reply {
    /// The body as JSON; `null` when it is empty.
    pub(crate) fn json(&self) -> Result<Value, Failure> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            Failure::new(
                Exit::Unreachable,
                "PF-3003",
                format!("the answer is no JSON: {error}"),
            )
            .next("check that --url (PFCTL_URL) names a PowerFlow service")
        })
    }
}

impl Client {
    pub(crate) fn new(access: Access) -> Result<Self, Failure> {
        // A second client finds the provider of the first; both are the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let base = Url::parse(&access.url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && !url.cannot_be_a_base())
            .ok_or_else(|| {
                let example = if access.url.is_empty() || access.url.contains("://") {
                    "https://powerflow.example.com".to_owned()
                } else {
                    format!("http://{}", access.url)
                };
                Failure::usage(format!("`{}` is no address of a service", access.url))
                    .next(format!("write it with http:// or https://, as {example}"))
            })?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("pfctl/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none());
        if let Some(path) = &access.ca_file {
            let pem = file::bytes(path)?;
            let roots = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| {
                Failure::local(format!(
                    "`{}` holds no certificates: {error}",
                    path.display()
                ))
            })?;
            builder = builder.tls_certs_merge(roots);
        }
        let http = builder
            .build()
            .map_err(|error| Failure::local(format!("no HTTP client could be made: {error}")))?;
        Ok(Self { http, base, access })
    }

    /// A request for `/api/v1/` and these parts, each a name of any form.
    pub(crate) fn request(&self, method: Method, parts: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(parts);
        }
        let request = self.http.request(method, url);
        match &self.access.password {
            Some(password) => request.basic_auth(&self.access.user, Some(password)),
            None => request,
        }
    }

    /// The whole address of a path of the service.
    pub(crate) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.base.as_str().trim_end_matches('/'))
    }

    /// Sends it and takes the answer, or the refusal as a failure.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Reply, Failure> {
        let unreachable = |error: reqwest::Error| self.unreachable(&error);
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let body = response.bytes().await.map_err(unreachable)?;
        if status.is_success() {
            return Ok(Reply { body });
        }
        let mut failure = Failure::of_answer(status.as_u16(), &body);
        if status == reqwest::StatusCode::UNAUTHORIZED && self.access.password.is_some() {
            failure
                .details
                .push(format!("asked as `{}`", self.access.user));
        }
        Err(failure)
    }

    pub(crate) async fn get(&self, parts: &[&str]) -> Result<Reply, Failure> {
        self.send(self.request(Method::GET, parts)).await
    }

    pub(crate) async fn get_with(
        &self,
        parts: &[&str],
        query: &[(&str, String)],
    ) -> Result<Reply, Failure> {
        self.send(self.request(Method::GET, parts).query(query))
            .await
    }

    pub(crate) async fn post(&self, parts: &[&str], body: &Value) -> Result<Reply, Failure> {
        self.send(self.request(Method::POST, parts).json(body))
            .await
    }

    pub(crate) async fn delete(&self, parts: &[&str]) -> Result<Reply, Failure> {
        self.send(self.request(Method::DELETE, parts)).await
    }

    /// All entries of a list, or the first `most`.
    pub(crate) async fn list(
        &self,
        parts: &[&str],
        query: &[(&str, String)],
        most: usize,
    ) -> Result<Vec<Value>, Failure> {
        Ok(self.list_from(parts, query, None, most).await?.0)
    }

    /// The same from a place of the list on; with the place to go on from, if there is more.
    pub(crate) async fn list_from(
        &self,
        parts: &[&str],
        query: &[(&str, String)],
        mut after: Option<String>,
        most: usize,
    ) -> Result<(Vec<Value>, Option<String>), Failure> {
        let mut items = Vec::new();
        loop {
            let size = (most - items.len()).clamp(1, 200).to_string();
            let mut query = query.to_vec();
            query.push(("limit", size));
            query.extend(after.take().map(|after| ("after", after)));
            let mut page = self.get_with(parts, &query).await?.json()?;
            if let Some(Value::Array(more)) = page.get_mut("items").map(Value::take) {
                items.extend(more);
            }
            after = page["next"].as_str().map(str::to_owned);
            if after.is_none() || items.len() >= most {
                items.truncate(most);
                return Ok((items, after));
            }
        }
    }

    /// Adds the nearest name to a "not found" that has none.
    pub(crate) async fn suggest(&self, failure: Failure, list: &str, wanted: &str) -> Failure {
        if failure.exit != Exit::NotFound {
            return failure;
        }
        let word = list.trim_end_matches('s');
        let mut failure = failure.next(format!("pfctl {word} list"));
        if failure.message.contains("did you mean") {
            return failure;
        }
        let whole = matches!(list, "steps" | "syncpacks");
        let found = if whole {
            let reply = self.get(&[list]).await.and_then(|reply| reply.json());
            reply.map(|page| page["items"].as_array().cloned().unwrap_or_default())
        } else {
            self.list(&[list], &[], 2000).await
        };
        let items = found.unwrap_or_default();
        let names = items.iter().filter_map(|item| item["name"].as_str());
        if let Some(name) = nearest(wanted, names) {
            failure.details.push(format!("did you mean `{name}`?"));
        }
        failure
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        Failure::new(
            Exit::Unreachable,
            "PF-3004",
            format!("{} does not answer: {}", self.base, file::why(cause)),
        )
        .next("check --url (PFCTL_URL) and that the service runs: powerflow serve")
    }
}

/// A request with a JSON text as its body.
pub(crate) fn with_text(request: RequestBuilder, text: String) -> RequestBuilder {
    request.header(CONTENT_TYPE, "application/json").body(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(url: &str) -> Result<Client, Failure> {
        Client::new(Access {
            url: url.to_owned(),
            user: "isadmin".to_owned(),
            password: Some("x".to_owned()),
            ca_file: None,
        })
    }

    #[test]
    fn names_of_any_form_fit_into_addresses() {
        let client = client("https://host/powerflow/").unwrap();
        let request = client
            .request(Method::GET, &["cache", "a/b c?ü"])
            .build()
            .unwrap();
        assert_eq!(
            request.url().as_str(),
            "https://host/powerflow/api/v1/cache/a%2Fb%20c%3F%C3%BC"
        );
        assert!(
            request.headers()["authorization"]
                .to_str()
                .unwrap()
                .starts_with("Basic ")
        );
    }

    #[test]
    fn an_address_is_one() {
        for wrong in ["", "host:80", "ftp://host", "localhost"] {
            assert_eq!(client(wrong).err().unwrap().exit, Exit::Usage, "{wrong}");
        }
    }
}
