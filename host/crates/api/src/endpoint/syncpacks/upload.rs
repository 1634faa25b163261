//! `POST /api/v1/syncpacks`

use axum::{
    Json,
    extract::{
        DefaultBodyLimit, FromRequest as _, Multipart, Request, State, multipart::MultipartError,
    },
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;

use crate::{
    audit::Audit,
    body::{self, Gathered},
    code,
    endpoint::to_its_end,
    extract::{Who, media_type},
    problem::{Answer, Problem},
    state::Shared,
    view::{part, syncpack::SyncPack},
};

const WHAT: &str = "a SyncPack";

/// Upload a SyncPack
///
/// The body is the `.wasm` file itself, or a form with the file in one field. The file is
/// checked and stored; nothing in it is executed. Installing and activating it are steps
/// of their own. The same file again is the version that there is.
#[utoipa::path(
    post, path = "/api/v1/syncpacks", operation_id = "upload_syncpack", tag = "syncpacks",
    request_body(content(
        (inline(Vec<u8>) = "application/wasm"),
        (inline(Vec<u8>) = "application/octet-stream"),
    ), description = "The `.wasm` file; `multipart/form-data` with the file in a field is taken as well"),
    responses(
        (status = 201, description = "Stored", body = SyncPack),
        (status = 409, description = "The version exists with another file and is in use (PF-0423)"),
        (status = 413, description = "The file is too large (PF-0413)"),
        (status = 415, description = "The body is neither a file nor a form (PF-0415)"),
        (status = 422, description = "The file is no SyncPack (PF-2001); `errors` says why"),
        (status = 429, description = "Other SyncPacks are being received (PF-0429)"),
    ),
)]
pub(crate) async fn upload(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    request: Request,
) -> Answer<Response> {
    let Ok(permit) = api.uploads.clone().try_acquire_owned() else {
        return Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            code::BUSY,
            "other SyncPacks are being received; try again shortly",
        )
        .retry_after(5));
    };
    let file = receive(request, &api).await?;
    let pack = to_its_end(async move {
        // The file is in memory until it is stored, whether or not the caller waits.
        let _permit = permit;
        let pack = api.engine.import_pack(&caller, file).await?;
        audit.syncpack("upload", &pack.name, &pack.version);
        Ok(pack)
    })
    .await?;
    let mut response = (StatusCode::CREATED, Json(SyncPack::new(&pack))).into_response();
    let href = format!("/api/v1/syncpacks/{}", part(&pack.name));
    if let Ok(location) = HeaderValue::from_str(&href) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

async fn receive(request: Request, api: &Shared) -> Answer<Bytes> {
    let limit = api.limits.pack;
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .map(|value| value.to_str().unwrap_or_default().to_ascii_lowercase());
    let essence = kind
        .as_deref()
        .map(|kind| kind.split(';').next().unwrap_or_default().trim());
    let file = match essence {
        None | Some("application/wasm" | "application/octet-stream") => {
            body::read(request.into_body(), WHAT, limit).await?
        }
        Some("multipart/form-data") => {
            // The reader of forms has a limit of its own, which is not the one of packs.
            let mut request = request;
            DefaultBodyLimit::disable().apply(&mut request);
            let form = Multipart::from_request(request, api)
                .await
                .map_err(|rejection| Problem::unreadable(rejection.body_text()))?;
            field(form, limit).await?
        }
        Some(_) => {
            let expected = "application/wasm, or multipart/form-data with the file in a field";
            return Err(media_type(kind.as_deref().unwrap_or_default(), expected));
        }
    };
    if file.is_empty() {
        return Err(Problem::unreadable(
            "the request has no body; send the .wasm file",
        ));
    }
    Ok(file)
}

/// The first field of the form that is a file or named `file`.
async fn field(mut form: Multipart, limit: usize) -> Answer<Bytes> {
    let unreadable = |error: MultipartError| Problem::unreadable(error.body_text());
    while let Some(mut field) = form.next_field().await.map_err(unreadable)? {
        if field.file_name().is_none() && field.name() != Some("file") {
            continue;
        }
        let mut whole = Gathered::new(limit, 0);
        while let Some(piece) = field.chunk().await.map_err(unreadable)? {
            if !whole.push(piece) {
                return Err(body::too_large(WHAT, limit));
            }
        }
        return Ok(whole.finish());
    }
    Err(Problem::unreadable(
        "the form has no file; send it in a field named `file`",
    ))
}
