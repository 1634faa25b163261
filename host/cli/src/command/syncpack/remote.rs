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

use super::Grants;
use crate::{
    client::Client,
    failure::{Exit, Failure},
    file,
    output::{brief, facts, table, text, time},
    progress,
    session::Session,
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
    let given = version["grants"].as_array().map_or(&[][..], Vec::as_slice);
    let grants: Vec<_> = manifest["grants"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|grant| {
            let found = given.iter().find(|one| one["id"] == grant["id"]);
            let state = match found {
                None => "denied",
                Some(one) if one["private_network"] == true => "given, private addresses too",
                Some(_) => "given",
            };
            vec![
                text(&grant["id"]),
                text(&grant["kind"]),
                text(&grant["host"]),
                state.to_owned(),
                text(&grant["reason"]),
            ]
        })
        .collect();
    let steps: Vec<_> = manifest["steps"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|step| vec![text(&step["name"]), brief(&step["description"])])
        .collect();
    let mut shown = facts(&pairs);
    for (heading, rows) in [
        (&["grant", "kind", "host", "state", "reason"][..], grants),
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
        .map(|archive| archive.metadata.manifest.meta.grants)
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
            Exit::Refused => failure.next(format!("pfctl syncpack inspect {}", path.display())),
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
        tell_activated(session, &name, &activated);
        return Ok(activated);
    }
    session
        .output
        .say(&format!("uploaded {name} {}", text(&pack["version"])));
    session.output.remark(&format!(
        "next: pfctl syncpack activate {name} --version {}{}",
        text(&pack["version"]),
        flags(asked.iter().map(|grant| grant.id.as_str()))
    ));
    Ok(pack)
}

/// The flags that give these grants.
pub(crate) fn flags<'a>(ids: impl Iterator<Item = &'a str>) -> String {
    ids.fold(String::new(), |mut flags, id| {
        flags.push_str(" --grant ");
        flags.push_str(id);
        flags
    })
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
        return Err(
            Failure::new(Exit::Refused, "PF-2002", why).next(format!("pfctl syncpack show {name}"))
        );
    }
    session.output.result(&pack, |pack| {
        format!("installed {name} {}", text(&pack["version"]))
    });
    let version = pack["version"].as_str();
    let asked = requested(&read(&client, name).await?, version);
    session.output.remark(&format!(
        "next: pfctl syncpack activate {name} --version {}{}",
        version.unwrap_or_default(),
        flags(asked.iter().map(String::as_str))
    ));
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
    tell_activated(session, name, &activated);
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
    let mut ids = grants.ids.clone();
    if grants.all {
        let pack = read(client, name).await?;
        ids.extend(requested(&pack, version.as_deref()));
    }
    let mut body = with_version(version);
    // Without a word about grants, the SyncPack keeps those that it has.
    if grants.none || !ids.is_empty() || !grants.private.is_empty() {
        body["grants"] = decisions(ids, &grants.private);
    }
    let spinner = progress::spinner(session.output.json, format!("activating {name}"));
    let answer = client.post(&["syncpacks", name, "activate"], &body).await;
    spinner.finish_and_clear();
    match answer {
        Ok(reply) => reply.json(),
        Err(failure) if failure.code == "PF-2003" => {
            Err(failure.next(format!("pfctl syncpack show {name}")))
        }
        Err(failure) => Err(client.suggest(failure, "syncpacks", name).await),
    }
}

/// Says what came of an activation.
fn tell_activated(session: &Session, name: &str, activated: &Value) {
    session
        .output
        .say(&format!("activated {name} {}", text(&activated["version"])));
    let list = |key: &str| activated[key].as_array().cloned().unwrap_or_default();
    for kept in list("kept") {
        session
            .output
            .remark(&format!("kept {}: a person had changed it", text(&kept)));
    }
    let taken = list("taken_away");
    if !taken.is_empty() {
        session.output.remark(&format!(
            "taken away: {}; it had that before, and steps that need it will be refused",
            text(&Value::Array(taken))
        ));
    }
    let denied = list("not_granted");
    if !denied.is_empty() {
        let given = activated["grants"].as_array().cloned().unwrap_or_default();
        let mut command = format!("next: pfctl syncpack activate {name}");
        for one in given {
            let private = one["private_network"] == true;
            command.push_str(if private { " --private " } else { " --grant " });
            command.push_str(&text(&one["id"]));
        }
        command.push_str(&flags(denied.iter().filter_map(Value::as_str)));
        session.output.remark(&format!(
            "not granted: {}; steps that need it will be refused",
            text(&Value::Array(denied))
        ));
        session.output.remark(&command);
    }
}

pub(super) async fn deactivate(session: &Session, name: &str) -> Result<Exit, Failure> {
    let client = session.client()?;
    if let Err(failure) = client
        .send(client.request(Method::POST, &["syncpacks", name, "deactivate"]))
        .await
    {
        return Err(client.suggest(failure, "syncpacks", name).await);
    }
    session.output.result(&json!({"deactivated": name}), |_| {
        format!("deactivated {name}")
    });
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
            return Err(failure.next(format!("pfctl syncpack deactivate {name}")));
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

/// The ids of the grants that a version asks for; of the newest when none is named.
fn requested(pack: &Value, version: Option<&str>) -> Vec<String> {
    let versions = pack["versions"].as_array().map_or(&[][..], Vec::as_slice);
    let found = match version {
        Some(version) => versions.iter().find(|one| one["version"] == version),
        None => versions.last(),
    };
    let grants = found.and_then(|one| one["manifest"]["grants"].as_array());
    grants
        .into_iter()
        .flatten()
        .map(|grant| text(&grant["id"]))
        .collect()
}

/// What is given: each id once; those for private addresses need not be named twice.
fn decisions(mut ids: Vec<String>, private: &[String]) -> Value {
    ids.extend(private.iter().cloned());
    let mut seen = std::collections::BTreeSet::new();
    ids.retain(|id| seen.insert(id.clone()));
    ids.into_iter()
        .map(|id| json!({"id": id, "private_network": private.contains(&id)}))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_for_private_addresses_is_a_grant() {
        let ids = |list: &[&str]| list.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            decisions(ids(&["cache", "sn", "cache"]), &ids(&["sn", "lab"])),
            json!([
                {"id": "cache", "private_network": false},
                {"id": "sn", "private_network": true},
                {"id": "lab", "private_network": true},
            ])
        );
        assert_eq!(decisions(vec![], &[]), json!([]));
    }

    #[test]
    fn a_hint_gives_what_is_asked_for() {
        assert_eq!(
            flags(["sn", "cache"].into_iter()),
            " --grant sn --grant cache"
        );
        assert_eq!(flags(std::iter::empty()), "");
    }

    #[test]
    fn all_grants_are_those_of_the_version() {
        let pack = json!({"versions": [
            {"version": "1", "manifest": {"grants": [{"id": "a"}]}},
            {"version": "2", "manifest": {"grants": [{"id": "a"}, {"id": "b"}]}},
        ]});
        assert_eq!(requested(&pack, None), ["a", "b"]);
        assert_eq!(requested(&pack, Some("1")), ["a"]);
        assert!(requested(&pack, Some("3")).is_empty());
    }
}
