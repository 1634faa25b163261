//! TLS towards Redis: rustls with ring, the system's certificates and the configured ones.

use std::{path::Path, sync::Arc};

use fred::types::config::{TlsConfig, TlsConnector};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::StartError;

pub(crate) fn config(ca_file: Option<&Path>) -> Result<TlsConfig, StartError> {
    let mut roots = RootCertStore::empty();
    // Broken certificates of the system are not ours to complain about.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        let unusable = |why: String| StartError::CaFile(path.to_owned(), why);
        let certificates =
            CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.to_string()))?;
        let before = roots.len();
        for certificate in certificates {
            let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| unusable(error.to_string()))?;
        }
        if roots.len() == before {
            return Err(unusable("it holds no certificate".to_owned()));
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| StartError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(config).into())
}
