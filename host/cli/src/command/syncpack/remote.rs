//! SyncPacks of the service.

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures::stream;
use reqwest::{
    Body, Method,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use serde_json::{Value, json};

use super::{
    Grants, activated,
    grants::{self, Asked, flags, version_of},
};
use crate::{
    client::Client,
    failure::{Exit, Failure},
    file,
    output::{brief, facts, items, table, text, time},
    progress,
    session::Session,
    shell,
};

/// A file is sent in pieces of this size, so that its progress can be shown.
const PIECE: usize = 256 << 10;

pub(super) async fn list(
    session: &Session,
    installed: bool,
    activated: bool,
) -> Result<Exit, Failure> {
    let query = [("only_installed", installed), ("only_activated", activated)]
        .map(|(name, on)| (name, on.to_string()));
    let page = session
        .client()?
        .get_with(&["syncpacks"], &query)
        .await?
        .json()?;
    session.output.result(&page, |page| {
        let rows: Vec<_> = page["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|pack| {
                let state = if pack["activated"] == true {
                    "active".to_owned()
                } else {
                    text(&pack["state"])
                };
                vec![
                    text(&pack["name"]),
                    text(&pack["version"]),
                    state,
                    text(&pack["author"]),
                    brief(&pack["summary"]),
                ]
            })
            .collect();
        table(
            &["syncpack", "version", "state", "author", "summary"],
            &rows,
        )
    });
    Ok(Exit::Success)
}

pub(super) async fn show(session: &Session, name: &str) -> Result<Exit, Failure> {
    let client = session.client()?;
    let pack = read(&client, name).await?;
    session.output.result(&pack, |pack| {
        let versions = pack["versions"].as_array().map_or(&[][..], Vec::as_slice);
        versions
            .iter()
            .rev()
            .map(version)
            .collect::<Vec<_>>()
            .join("\n")
    });
    Ok(Exit::Success)
}

fn version(version: &Value) -> String {
    let state = if version["activated"] == true {
        "active".to_owned()
    } else {
        text(&version["state"])
    };
    let manifest = &version["manifest"];
    let pairs = [
        (
            "syncpack",
            format!("{} {}", text(&version["name"]), text(&version["version"])),
        ),
        ("state", state),
        ("error", text(&version["error"])),
        ("summary", text(&version["summary"])),
        ("author", text(&version["author"])),
        (
            "uploaded",
            format!(
                "{} by {}",
                time(&version["imported_at"]),
                text(&version["imported_by"])
            ),
        ),
        ("digest", text(&version["digest"])),
        ("needs", text(&manifest["requires_dist"])),
    ];
    let grants = grants::rows(manifest, |grant| Some(grants::state(version, grant)));
    let steps: Vec<_> = manifest["steps"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|step| vec![text(&step["name"]), brief(&step["description"])])
        .collect();
    let mut shown = facts(&pairs);
    for (heading, rows) in [
        (
            &[
                "grant", "kind", "host", "ports", "methods", "state", "reason",
            ][..],
            grants,
        ),
        (&["step", "description"], steps),
    ] {
        if !rows.is_empty() {
            shown.push('\n');
            shown.push_str(&table(heading, &rows));
        }
    }
    shown
}

/// Uploads files; one that is refused does not keep the others back. The result for programs is
/// that of the one file, or a list.
pub(super) async fn upload_all(
    session: &Session,
    paths: &[PathBuf],
    activating: Option<&Grants>,
) -> Result<Exit, Failure> {
    let client = session.client()?;
    let mut done = Vec::new();
    let mut refused: Option<Failure> = None;
    for path in paths {
        match upload(session, &client, path, activating).await {
            Ok(one) => done.push(one),
            Err(failure) if matches!(failure.exit, Exit::Unreachable | Exit::Authentication) => {
                return Err(failure);
            }
            Err(mut failure) => {
                if paths.len() > 1 {
                    failure.message = format!("{}: {}", path.display(), failure.message);
                }
                if let Some(earlier) = refused.replace(failure) {
                    earlier.print(session.output.json);
                }
            }
        }
    }
    if session.output.json {
        let all = match &done[..] {
            [one] if paths.len() == 1 => one.clone(),
            _ => json!({"items": done}),
        };
        if paths.len() > 1 || refused.is_none() {
            session.output.result(&all, |_| String::new());
        }
    }
    refused.map_or(Ok(Exit::Success), Err)
}

async fn upload(
    session: &Session,
    client: &Client,
    path: &Path,
    activating: Option<&Grants>,
) -> Result<Value, Failure> {
    let file = file::bytes(path)?;
    let total = file.len();
    let bar = progress::bytes(session.output.json, total as u64, "uploading");
    let counted = bar.clone();
    // What the hint names; a file that cannot be read here is the service's to refuse.
    let asked = syncpack::Archive::read(&file)
        .ok()
        .and_then(|archive| serde_json::to_value(&archive.metadata.manifest).ok())
        .unwrap_or_default();
    let file = Bytes::from(file);
    let pieces = (0..total).step_by(PIECE).map(move |at| {
        let piece = file.slice(at..(at + PIECE).min(total));
        counted.inc(piece.len() as u64);
        Ok::<_, Infallible>(piece)
    });
    let request = client
        .request(Method::POST, &["syncpacks"])
        .header(CONTENT_TYPE, "application/wasm")
        .header(CONTENT_LENGTH, total)
        .body(Body::wrap_stream(stream::iter(pieces.collect::<Vec<_>>())));
    let answer = client.send(request).await;
    bar.finish_and_clear();
    let pack = answer
        .map_err(|failure| match failure.exit {
            Exit::Refused if failure.code == "PF-0423" => failure.next(format!(
                "raise `version` in meta.json, then: pfctl syncpack build FOLDER; what is stored shows pfctl syncpack show {}",
                shell::word(&text(&asked["name"]))
            )),
            Exit::Refused => {
                failure.next(format!("pfctl syncpack inspect {}", shell::path(path)))
            }
            _ => failure,
        })?
        .json()?;
    let name = text(&pack["name"]);
    if let Some(grants) = activating {
        session
            .output
            .remark(&format!("uploaded {name} {}", text(&pack["version"])));
        let version = pack["version"].as_str().map(str::to_owned);
        let activated = activated(client, session, &name, version, grants).await?;
        activated::tell(session, &name, &activated);
        return Ok(activated);
    }
    session
        .output
        .say(&format!("uploaded {name} {}", text(&pack["version"])));
    // As it was given to another version of the pack, as far as there is one.
    let stored = match items(&asked["grants"]) {
        [] => Value::Null,
        _ => read(client, &name).await.unwrap_or_default(),
    };
    next(session, &name, &text(&pack["version"]), &asked, &stored);
    Ok(pack)
}

/// Says with which command a version of a SyncPack is activated.
fn next(session: &Session, name: &str, version: &str, manifest: &Value, stored: &Value) {
    let active = &stored["active_version"];
    let before = items(&stored["versions"])
        .iter()
        .find(|one| one["version"] == *active);
    let asked = Asked::all(manifest, before.map_or(&Value::Null, |one| &one["grants"]));
    session.output.remark(&format!(
        "next: pfctl syncpack activate {} --version {}{}",
        shell::word(name),
        shell::word(version),
        flags(&asked)
    ));
    if let Some(remark) = grants::remark(&asked) {
        session.output.remark(&remark);
    }
}

pub(super) async fn install(
    session: &Session,
    name: &str,
    version: Option<String>,
) -> Result<Exit, Failure> {
    let client = session.client()?;
    let spinner = progress::spinner(session.output.json, format!("installing {name}"));
    let answer = client
        .post(&["syncpacks", name, "install"], &with_version(version))
        .await;
    spinner.finish_and_clear();
    let pack = match answer {
        Ok(reply) => reply.json()?,
        Err(failure) => return Err(client.suggest(failure, "syncpacks", name).await),
    };
    if pack["installed"] != true {
        let why = format!(
            "{name} {} could not be installed: {}",
            text(&pack["version"]),
            text(&pack["error"])
        );
        return Err(Failure::new(Exit::Refused, "PF-2002", why)
            .next(format!("pfctl syncpack show {}", shell::word(name))));
    }
    session.output.result(&pack, |pack| {
        format!("installed {name} {}", text(&pack["version"]))
    });
    let version = text(&pack["version"]);
    let stored = read(&client, name).await?;
    let manifest = &version_of(&stored, Some(&version))["manifest"];
    next(session, name, &version, manifest, &stored);
    Ok(Exit::Success)
}

pub(super) async fn activate(
    session: &Session,
    client: &Client,
    name: &str,
    version: Option<String>,
    grants: &Grants,
) -> Result<Exit, Failure> {
    let activated = activated(client, session, name, version, grants).await?;
    if session.output.json {
        session.output.result(&activated, |_| String::new());
    }
    activated::tell(session, name, &activated);
    Ok(Exit::Success)
}

/// Activates a version; the service's answer.
async fn activated(
    client: &Client,
    session: &Session,
    name: &str,
    version: Option<String>,
    grants: &Grants,
) -> Result<Value, Failure> {
    let (mut ids, mut version) = (grants.ids.clone(), version);
    if grants.all {
        let pack = read(client, name).await?;
        // The one whose grants were read, though another came in the meantime.
        version = version.or_else(|| newest(&pack).map(|one| text(&one["version"])));
        let asked = &version_of(&pack, version.as_deref())["manifest"]["grants"];
        ids.extend(items(asked).iter().map(|grant| text(&grant["id"])));
    }
    let mut body = with_version(version);
    // Without a word about grants, the SyncPack keeps those that it has.
    if grants.none || !ids.is_empty() || !grants.private.is_empty() {
        body["grants"] = grants::decisions(&ids, &grants.private);
        body["add"] = grants.add.into();
    }
    let spinner = progress::spinner(session.output.json, format!("activating {name}"));
    let answer = client.post(&["syncpacks", name, "activate"], &body).await;
    spinner.finish_and_clear();
    match answer {
        Ok(reply) => reply.json(),
        Err(failure) if failure.code == "PF-2003" => {
            Err(failure.next(format!("pfctl syncpack show {}", shell::word(name))))
        }
        Err(failure) => Err(client.suggest(failure, "syncpacks", name).await),
    }
}

pub(super) async fn deactivate(session: &Session, name: &str) -> Result<Exit, Failure> {
    let client = session.client()?;
    // Without a version, a newer one that is stored would be activated in its place.
    let before = client.get(&["syncpacks", name]).await.ok();
    let before = before
        .and_then(|reply| reply.json().ok())
        .unwrap_or_default();
    let version = before["active_version"].as_str();
    let request = client.request(Method::POST, &["syncpacks", name, "deactivate"]);
    let answer = match client.send(request).await {
        Ok(reply) => reply.json()?,
        Err(failure) => return Err(client.suggest(failure, "syncpacks", name).await),
    };
    let used_by = items(&answer["used_by"]);
    let result = json!({"deactivated": name, "used_by": used_by});
    session
        .output
        .result(&result, |_| format!("deactivated {name}"));
    if !used_by.is_empty() {
        session.output.remark(&format!(
            "new runs of these applications are refused until it is active again: {}",
            text(&answer["used_by"])
        ));
        session.output.remark(&format!(
            "to take it back: pfctl syncpack activate {}{}",
            shell::word(name),
            version.map_or_else(String::new, |version| {
                format!(" --version {}", shell::word(version))
            })
        ));
    }
    Ok(Exit::Success)
}

pub(super) async fn delete(
    session: &Session,
    name: &str,
    version: Option<String>,
) -> Result<Exit, Failure> {
    let client = session.client()?;
    let mut request = client.request(Method::DELETE, &["syncpacks", name]);
    if let Some(version) = &version {
        request = request.query(&[("version", version)]);
    }
    match client.send(request).await {
        Ok(_) => {}
        Err(failure) if matches!(failure.code.as_str(), "PF-0423" | "PF-2002") => {
            return Err(failure.next(format!("pfctl syncpack deactivate {}", shell::word(name))));
        }
        Err(failure) => return Err(client.suggest(failure, "syncpacks", name).await),
    }
    let what = version.as_deref().unwrap_or("all versions");
    session
        .output
        .result(&json!({"deleted": name, "version": version}), |_| {
            format!("deleted {name}: {what}")
        });
    Ok(Exit::Success)
}

async fn read(client: &Client, name: &str) -> Result<Value, Failure> {
    match client.get(&["syncpacks", name]).await {
        Ok(reply) => reply.json(),
        Err(failure) => Err(client.suggest(failure, "syncpacks", name).await),
    }
}

fn with_version(version: Option<String>) -> Value {
    version.map_or_else(|| json!({}), |version| json!({"version": version}))
}

/// The version that the service takes when none is named: of the highest number, and of those the
/// one that was uploaded last.
fn newest(pack: &Value) -> Option<&Value> {
    let versions = pack["versions"].as_array()?;
    versions
        .iter()
        .max_by_key(|one| syncpack::version_number(one["version"].as_str().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_has_the_highest_number() {
        let pack = json!({"versions": [
            {"version": "1"}, {"version": "1.10"}, {"version": "1.9.0"},
        ]});
        assert_eq!(newest(&pack).unwrap()["version"], "1.10");
        assert!(newest(&json!({"versions": []})).is_none());
    }
}
