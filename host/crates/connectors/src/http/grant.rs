//! What a run may reach over HTTP: nothing, except what is listed here.

use std::sync::Arc;

use ::http::Method;
use parking_lot::RwLock;

use super::{Error, Host, Pattern, Target};

/// The port of https.
const HTTPS: u16 = 443;

/// One permission, as requested by a pack, resolved against a configuration and given by an
/// administrator.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Name of the grant within its pack.
    pub id: Arc<str>,
    /// Hosts that it covers.
    pub host: Pattern,
    /// Ports that it covers.
    pub ports: Vec<u16>,
    /// Methods that it covers; absent means all.
    pub methods: Option<Vec<Method>>,
    /// Whether the host may lead to loopback, link-local and private addresses.
    pub private_network: bool,
}

impl Grant {
    /// A grant for a host or URL (see [`Target::parse`]), for all methods and public addresses. The
    /// port that the text names, or that follows from the URL's scheme, is the only one covered: a
    /// host alone means https.
    pub fn parse(id: impl Into<Arc<str>>, target: &str) -> Result<Self, Error> {
        let target = Target::parse(target)?;
        Ok(Self {
            id: id.into(),
            host: target.pattern,
            ports: vec![target.port.unwrap_or(HTTPS)],
            methods: None,
            private_network: false,
        })
    }

    /// Replaces the ports; `None` leaves what the target said.
    pub fn with_ports(mut self, ports: Option<Vec<u16>>) -> Self {
        if let Some(ports) = ports {
            self.ports = ports;
        }
        self
    }

    /// Sets the methods; `None` covers all.
    pub fn with_methods(mut self, methods: Option<Vec<Method>>) -> Self {
        self.methods = methods;
        self
    }

    /// Sets whether the grant leads to loopback, link-local and private addresses too.
    pub fn with_private_network(mut self, allowed: bool) -> Self {
        self.private_network = allowed;
        self
    }

    fn covers_method(&self, method: &Method) -> bool {
        self.methods
            .as_ref()
            .is_none_or(|methods| methods.contains(method))
    }
}

/// The grants of one run: pack × configuration. Clones share them, so that what is taken away is
/// gone for whoever holds one.
#[derive(Debug, Clone, Default)]
pub struct Grants(Arc<RwLock<Arc<[Arc<Grant>]>>>);

impl Grants {
    /// Collects grants.
    pub fn new(grants: impl IntoIterator<Item = Grant>) -> Self {
        Self(Arc::new(RwLock::new(shared(grants))))
    }

    /// Puts others in their place, from the next request on.
    pub fn replace(&self, grants: impl IntoIterator<Item = Grant>) {
        let grants = shared(grants);
        *self.0.write() = grants;
    }

    /// Whether others hold them too.
    pub fn are_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// No permission at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// The grants as they are now, in the order given.
    pub fn now(&self) -> Arc<[Arc<Grant>]> {
        self.0.read().clone()
    }

    /// Finds the grant for a request; one that allows private networks is preferred.
    pub fn find(&self, method: &Method, host: &Host, port: u16) -> Result<Arc<Grant>, Error> {
        let grants = self.now();
        let mut found: Option<&Arc<Grant>> = None;
        let mut reason = "no grant names the host";
        for grant in grants.iter().filter(|grant| grant.host.covers(host)) {
            if !grant.ports.contains(&port) {
                reason = "the grant for the host does not cover the port";
            } else if !grant.covers_method(method) {
                reason = "the grant for the host does not cover the method";
            } else if grant.private_network {
                return Ok(grant.clone());
            } else if found.is_none() {
                found = Some(grant);
            }
        }
        found.cloned().ok_or_else(|| Error::Denied {
            method: method.to_string(),
            host: host.to_string(),
            port,
            reason,
            grant: format!(r#"{{"kind": "http", "host": "{host}", "ports": [{port}], "methods": ["{method}"]}}"#),
        })
    }
}

fn shared(grants: impl IntoIterator<Item = Grant>) -> Arc<[Arc<Grant>]> {
    grants.into_iter().map(Arc::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(grants: &Grants, method: &Method, host: &str, port: u16) -> Result<Arc<str>, String> {
        let host = Host::parse(host).unwrap();
        grants
            .find(method, &host, port)
            .map(|grant| grant.id.clone())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn only_what_is_granted_is_covered() {
        let grants = Grants::new([
            Grant::parse("sn", "https://dev1.service-now.com/")
                .unwrap()
                .with_methods(Some(vec![Method::GET, Method::POST])),
            Grant::parse("any", "*.example.com")
                .unwrap()
                .with_ports(Some(vec![80, 9000])),
            Grant::parse("inside", "http://a.example.com")
                .unwrap()
                .with_private_network(true),
        ]);
        assert_eq!(
            find(&grants, &Method::POST, "DEV1.service-now.com.", 443).as_deref(),
            Ok("sn")
        );
        assert_eq!(
            find(&grants, &Method::DELETE, "b.example.com", 9000).as_deref(),
            Ok("any")
        );
        assert_eq!(
            find(&grants, &Method::GET, "a.example.com", 80).as_deref(),
            Ok("inside")
        );

        let denied = find(&grants, &Method::PATCH, "dev1.service-now.com", 443).unwrap_err();
        assert_eq!(
            denied,
            r#"PATCH to dev1.service-now.com:443 is not granted: the grant for the host does not cover the method; the grant to request is {"kind": "http", "host": "dev1.service-now.com", "ports": [443], "methods": ["PATCH"]}"#
        );
        assert!(
            find(&grants, &Method::GET, "dev1.service-now.com", 80)
                .unwrap_err()
                .contains("the port")
        );
        assert!(
            find(&grants, &Method::GET, "example.com", 443)
                .unwrap_err()
                .contains("no grant names")
        );
        assert!(find(&Grants::none(), &Method::GET, "127.0.0.1", 80).is_err());
    }

    #[test]
    fn ports_of_the_manifest_go_before_the_port_of_the_host() {
        let table = [
            ("https://h.example/", 443),
            ("http://h.example/", 80),
            ("https://h.example:8443/", 8443),
            ("h.example:8080", 8080),
            ("h.example", 443),
            ("*.h.example", 443),
        ];
        for (host, port) in table {
            let grant = Grant::parse("x", host).unwrap().with_ports(None);
            assert_eq!(grant.ports, [port], "{host}");
            assert_eq!(grant.with_ports(Some(vec![1, 2])).ports, [1, 2], "{host}");
        }
    }

    #[test]
    fn what_is_taken_away_is_gone_for_all_who_hold_it() {
        let grants = Grants::new([Grant::parse("x", "h.example").unwrap()]);
        let held = grants.clone();
        assert!(find(&held, &Method::GET, "h.example", 443).is_ok());
        grants.replace([]);
        assert!(find(&held, &Method::GET, "h.example", 443).is_err());
        drop(held);
        assert!(!grants.are_shared());
    }
}
