//! The SDK for writing SyncPacks: plugins of PowerFlow, compiled to WebAssembly
//! components.
//!
//! It owns what a step's author writes against: the derive, the context, the HTTP
//! client, the export of the component, and a mock host for plain `cargo test`. It
//! depends on the contract in `wit/` alone and must never depend on a crate of the
//! host: what a step needs from the host goes through the contract.
//!
//! A step is a struct with typed parameters and an `execute`:
//!
//! ```
//! use powerflow_sdk::prelude::*;
//!
//! /// Creates an incident.
//! #[derive(Step)]
//! #[step(friendly_name = "Create Incident", version = "1.0.0")]
//! struct CreateIncident {
//!     /// Base URL of the instance.
//!     #[param(sample = "https://dev1.service-now.com")]
//!     sn_url: String,
//!     /// From 1 to 5.
//!     #[param(default = 5)]
//!     severity: u8,
//!     user: String,
//!     password: Secret,
//!     comment: Option<String>,
//! }
//!
//! impl Execute for CreateIncident {
//!     fn execute(&self, cx: &mut Context) -> Result<Output> {
//!         info!(cx, "creating an incident of severity {}", self.severity);
//!         let answer: Value = http::Client::new(&self.sn_url)
//!             .basic_auth(&self.user, &self.password)
//!             .post("/api/now/table/incident")
//!             .json(&json!({ "severity": self.severity, "comments": self.comment }))
//!             .send()?
//!             .ok()?
//!             .json()?;
//!         Ok(Output::new(json!({ "number": answer["result"]["number"] })))
//!     }
//! }
//!
//! powerflow_sdk::syncpack!(CreateIncident);
//!
//! // A test needs neither a host nor WebAssembly:
//! use powerflow_sdk::testing::{MockHost, MockResponse};
//!
//! let host = MockHost::new()
//!     .parameter("sn_url", "https://dev1.service-now.com")
//!     .parameter("user", "powerflow")
//!     .secret("password", "hunter2")
//!     .http(|request| {
//!         assert_eq!(request.header("authorization"), Some("Basic cG93ZXJmbG93Omh1bnRlcjI="));
//!         MockResponse::json(201, &json!({ "result": { "number": "INC0010001" } }))
//!     });
//! let output = host.run::<CreateIncident>()?;
//! assert_eq!(output.data()?, json!({ "number": "INC0010001" }));
//! # Ok::<(), Error>(())
//! ```
//!
//! `pfctl syncpack new NAME` writes a project to start from, `pfctl syncpack build`
//! compiles it.

extern crate self as powerflow_sdk;

mod cache;
mod context;
mod descriptor;
mod document;
mod error;
mod host;
mod log;
mod output;
mod parameters;
mod secret;
mod step;
mod words;

#[doc(hidden)]
pub mod derive;
pub mod http;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub use host::bindings;

pub use cache::Cache;
pub use context::{Context, Run};
pub use descriptor::{ParameterDescriptor, StepDescriptor};
pub use document::Json;
pub use error::{Error, ErrorKind, Result};
pub use log::{Level, Log};
pub use output::Output;
pub use parameters::Parameters;
pub use secret::Secret;
pub use serde_json::{Value, json};
pub use step::{Execute, Invocation, Pack, Step, StepEntry};

/// Makes a struct with named fields a step; each field is a parameter.
///
/// On the struct, all optional: `#[step(name = "…", friendly_name = "…", version =
/// "1.0.0", kind = "standard" | "aggregated" | "trigger", idempotent = false,
/// output_schema = EXPRESSION)]`. The doc comment becomes the description; the name
/// is the struct's own unless given.
///
/// On a field, all optional: `#[param(name = "…", kind = "…", default = …, sample =
/// …, choices = […], required)]`. A field that is neither an `Option` nor has a
/// default is required. The kind follows from the type (`String`, `bool`, integers,
/// floats, `Vec<T>`, [`Value`], [`Secret`]); any other type that serde can read is an
/// `object` unless `kind` says otherwise:
///
/// ```
/// use powerflow_sdk::prelude::*;
///
/// #[derive(serde::Deserialize, serde::Serialize, PartialEq, Debug)]
/// #[serde(rename_all = "lowercase")]
/// enum Mode { Create, Update }
///
/// #[derive(Step)]
/// struct Sync {
///     #[param(kind = "string", default = Mode::Create, choices = ["create", "update"])]
///     mode: Mode,
///     #[param(default = vec![443])]
///     ports: Vec<u16>,
///     #[param(default = "incident")]
///     table: String,
/// }
/// # impl Execute for Sync {
/// #     fn execute(&self, _: &mut Context) -> Result<Output> {
/// #         assert_eq!((&self.mode, &self.ports[..], self.table.as_str()), (&Mode::Create, &[443][..], "incident"));
/// #         Ok(Output::empty())
/// #     }
/// # }
/// # powerflow_sdk::testing::MockHost::new().run::<Sync>()?;
///
/// let descriptor = Sync::descriptor();
/// assert_eq!(descriptor.friendly_name, "Sync");
/// assert_eq!(descriptor.parameters[0].default, Some(json!("create")));
/// # Ok::<(), Error>(())
/// ```
pub use powerflow_sdk_macros::Step;

/// What a module with steps imports.
pub mod prelude {
    pub use crate::{
        Context, Error, ErrorKind, Execute, Output, Result, Secret, Step, Value, debug, error,
        flow, http, info, json, warning,
    };
}

/// Lists the steps of this SyncPack and, when compiled to WebAssembly, exports the
/// component. Natively it gives the crate a `SYNCPACK`, a [`Pack`], for tests.
#[macro_export]
macro_rules! syncpack {
    ($($step:ty),+ $(,)?) => {
        /// The steps of this SyncPack.
        pub static SYNCPACK: $crate::Pack = $crate::Pack::new(&[$($crate::StepEntry::of::<$step>()),+]);

        $crate::export_component!();
    };
}

/// Exports the component.
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[macro_export]
macro_rules! export_component {
    () => {
        const _: () = {
            struct Component;

            impl $crate::bindings::Guest for Component {
                fn describe() -> ::std::string::String {
                    SYNCPACK.describe()
                }

                fn execute(
                    step: ::std::string::String,
                    invocation: $crate::bindings::Invocation,
                ) -> ::core::result::Result<$crate::bindings::Outcome, $crate::bindings::Error>
                {
                    $crate::bindings::run(&SYNCPACK, &step, invocation)
                }
            }

    $crate::bindings::export!(Component with_types_in $crate::bindings);
        };
    };
}

/// Nothing to export natively.
#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
#[macro_export]
macro_rules! export_component {
    () => {};
}
