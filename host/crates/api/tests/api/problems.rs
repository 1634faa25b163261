//! Whatever is wrong with a request, the answer is a problem document that names it.

use api::{Limits, Permission};
use axum::{
    body::Body,
    http::{Request, StatusCode},
};

use crate::service::{Reply, Service, careful, json, request};

const RUN: &str = "/api/v1/applications/run";
const APPLICATIONS: &str = "/api/v1/applications";
const PACKS: &str = "/api/v1/syncpacks";

fn typed(method: &str, uri: &str, kind: &str, body: impl Into<Body>) -> Request<Body> {
    let mut request = json(method, uri, body);
    request
        .headers_mut()
        .insert("content-type", kind.parse().unwrap());
    request
}

async fn refused(service: &Service, request: Request<Body>) -> (u16, String, Reply) {
    let what = format!("{} {}", request.method(), request.uri());
    let reply = service.ask(Permission::Administrator, request).await;
    assert!(
        reply.status.is_client_error(),
        "{what}: {} {}",
        reply.status,
        reply.text
    );
    (reply.status.as_u16(), reply.problem(), reply)
}

#[expect(clippy::too_many_lines, reason = "a table of requests and refusals")]
#[tokio::test]
async fn what_cannot_be_read_is_refused_with_its_place() {
    let service = Service::new().await;
    let task = "/api/v1/tasks/isapp-01890a5d-ac96-774b-bcce-b30200000000";
    for (request, status, code, words) in [
        (
            json("POST", RUN, "{\"name\": \"a\",\n \"params\" 1}"),
            400,
            "PF-0400",
            "line 2, column 11",
        ),
        (
            json("POST", RUN, "{\"params\": {}}"),
            400,
            "PF-0400",
            "`name` is missing",
        ),
        (json("POST", RUN, "{\"name\": 7}"), 400, "PF-0400", "/name"),
        (
            json("POST", RUN, "{\"name\": \"a\", \"params\": []}"),
            400,
            "PF-0400",
            "`/params`: this is a list; give an object",
        ),
        (
            json(
                "POST",
                RUN,
                "{\"name\": \"a\", \"configuration\": \"acme\"}",
            ),
            400,
            "PF-0400",
            "write it at /params/configuration",
        ),
        (
            json("POST", "/api/v1/applications/a/run", "{\"event_id\": 1}"),
            400,
            "PF-0400",
            "write it at /params/event_id",
        ),
        (
            request("GET", "/api/v1/runs?limit=abc"),
            400,
            "PF-0400",
            "`limit`: `abc` is no such value; give a whole number from 1 to 200",
        ),
        (
            json("POST", &format!("{RUN}?wait=abc"), "{\"name\": \"a\"}"),
            400,
            "PF-0400",
            "`wait`: `abc` is no such value; give a number, 0 or more",
        ),
        (
            request("GET", "/api/v1/runs/"),
            404,
            "PF-0406",
            "did you mean /api/v1/runs?",
        ),
        (
            request("GET", "/api/v1/aplications/a"),
            404,
            "PF-0406",
            "did you mean /api/v1/applications/a?",
        ),
        (
            request("GET", "/api/v1/runs?after=zzz"),
            400,
            "PF-1005",
            "`zzz` is no place of this list",
        ),
        (
            request("GET", "/api/v1/applications?after=zzz"),
            400,
            "PF-1005",
            "`zzz` is no place of this list",
        ),
        (
            request("GET", "/api/v1/configurations?after=zzz"),
            400,
            "PF-1005",
            "`zzz` is no place of this list",
        ),
        (
            request("GET", "/api/v1/cache?after=zzz"),
            400,
            "PF-1005",
            "`zzz` is no place of this list",
        ),
        (
            request("GET", &format!("{task}/logs?after=zzz")),
            400,
            "PF-1005",
            "`zzz` is no place of this list",
        ),
        (
            json("POST", RUN, "{\"name\": \"a\", \"parms\": {}}"),
            400,
            "PF-0400",
            "did you mean `params`?",
        ),
        (json("POST", RUN, "[]"), 400, "PF-0400", "PF-0400"),
        (json("POST", RUN, ""), 400, "PF-0400", "`name` is missing"),
        (
            typed("POST", RUN, "text/plain", "{}"),
            415,
            "PF-0415",
            "text/plain",
        ),
        (
            json("POST", &format!("{RUN}?wait=long"), "{\"name\": \"a\"}"),
            400,
            "PF-0400",
            "wait",
        ),
        (
            json("POST", &format!("{RUN}?wait=-1"), "{\"name\": \"a\"}"),
            400,
            "PF-0400",
            "wait",
        ),
        (
            json("POST", &format!("{RUN}?wayt=1"), "{\"name\": \"a\"}"),
            400,
            "PF-0400",
            "`wayt`: this address takes no parameter of that name; did you mean `wait`?",
        ),
        (json("POST", APPLICATIONS, ""), 400, "PF-0400", "no body"),
        (
            json("POST", APPLICATIONS, "{\"steps\": ["),
            400,
            "PF-0400",
            "line 1",
        ),
        (
            json("POST", APPLICATIONS, vec![b'"', 0xff, b'"']),
            400,
            "PF-0400",
            "byte 2",
        ),
        (
            typed("POST", APPLICATIONS, "application/xml", "<a/>"),
            415,
            "PF-0415",
            "application/xml",
        ),
        (
            json("PUT", "/api/v1/applications/a", "{}"),
            428,
            "PF-0428",
            "If-Match",
        ),
        (
            request("GET", "/api/v1/applications?limit=0"),
            400,
            "PF-0400",
            "limit",
        ),
        (
            request("GET", "/api/v1/applications?limit=x"),
            400,
            "PF-0400",
            "limit",
        ),
        (
            request("GET", "/api/v1/applications?page=2"),
            400,
            "PF-0400",
            "It takes `search`, `version`, `syncpack`",
        ),
        (
            request("GET", "/api/v1/runs?state=broken"),
            400,
            "PF-0400",
            "cancelled",
        ),
        (
            request("GET", "/api/v1/tasks/isapp-7"),
            400,
            "PF-0400",
            "isapp-<uuid>",
        ),
        (request("GET", task), 404, "PF-0404", "isapp-01890a5d"),
        (
            request("GET", &format!("{task}/logs?level=loud")),
            400,
            "PF-0400",
            "level",
        ),
        (
            request("GET", "/api/v1/applications/nothing"),
            404,
            "PF-0404",
            "nothing",
        ),
        (
            request("GET", "/api/v1/configurations/nothing"),
            404,
            "PF-0404",
            "nothing",
        ),
        (
            request("GET", "/api/v1/steps/nothing"),
            404,
            "PF-0404",
            "nothing",
        ),
        (
            request("GET", "/api/v1/syncpacks/nothing"),
            404,
            "PF-0404",
            "nothing",
        ),
        (
            request("GET", "/api/v1/cache/nothing"),
            404,
            "PF-0404",
            "nothing",
        ),
        (request("DELETE", "/api/v1/cache"), 400, "PF-0400", "prefix"),
        (
            json("POST", RUN, "{\"name\": \"nothing\"}"),
            404,
            "PF-0404",
            "nothing",
        ),
        (
            json("POST", "/api/v1/steps/run", "{\"name\": \"nothing\"}"),
            404,
            "PF-0404",
            "nothing",
        ),
        (
            typed("POST", PACKS, "application/wasm", "not wasm"),
            422,
            "PF-2001",
            "SyncPack",
        ),
        (
            typed("POST", PACKS, "application/wasm", &b"\0asm\x0d\0\x01\0"[..]),
            422,
            "PF-2001",
            "SyncPack",
        ),
        (
            typed("POST", PACKS, "application/wasm", ""),
            400,
            "PF-0400",
            "no body",
        ),
        (
            typed("POST", PACKS, "application/json", "{}"),
            415,
            "PF-0415",
            "application/wasm",
        ),
        (
            typed("POST", PACKS, "multipart/form-data", "x"),
            400,
            "PF-0400",
            "boundary",
        ),
        (
            json(
                "POST",
                "/api/v1/syncpacks/a/activate",
                "{\"grants\": [\"http\"]}",
            ),
            400,
            "PF-0400",
            "/grants/0",
        ),
        (
            request("GET", "/api/v1/nothing"),
            404,
            "PF-0406",
            "/docs/api",
        ),
        (request("GET", "/applications"), 404, "PF-0406", "/api/v1"),
        (
            request("GET", "/docs/api/oauth2-redirect.html"),
            404,
            "PF-0406",
            "/docs/api",
        ),
        (request("PATCH", APPLICATIONS), 405, "PF-0405", "PATCH"),
    ] {
        let what = format!("{} {}", request.method(), request.uri());
        let (found, found_code, reply) = refused(&service, request).await;
        assert_eq!(
            (found, &*found_code),
            (status, code),
            "{what}: {}",
            reply.text
        );
        assert!(
            reply.text.contains(words),
            "{what} does not say {words:?}: {}",
            reply.text
        );
    }
    let list = service
        .ask(Permission::View, request("GET", APPLICATIONS))
        .await;
    assert_eq!(list.json()["items"], serde_json::json!([]));
    let list = service.ask(Permission::View, request("GET", PACKS)).await;
    assert_eq!(list.json()["items"], serde_json::json!([]));
}

#[tokio::test]
async fn too_much_is_refused_with_the_limit() {
    let limits = Limits {
        document: 1 << 20,
        request: 1000,
        pack: 2 << 20,
        ..Limits::default()
    };
    let service = Service::with(careful(), limits).await;
    let form = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wasm\"\r\n\r\n";
    let form = format!("{form}{}\r\n--x--\r\n", "x".repeat(3 << 20));
    for (request, words) in [
        (
            json("POST", APPLICATIONS, " ".repeat((1 << 20) + 1)),
            "at most 1 MiB",
        ),
        (json("POST", RUN, " ".repeat(1001)), "at most 1000 bytes"),
        (
            typed("POST", PACKS, "application/wasm", vec![0; 3 << 20]),
            "at most 2 MiB",
        ),
        (
            typed("POST", PACKS, "multipart/form-data; boundary=x", form),
            "at most 2 MiB",
        ),
    ] {
        let (status, code, reply) = refused(&service, request).await;
        assert_eq!((status, &*code), (413, "PF-0413"));
        assert!(reply.text.contains(words), "{}", reply.text);
    }
}

#[tokio::test]
async fn a_method_that_is_not_taken_lists_those_that_are() {
    let service = Service::new().await;
    let (_, _, reply) = refused(&service, request("PATCH", "/api/v1/applications/a")).await;
    let allow = reply.headers["allow"].to_str().unwrap();
    for method in ["GET", "PUT", "DELETE"] {
        assert!(allow.contains(method), "{allow}");
    }
}

#[tokio::test]
async fn a_callers_request_id_comes_back() {
    let service = Service::new().await;
    let mut asked = request("GET", "/api/v1/nothing");
    asked
        .headers_mut()
        .insert("x-request-id", "mine-7".parse().unwrap());
    let reply = service.send(asked).await;
    assert_eq!(reply.json()["request_id"], "mine-7");
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    assert_eq!(reply.json()["instance"], "/api/v1/nothing");
}

#[tokio::test]
async fn a_service_that_shuts_down_says_so() {
    let service = Service::new().await;
    assert_eq!(
        service.send(request("GET", "/readyz")).await.status,
        StatusCode::OK
    );
    service.engine.drain(std::time::Duration::ZERO).await;
    let reply = service.send(request("GET", "/readyz")).await;
    assert_eq!((reply.status.as_u16(), &*reply.problem()), (503, "PF-0504"));
    assert_eq!(reply.headers["retry-after"], "5");
    assert_eq!(
        service.send(request("GET", "/healthz")).await.status,
        StatusCode::OK
    );
}
