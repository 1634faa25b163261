//! The outbound HTTP client.
//!
//! A request leaves only when a [`Grant`] covers its host, port and method. The name is resolved
//! once, every address is checked, and the connection goes to a checked address; the name stays in
//! the `Host` header and in TLS. Redirects are never followed: the caller sends a new request,
//! which is checked again.
//!
//! Connections are kept per tenant, pack, grant, origin and TLS identity. A request that may have
//! reached the server is sent a second time only if its method is idempotent and it has no body.

mod address;
mod body;
mod connect;
mod connector;
mod error;
mod grant;
mod host;
mod pool;
mod resolve;
mod tls;

pub use address::Class;
pub use body::Body;
pub use connector::{Connector, Egress, Settings, Timeouts};
pub use error::{Error, Phase};
pub use grant::{Grant, Grants};
pub use host::{Host, Pattern, Target};
pub use pool::Stats;
pub use resolve::{Resolve, Resolving, SystemResolver};
pub use tls::Tls;
