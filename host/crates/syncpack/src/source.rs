//! The folder that a SyncPack is made from: `meta.json`, `apps/*.json`,
//! `configs/*.json`, `README.md`, and a cargo package or a compiled component.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{Archive, Description, Error, Manifest, Meta, Metadata, Step};

/// A source folder, loaded.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Where it is.
    pub root: PathBuf,
    /// `meta.json` without its schedules.
    pub meta: Meta,
    /// The schedules of `meta.json`.
    pub schedules: Vec<Value>,
    /// `apps/*.json` by file name, each with a name.
    pub applications: Vec<Value>,
    /// `configs/*.json` by file name, each with a name.
    pub configurations: Vec<Value>,
    /// `README.md`.
    pub docs: Option<String>,
    /// Where the component comes from.
    pub component: Component,
    code: Vec<String>,
}

/// Where the component of a source folder comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Component {
    /// The folder is a cargo package.
    Cargo,
    /// The folder holds a compiled component.
    Prebuilt(PathBuf),
}

/// `meta.json` as it stands in the file.
#[derive(Deserialize)]
struct MetaFile {
    #[serde(default)]
    schedules: Option<Vec<Value>>,
    #[serde(flatten)]
    meta: Meta,
}

impl Folder {
    /// Loads a source folder. The error names the file and, where it is not the JSON
    /// that it should be, line and column.
    pub fn load(root: &Path) -> Result<Self, Error> {
        let meta_path = root.join("meta.json");
        let text = match read(&meta_path)? {
            Some(text) => text,
            None if root.is_dir() => {
                let message = "no meta.json here: this is no source folder of a SyncPack; `pfctl syncpack new NAME` makes one";
                return Err(Error::Folder {
                    path: root.to_owned(),
                    message: message.to_owned(),
                });
            }
            None => {
                return Err(Error::Folder {
                    path: root.to_owned(),
                    message: "there is no such folder".to_owned(),
                });
            }
        };
        // Once for the syntax with its place, once for the shape: serde does not know
        // the line behind a flattened key.
        json::<Map<String, Value>>(&meta_path, &text)?;
        let MetaFile { meta, schedules } = json(&meta_path, &text)?;
        Ok(Self {
            meta,
            schedules: schedules.unwrap_or_default(),
            applications: documents(&root.join("apps"))?,
            configurations: documents(&root.join("configs"))?,
            docs: read(&root.join("README.md"))?,
            component: component(root)?,
            code: code(&root.join("src"))?,
            root: root.to_owned(),
        })
    }

    /// The metadata of the SyncPack, with the steps that its component describes.
    pub fn metadata(&self, description: Description) -> Metadata {
        let sources = description
            .steps
            .iter()
            .filter_map(|step| Some((step.name.clone(), self.source_of(step)?)))
            .collect();
        let mut manifest = Manifest::new(self.meta.clone(), description.steps);
        if let Some(sdk) = description.sdk
            && let Ok(sdk) = serde_json::to_value(sdk)
        {
            manifest.meta.extra.insert("sdk".to_owned(), sdk);
        }
        Metadata {
            manifest,
            applications: self.applications.clone(),
            configurations: self.configurations.clone(),
            schedules: self.schedules.clone(),
            docs: self.docs.clone(),
            sources,
        }
    }

    /// The file of `src` that declares the step's struct.
    fn source_of(&self, step: &Step) -> Option<String> {
        let renamed = format!("name = \"{}\"", step.name);
        let declares = |text: &&String| {
            text.contains(&renamed)
                || text
                    .match_indices(&format!("struct {}", step.name))
                    .any(|(at, found)| {
                        let after = text[at + found.len()..].chars().next();
                        after.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_')
                    })
        };
        self.code.iter().find(declares).cloned()
    }
}

/// Makes the SyncPack file of `folder` from its component and what the component's
/// `describe` returned.
pub fn assemble(folder: &Folder, component: &[u8], description: &str) -> Result<Vec<u8>, Error> {
    let description: Description =
        serde_json::from_str(description).map_err(|error| Error::Description(error.to_string()))?;
    Archive::write(component, &folder.metadata(description))
}

fn component(root: &Path) -> Result<Component, Error> {
    if root.join("Cargo.toml").is_file() {
        return Ok(Component::Cargo);
    }
    let mut found: Vec<_> = files(root, "wasm")?;
    match (found.pop(), found.is_empty()) {
        (Some(path), true) => Ok(Component::Prebuilt(path)),
        (None, _) => Err(Error::Folder {
            path: root.to_owned(),
            message: "neither a Cargo.toml nor a compiled component (*.wasm) is here".to_owned(),
        }),
        (Some(_), false) => Err(Error::Folder {
            path: root.to_owned(),
            message: "several *.wasm files are here; keep the one that is the component".to_owned(),
        }),
    }
}

/// The JSON objects of a folder, each with a name: its own, or its file's.
fn documents(folder: &Path) -> Result<Vec<Value>, Error> {
    let mut documents = Vec::new();
    for path in files(folder, "json")? {
        let text = read(&path)?.unwrap_or_default();
        let stem = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default();
        let mut document = match json::<Value>(&path, &text)? {
            Value::Object(document) => document,
            // A bare list of variables is a configuration as well.
            Value::Array(variables) => {
                Map::from_iter([("configuration_data".to_owned(), Value::Array(variables))])
            }
            _ => {
                return Err(Error::Folder {
                    path,
                    message: "this is no JSON object".to_owned(),
                });
            }
        };
        if document
            .get("name")
            .is_none_or(|name| name.as_str().is_none_or(str::is_empty))
        {
            document.shift_insert(0, "name".to_owned(), Value::String(stem));
        }
        documents.push(Value::Object(document));
    }
    Ok(documents)
}

/// The Rust files below `folder`.
fn code(folder: &Path) -> Result<Vec<String>, Error> {
    let mut code = Vec::new();
    for path in files(folder, "rs")? {
        code.extend(read(&path)?);
    }
    for path in entries(folder)?
        .into_iter()
        .filter(|path| path.is_dir() && !path.is_symlink())
    {
        code.extend(self::code(&path)?);
    }
    Ok(code)
}

/// The files of `folder` with this extension, sorted, so that the result does not
/// depend on the file system.
fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, Error> {
    let fits =
        |path: &PathBuf| path.is_file() && path.extension().is_some_and(|found| found == extension);
    Ok(entries(folder)?.into_iter().filter(fits).collect())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::Io {
        path: folder.to_owned(),
        source,
    };
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut paths = listed
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Io {
            path: path.to_owned(),
            source,
        }),
    }
}

fn json<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    serde_json::from_str(text).map_err(|error| Error::Json {
        path: path.to_owned(),
        line: error.line(),
        column: error.column(),
        message: {
            let text = error.to_string();
            let text = text.rfind(" at line ").map_or(&*text, |end| &text[..end]);
            match text.strip_prefix("missing field ") {
                Some(name) => format!("{name} is missing"),
                None => text.to_owned(),
            }
        },
    })
}
