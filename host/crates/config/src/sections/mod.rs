//! The sections, one file each, and all of them together.

mod auth;
mod data;
mod http;
mod limits;
mod log;
mod queue;
mod runtime;
mod server;
mod store;
mod telemetry;
mod worker;

pub use auth::Auth;
pub use data::Data;
pub use http::Http;
pub use limits::Limits;
pub use log::{Format, Log};
pub use queue::Queue;
pub use runtime::Runtime;
pub use server::Server;
pub use store::Store;
pub use telemetry::Telemetry;
pub use worker::{OnWorkerLost, Worker};

use crate::{
    Description, Effective,
    load::Loader,
    section::{Section, section},
};

macro_rules! settings {
    ($($(#[doc = $doc:literal])* $field:ident: $type:ty,)*) => {
        /// All settings of the service.
        #[derive(Clone, Debug)]
        pub struct Settings {
            $($(#[doc = $doc])* pub $field: $type,)*
            pub(crate) effective: Vec<Effective>,
        }

        impl Settings {
            /// Every section with its settings, for the reference.
            pub fn describe() -> Vec<Description> {
                vec![$(<$type as Section>::describe()),*]
            }

            pub(crate) fn from_loader(loader: &mut Loader<'_>) -> Option<Self> {
                $(let $field = <$type as Section>::load(loader);)*
                Some(Self { $($field: $field?,)* effective: Vec::new() })
            }
        }
    };
}

settings! {
    /// What the service listens on.
    server: Server,
    /// Where it keeps its files.
    data: Data,
    /// The store.
    store: Store,
    /// The queue.
    queue: Queue,
    /// Workers.
    worker: Worker,
    /// The sandbox.
    runtime: Runtime,
    /// Outbound HTTP.
    http: Http,
    /// Who may use the service.
    auth: Auth,
    /// Its log.
    log: Log,
    /// What it accepts.
    limits: Limits,
    /// Traces.
    telemetry: Telemetry,
}
