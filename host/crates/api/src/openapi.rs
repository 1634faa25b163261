//! The OpenAPI document, made from the routes themselves.

use utoipa::{
    OpenApi as _,
    openapi::{
        Content, OpenApi, Ref, RefOr, ResponseBuilder,
        extensions::ExtensionsBuilder,
        path::Operation,
        security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};

use crate::{
    auth::guard::Access,
    problem::{Document, FaultDocument},
};

/// The scheme's name in the document.
const SCHEME: &str = "basic";

/// What the document says besides the routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "PowerFlow",
        description = "Runs integrations between systems, durably.\n\n\
            - Every address under `/api/v1` asks for a name and a password (Basic authentication); \
            `x-permission` names the permission that an operation needs.\n\
            - Refusals are problem documents (RFC 9457) with a stable code, which \
            [/docs/errors](/docs/errors) explains.\n\
            - Lists are answered in parts: pass `next` as `after`.\n\
            - Documents carry their revision as `ETag`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(Document<'static>, FaultDocument)),
    tags(
        (name = "applications", description = "What runs: steps and how they follow each other"),
        (name = "configurations", description = "Configuration objects: what differs between customers"),
        (name = "schedules", description = "When applications run by themselves"),
        (name = "webhooks", description = "Addresses that other systems call to start applications"),
        (name = "operators", description = "Conditions and transforms of applications"),
        (name = "steps", description = "What active SyncPacks offer"),
        (name = "syncpacks", description = "Plugins: one WebAssembly file each"),
        (name = "runs", description = "What has run and what runs"),
        (name = "tasks", description = "A run, or a step of a run, by its id"),
        (name = "cache", description = "Records that outlive runs"),
        (name = "limits", description = "Limits of steps: who holds a key, and who waits for it"),
        (name = "workers", description = "The processes of the service"),
        (name = "session", description = "Logins with a browser"),
        (name = "service", description = "The service itself"),
    ),
)]
struct Frame;

/// The document without routes.
pub(crate) fn frame() -> OpenApi {
    let mut document = Frame::openapi();
    let scheme = SecurityScheme::Http(
        Http::builder()
            .scheme(HttpAuthScheme::Basic)
            .description(Some("A local account's name and password"))
            .build(),
    );
    document
        .components
        .get_or_insert_default()
        .add_security_scheme(SCHEME, scheme);
    document
}

/// Says who may call the operation, and what every operation may answer.
pub(crate) fn stamp(operation: &mut Operation, access: Access) {
    let needs = match access {
        Access::Public => {
            operation.security = Some(vec![]);
            "Public".to_owned()
        }
        Access::Needs(permission) => {
            operation.security = Some(vec![SecurityRequirement::new(SCHEME, [""; 0])]);
            for (status, meaning) in [
                ("401", "Name or password are missing or wrong (PF-0401)"),
                ("403", "The role does not include the permission (PF-0403)"),
            ] {
                operation
                    .responses
                    .responses
                    .insert(status.to_owned(), problem(meaning));
            }
            permission.name().to_owned()
        }
    };
    let description = operation.description.take().unwrap_or_default();
    let sentence = format!("Needs the permission **{needs}**.");
    operation.description = Some(match access {
        Access::Public => description,
        Access::Needs(_) if description.is_empty() => sentence,
        Access::Needs(_) => format!("{description}\n\n{sentence}"),
    });
    operation
        .extensions
        .get_or_insert_default()
        .merge(ExtensionsBuilder::new().add("x-permission", needs).build());
    // Refusals that an endpoint lists by their status have the same body.
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && (status.starts_with('4') || status.starts_with('5'))
            && response.content.is_empty()
        {
            let RefOr::T(full) = problem(&response.description) else {
                continue;
            };
            *response = full;
        }
    }
    operation
        .responses
        .responses
        .entry("default".to_owned())
        .or_insert_with(|| problem("Any other refusal; the code says which"));
}

fn problem(meaning: &str) -> RefOr<utoipa::openapi::Response> {
    let content = Content::builder()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    RefOr::T(
        ResponseBuilder::new()
            .description(meaning)
            .content("application/problem+json", content)
            .build(),
    )
}

/// The OpenAPI 3.1 document of every route.
pub fn openapi() -> OpenApi {
    crate::router::document()
}

/// Its text, as it is committed and served: keys of each object in a fixed order.
pub(crate) fn text() -> String {
    let value = serde_json::to_value(openapi()).unwrap_or_default();
    let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
    text.push('\n');
    text
}
