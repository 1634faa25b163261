//! `/api/v1/session`: logins with a browser.

pub(crate) mod begin;
pub(crate) mod end;
pub(crate) mod get;

use jiff::Timestamp as Instant;
use model::clock::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    auth::{credentials::Identity, sessions::Token},
    permission::Permission,
};

/// Who is logged in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionDocument {
    /// The account's name.
    #[schema(example = "isadmin")]
    user: String,
    /// Its role.
    #[schema(example = "Administrator")]
    role: String,
    /// What the role allows; each includes those before it.
    #[schema(example = json!(["View", "Execute"]))]
    permissions: Vec<&'static str>,
    /// What each change that comes with the session's cookie carries in the header
    /// `X-PowerFlow-CSRF`; `null` for a caller by Basic authentication, who needs none.
    #[schema(example = "hYcG1Gv1zvxGm5oVnJ0yMq8m7Nq1Yk2cM0bPq3nZs5A")]
    csrf: Option<String>,
    /// When the session ends if it is not used any more; `null` without one.
    #[schema(value_type = Option<String>, format = DateTime, example = "2027-01-15T16:00:00Z")]
    expires: Option<String>,
}

impl SessionDocument {
    fn new(identity: &Identity, session: Option<(&Token, Timestamp)>) -> Self {
        let has = identity.permission;
        Self {
            user: identity.caller.name.clone(),
            role: has.map_or("none that exists", Permission::name).to_owned(),
            permissions: Permission::ALL
                .into_iter()
                .filter(|one| has.is_some_and(|has| has.includes(*one)))
                .map(Permission::name)
                .collect(),
            csrf: session.map(|(token, _)| token.csrf()),
            expires: session.map(|(_, until)| shown(until)),
        }
    }
}

fn shown(at: Timestamp) -> String {
    Instant::from_microsecond(at.0).map_or_else(|_| String::new(), |at| at.to_string())
}
