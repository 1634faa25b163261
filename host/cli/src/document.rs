//! What applications and configuration objects have in common: named documents.

mod parts;

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use clap::Args;
use model::validate::code::RUN_MUST_GIVE;
use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::{
    client::{Client, with_text},
    failure::{Exit, Failure},
    file,
    output::{self, facts, items, table, text, time},
    progress,
    session::Session,
    shell,
};

/// A collection of documents.
#[derive(Clone, Copy)]
pub(crate) struct Collection {
    /// Its part of the address.
    pub(crate) path: &'static str,
    /// What one is called.
    pub(crate) word: &'static str,
}

/// Applications.
pub(crate) const APPLICATIONS: Collection = Collection {
    path: "applications",
    word: "application",
};
/// Configuration objects.
pub(crate) const CONFIGURATIONS: Collection = Collection {
    path: "configurations",
    word: "configuration object",
};
/// Schedules.
pub(crate) const SCHEDULES: Collection = Collection {
    path: "schedules",
    word: "schedule",
};

/// Which files to upload, and how.
#[derive(Debug, Args)]
pub(crate) struct Upload {
    /// The files; - for stdin
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Overwrite nothing: refuse what is there already
    #[arg(long)]
    create_only: bool,
}

/// What to write out, and where to.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Their names
    #[arg(required = true)]
    names: Vec<String>,
    /// A folder for files NAME.json instead of stdout
    #[arg(long, short, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// One or more.
#[derive(Debug, Args)]
pub(crate) struct Names {
    /// Their names
    #[arg(required = true)]
    pub(crate) names: Vec<String>,
}

impl Collection {
    pub(crate) async fn list(
        self,
        session: &Session,
        search: Option<String>,
    ) -> Result<Exit, Failure> {
        let query: Vec<_> = search
            .map(|search| ("search", search))
            .into_iter()
            .collect();
        let items = session
            .client()?
            .list(&[self.path], &query, usize::MAX)
            .await?;
        session.output.result(&json!({"items": items}), |_| {
            let rows: Vec<_> = items
                .iter()
                .map(|one| {
                    let by = text(&one["edited_by"]);
                    vec![
                        text(&one["name"]),
                        text(&one["friendly_name"]),
                        text(&one["version"]),
                        text(&one["revision"]),
                        time(&one["edited_at"]),
                        by,
                    ]
                })
                .collect();
            table(
                &[
                    "name",
                    "friendly name",
                    "version",
                    "revision",
                    "edited",
                    "by",
                ],
                &rows,
            )
        });
        Ok(Exit::Success)
    }

    pub(crate) async fn show(self, session: &Session, name: &str) -> Result<Exit, Failure> {
        let client = session.client()?;
        let query = [("meta", "true".to_owned())];
        let reply = match client.get_with(&[self.path, name], &query).await {
            Ok(reply) => reply.json()?,
            Err(failure) => return Err(client.suggest(failure, self.path, name).await),
        };
        session.output.result(&reply, |one| {
            let pairs = [
                ("name", text(&one["name"])),
                ("friendly name", text(&one["friendly_name"])),
                ("description", text(&one["description"])),
                ("version", text(&one["version"])),
                ("revision", text(&one["revision"])),
                (
                    "edited",
                    format!("{} by {}", time(&one["edited_at"]), text(&one["edited_by"])),
                ),
                ("origin", text(&one["origin"])),
                ("aligned with", text(&one["document"]["configuration"])),
                ("used by", text(&one["aligned_applications"])),
            ];
            let document = &one["document"];
            format!("{}\n{}", facts(&pairs), parts::parts(document))
        });
        Ok(Exit::Success)
    }

    /// The documents as they were stored, to stdout or into a folder.
    pub(crate) async fn export(self, session: &Session, export: &Export) -> Result<Exit, Failure> {
        let folder = export.dir.as_deref();
        let client = session.client()?;
        let mut written = Vec::new();
        for name in &export.names {
            let reply = match client.get(&[self.path, name]).await {
                Ok(reply) => reply,
                Err(failure) => return Err(client.suggest(failure, self.path, name).await),
            };
            let Some(folder) = folder else {
                // Byte by byte; only two documents are kept on lines of their own.
                output::exact(&reply.body);
                if export.names.len() > 1 && !reply.body.ends_with(b"\n") {
                    output::line("");
                }
                continue;
            };
            let path = folder.join(format!("{}.json", name.replace(['/', '\\'], "_")));
            file::folder(folder)?;
            file::write(&path, &reply.body)?;
            written.push(path);
        }
        if folder.is_some() {
            let files: Vec<_> = written
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            session
                .output
                .result(&json!({"files": files}), |_| files.join("\n"));
        }
        Ok(Exit::Success)
    }

    /// Uploads files; one that is refused does not keep the others back.
    pub(crate) async fn upload(
        self,
        session: &Session,
        Upload { files, create_only }: &Upload,
    ) -> Result<Exit, Failure> {
        let client = session.client()?;
        let bar = progress::things(
            session.output.json || files.len() < 3,
            files.len() as u64,
            "uploading",
        );
        let mut saved = Vec::new();
        let mut refused: Option<Failure> = None;
        for path in files {
            match self.upload_one(&client, path, *create_only).await {
                Ok(one) => saved.push(one),
                Err(failure)
                    if matches!(failure.exit, Exit::Unreachable | Exit::Authentication) =>
                {
                    return Err(failure);
                }
                Err(failure) => {
                    if let Some(earlier) = refused.replace(failure) {
                        bar.suspend(|| earlier.print(session.output.json));
                    }
                }
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        session.output.result(&json!({"items": saved}), |_| {
            saved.iter().map(said).collect::<Vec<_>>().join("\n")
        });
        for one in &saved {
            for fault in items(&one["faults"]) {
                session.output.remark(&output::fault(fault));
            }
            for fault in items(&one["warnings"]) {
                session.output.remark(&output::warning(fault));
            }
        }
        if let Some(failure) = refused {
            return Err(failure);
        }
        if let ("applications", [one], [file]) = (self.path, &saved[..], &files[..])
            && !session.output.json
        {
            session.output.remark(&next(&text(&one["name"]), file, one));
        }
        Ok(Exit::Success)
    }

    async fn upload_one(
        self,
        client: &Client,
        path: &Path,
        create_only: bool,
    ) -> Result<Value, Failure> {
        let (text, document) = file::json(path)?;
        let mut request = client.request(Method::POST, &[self.path]);
        if let Some(name) = name_from_file(&document, path) {
            request = request.query(&[("name", name)]);
        }
        if create_only {
            request = request.header(header::IF_NONE_MATCH, "*");
        }
        match client.send(with_text(request, text)).await {
            Ok(reply) => reply.json(),
            Err(mut failure) => {
                failure.message = format!("{}: {}", path.display(), failure.message);
                Err(failure)
            }
        }
    }

    pub(crate) async fn delete(self, session: &Session, names: &[String]) -> Result<Exit, Failure> {
        let client = session.client()?;
        let mut deleted = Deleted::default();
        for name in names {
            match client.delete(&[self.path, name]).await {
                Ok(_) => {
                    let told = format!("deleted the {} {name}", self.word);
                    deleted.one(session, name, &told);
                }
                Err(failure) => {
                    let failure = client.suggest(failure, self.path, name).await;
                    deleted.not(session, failure)?;
                }
            }
        }
        deleted.end(session, names.len())
    }
}

/// What came of deleting several: one that cannot be deleted does not keep the others.
#[derive(Default)]
pub(crate) struct Deleted {
    names: Vec<String>,
    refused: Option<Failure>,
}

impl Deleted {
    /// One was deleted.
    pub(crate) fn one(&mut self, session: &Session, name: &str, told: &str) {
        session.output.remark(told);
        self.names.push(name.to_owned());
    }

    /// One was not; goes on unless none could be.
    pub(crate) fn not(&mut self, session: &Session, failure: Failure) -> Result<(), Failure> {
        if matches!(failure.exit, Exit::Unreachable | Exit::Authentication) {
            return Err(failure);
        }
        if let Some(earlier) = self.refused.replace(failure) {
            earlier.print(session.output.json);
        }
        Ok(())
    }

    /// The result, and the last refusal.
    pub(crate) fn end(self, session: &Session, asked: usize) -> Result<Exit, Failure> {
        if session.output.json && (asked > 1 || self.refused.is_none()) {
            let result = json!({"deleted": self.names});
            session.output.result(&result, |_| String::new());
        }
        self.refused.map_or(Ok(Exit::Success), Err)
    }
}

/// What to do with an application that was uploaded: run it with what each run must give, or
/// see what keeps it from running.
fn next(name: &str, file: &Path, checked: &Value) -> String {
    let faults = checked["faults"].as_array().map_or(0, Vec::len);
    if faults > 0 {
        let file = if file.as_os_str() == "-" {
            "FILE".to_owned()
        } else {
            shell::path(file)
        };
        return format!("it cannot run yet; next: pfctl application validate {file}");
    }
    let mut command = format!("next: pfctl application run {}", shell::word(name));
    let mut asked = BTreeSet::new();
    for warning in checked["warnings"].as_array().into_iter().flatten() {
        let parameter = text(&warning["at"]);
        let parameter = parameter.rsplit('/').next().unwrap_or_default();
        if warning["code"] == RUN_MUST_GIVE && asked.insert(parameter.to_owned()) {
            let _ = write!(
                command,
                " --param {}",
                shell::word(&format!("{parameter}=…"))
            );
        }
    }
    command.push_str(" --follow");
    command
}

/// What became of an upload, in a line.
pub(crate) fn said(saved: &Value) -> String {
    let what = match (&saved["created"], &saved["changed"]) {
        (Value::Bool(true), _) => "created",
        (_, Value::Bool(false)) => "unchanged",
        _ => "saved",
    };
    format!(
        "{what} {} revision {}",
        text(&saved["name"]),
        text(&saved["revision"])
    )
}

/// The name that the file's own name gives to a document that has none inside.
fn name_from_file(document: &Value, path: &Path) -> Option<String> {
    let has = document["name"]
        .as_str()
        .is_some_and(|name| !name.is_empty());
    if has || path.as_os_str() == "-" {
        return None;
    }
    Some(path.file_stem()?.to_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_its_name_where_there_is_none_inside() {
        let path = Path::new("apps/größe.json");
        for document in [json!({}), json!([]), json!({"name": ""})] {
            assert_eq!(name_from_file(&document, path).as_deref(), Some("größe"));
        }
        assert_eq!(name_from_file(&json!({"name": "a"}), path), None);
        assert_eq!(name_from_file(&json!({}), Path::new("-")), None);
    }

    #[test]
    fn what_to_do_next_can_be_done() {
        let next = |checked: Value| super::next("sync", Path::new("a.json"), &checked);
        assert_eq!(
            next(Value::Null),
            "next: pfctl application run sync --follow"
        );
        let must = |step: u8, name: &str| json!({"code": "PF-A011", "at": format!("/steps/{step}/{name}"), "message": ""});
        let checked = json!({"faults": [], "warnings": [must(0, "event"), must(1, "event"), must(1, "id"),
            {"code": "PF-A012", "at": "/steps/0/x", "message": ""}]});
        assert_eq!(
            next(checked),
            "next: pfctl application run sync --param event=… --param id=… --follow"
        );
        let checked = json!({"faults": [{"code": "PF-A005"}], "warnings": [must(0, "event")]});
        assert_eq!(
            next(checked),
            "it cannot run yet; next: pfctl application validate a.json"
        );
    }
}
