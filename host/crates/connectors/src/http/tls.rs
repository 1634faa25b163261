//! TLS settings: which authorities are trusted, and who we are.

use std::sync::{Arc, OnceLock};

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// A TLS identity: trusted authorities and, optionally, a client certificate. Cheap to clone.
///
/// Connections made under one identity are never used under another.
#[derive(Clone)]
pub struct Tls {
    name: Arc<str>,
    config: Arc<OnceLock<Arc<ClientConfig>>>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// The authorities that the operating system trusts; they are read at the first https request.
    pub fn system() -> Self {
        Self {
            name: "system".into(),
            config: Arc::new(OnceLock::new()),
        }
    }

    /// The given authorities only, and a client certificate if one is given. `name` tells identities
    /// apart and must be unique to this combination.
    pub fn new(
        name: impl Into<Arc<str>>,
        authorities: impl IntoIterator<Item = CertificateDer<'static>>,
        client: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    ) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(authority)?;
        }
        let config = build(roots, client)?;
        Ok(Self {
            name: name.into(),
            config: Arc::new(OnceLock::from(Arc::new(config))),
        })
    }

    /// What tells this identity from others.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The configuration; reads the system's authorities when needed for the first time, and again
    /// as long as there are none.
    pub(super) async fn config(&self) -> Result<Arc<ClientConfig>, String> {
        self.config_by(load_system).await
    }

    async fn config_by(
        &self,
        load: fn() -> Result<Arc<ClientConfig>, String>,
    ) -> Result<Arc<ClientConfig>, String> {
        if let Some(ready) = self.config.get() {
            return Ok(ready.clone());
        }
        let loaded = tokio::task::spawn_blocking(load)
            .await
            .map_err(|error| error.to_string())??;
        Ok(self.config.get_or_init(|| loaded).clone())
    }
}

fn load_system() -> Result<Arc<ClientConfig>, String> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a trusted certificate cannot be read");
    }
    let mut roots = RootCertStore::empty();
    let (added, ignored) = roots.add_parsable_certificates(found.certs);
    tracing::debug!(added, ignored, "trusted authorities loaded");
    if added == 0 {
        return Err("this machine has no trusted authorities: install its CA certificates or set SSL_CERT_FILE".into());
    }
    build(roots, None)
        .map(Arc::new)
        .map_err(|error| error.to_string())
}

fn build(
    roots: RootCertStore,
    client: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
) -> Result<ClientConfig, rustls::Error> {
    // The provider is named here, so that no other crate's choice of a process default matters.
    let builder =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
    let mut config = match client {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn authorities_that_are_missing_are_looked_for_again() {
        let nothing = || Err("there are none".to_owned());
        let some = || Ok(Arc::new(build(RootCertStore::empty(), None).unwrap()));
        let tls = Tls::system();
        assert!(tls.config_by(nothing).await.is_err());
        let first = tls.config_by(some).await.unwrap();
        let again = tls.config_by(nothing).await.unwrap();
        assert!(Arc::ptr_eq(&first, &again));
    }
}
