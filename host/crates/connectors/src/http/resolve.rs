//! From names to addresses.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

/// The answer of a resolver, to be awaited.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Turns a name into addresses. It is asked once for each new connection, never for a reused one.
pub trait Resolve: Send + Sync + 'static {
    /// All addresses of a name, the preferred first.
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a>;
}

/// The resolver of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}
