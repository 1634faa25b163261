//! TLS against a real server with authorities made for the test.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[expect(dead_code, reason = "shared by several test programs")]
mod support;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use connectors::http::{Connector, Egress, Settings, Tls};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use support::{Names, Shared, egress, fetch, fetch_as};
use tokio_rustls::TlsAcceptor;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn certificate(
    authority: &Authority,
    name: &str,
) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()])
        .unwrap()
        .signed_by(&key, authority)
        .unwrap();
    (
        vec![certificate.der().clone()],
        PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
    )
}

struct Server {
    address: SocketAddr,
    /// SNI of each connection.
    names: Arc<Mutex<Vec<Option<String>>>>,
}

impl Server {
    async fn start(authority: &Authority, ask_client: bool) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.der().clone()).unwrap();
        let verifier =
            rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let (chain, key) = certificate(authority, "a.example.test");
        let builder = if ask_client {
            builder
                .unwrap()
                .with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.unwrap().with_no_client_auth()
        };
        let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let names = Arc::new(Mutex::new(Vec::new()));
        let seen = names.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, seen) = (acceptor.clone(), seen.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    seen.lock()
                        .push(stream.get_ref().1.server_name().map(str::to_owned));
                    let router = Router::new().fallback(async || "over TLS");
                    let service = TowerToHyperService::new(router);
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, names }
    }

    fn url(&self, host: &str) -> String {
        format!("https://{host}:{}/", self.address.port())
    }
}

fn connector(tls: Tls) -> Connector {
    Connector::new(
        Settings::default(),
        Shared(Names::new(&[&["127.0.0.1"]])),
        tls,
    )
}

#[tokio::test]
async fn the_name_is_verified_and_sent() {
    let authority = authority();
    let server = Server::start(&authority, false).await;
    let connector = connector(Tls::new("test", [authority.der().clone()], None).unwrap());
    for _ in 0..3 {
        let answer = fetch(&connector, "POST", &server.url("a.example.test"), "x")
            .await
            .unwrap();
        assert_eq!(answer, (200, "over TLS".to_owned()));
    }
    assert_eq!(*server.names.lock(), [Some("a.example.test".to_owned())]);
    let error = fetch(&connector, "GET", &server.url("b.example.test"), "")
        .await
        .unwrap_err();
    assert!(
        error.code() == "tls" && error.to_string().contains("b.example.test"),
        "{error}"
    );
}

#[tokio::test]
async fn foreign_authorities_are_not_trusted() {
    let server = Server::start(&authority(), false).await;
    let connector = connector(Tls::new("other", [authority().der().clone()], None).unwrap());
    let error = fetch(&connector, "GET", &server.url("a.example.test"), "")
        .await
        .unwrap_err();
    assert!(error.code() == "tls" && !error.is_retryable(), "{error}");
}

#[tokio::test]
async fn identities_do_not_share_connections() {
    let authority = authority();
    let server = Server::start(&authority, true).await;
    let named = Tls::new(
        "client",
        [authority.der().clone()],
        Some(certificate(&authority, "client")),
    )
    .unwrap();
    let connector = connector(Tls::new("anonymous", [authority.der().clone()], None).unwrap());
    let client = Egress {
        tls: Some(named),
        ..egress()
    };
    let url = server.url("a.example.test");
    assert_eq!(
        fetch_as(&connector, &client, "GET", &url, "")
            .await
            .unwrap()
            .0,
        200
    );
    assert_eq!(connector.stats().idle, 1);
    // Were the connection shared, this would succeed.
    let error = fetch(&connector, "GET", &url, "").await.unwrap_err();
    assert!(matches!(error.code(), "tls" | "closed"), "{error}");
}
