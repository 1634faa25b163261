//! Reading and writing the file.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    Error, Interface, MAX_FILE, MAX_METADATA, Manifest, Problem, Severity,
    section::{self, Section},
    validate,
};

/// What the custom sections hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Metadata {
    /// The manifest.
    pub manifest: Manifest,
    /// Application documents.
    pub applications: Vec<Value>,
    /// Configuration documents.
    pub configurations: Vec<Value>,
    /// Schedules.
    pub schedules: Vec<Value>,
    /// Docs in Markdown.
    pub docs: Option<String>,
    /// The source of each step, by the step's name.
    pub sources: BTreeMap<String, String>,
}

impl Metadata {
    /// A manifest alone.
    pub fn new(manifest: Manifest) -> Self {
        Self {
            manifest,
            applications: Vec::new(),
            configurations: Vec::new(),
            schedules: Vec::new(),
            docs: None,
            sources: BTreeMap::new(),
        }
    }

    /// Every problem, warnings included.
    pub fn problems(&self) -> Vec<Problem> {
        validate::metadata(self)
    }
}

/// A SyncPack file, read. The component itself stays with the caller.
#[derive(Clone, Debug, PartialEq)]
pub struct Archive {
    /// What the custom sections hold.
    pub metadata: Metadata,
    /// The names at the component's border.
    pub interface: Interface,
    /// What is doubtful but no obstacle.
    pub warnings: Vec<Problem>,
    /// SHA-256 of the whole file, in hex.
    pub digest: String,
    /// The size of the file in bytes.
    pub size: usize,
}

impl Archive {
    /// Reads and checks a file without executing anything.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        limit("the SyncPack file", bytes.len(), MAX_FILE)?;
        let sections = section::sections(bytes)?;
        let interface = Interface::read(bytes)?;
        let ours = Ours::collect(&sections)?;
        let manifest_bytes = ours.get(section::MANIFEST).ok_or(Error::NotSyncPack)?;
        interface.check()?;
        let metadata = Metadata {
            manifest: parse(section::MANIFEST, manifest_bytes)?,
            applications: ours.parsed(section::APPLICATIONS)?,
            configurations: ours.parsed(section::CONFIGURATIONS)?,
            schedules: ours.parsed(section::SCHEDULES)?,
            docs: ours.get(section::DOCS).map(text).transpose()?,
            sources: ours.parsed(section::SOURCES)?,
        };
        let warnings = refuse_errors(metadata.problems())?;
        Ok(Self {
            metadata,
            interface,
            warnings,
            digest: digest(bytes),
            size: bytes.len(),
        })
    }

    /// Puts `metadata` into `component`; sections of ours that it already has are
    /// replaced. The same input gives the same bytes.
    pub fn write(component: &[u8], metadata: &Metadata) -> Result<Vec<u8>, Error> {
        let sections = section::sections(component)?;
        Interface::read(component)?.check()?;
        refuse_errors(metadata.problems())?;
        let mut parts = Vec::new();
        let lists = [
            (section::APPLICATIONS, &metadata.applications),
            (section::CONFIGURATIONS, &metadata.configurations),
            (section::SCHEDULES, &metadata.schedules),
        ];
        for (name, list) in lists {
            if !list.is_empty() {
                parts.push((name, json(name, list)?));
            }
        }
        if let Some(docs) = &metadata.docs {
            parts.push((section::DOCS, docs.clone().into_bytes()));
        }
        if !metadata.sources.is_empty() {
            parts.push((section::SOURCES, json(section::SOURCES, &metadata.sources)?));
        }
        // Last, so that a file cut between two sections has no manifest.
        parts.push((
            section::MANIFEST,
            json(section::MANIFEST, &metadata.manifest)?,
        ));
        let size = parts.iter().map(|(_, bytes)| bytes.len()).sum();
        limit("the metadata of the SyncPack", size, MAX_METADATA)?;

        let mut file = strip(component, &sections);
        for (name, bytes) in &parts {
            section::append(&mut file, name, bytes);
        }
        limit("the SyncPack file", file.len(), MAX_FILE)?;
        Ok(file)
    }
}

/// The component without sections of ours.
fn strip(component: &[u8], sections: &[Section<'_>]) -> Vec<u8> {
    let header = sections
        .first()
        .map_or(component.len(), |first| first.range.start);
    let mut stripped = component.get(..header).unwrap_or_default().to_vec();
    for section in sections.iter().filter(|section| !section.is_ours()) {
        stripped.extend_from_slice(component.get(section.range.clone()).unwrap_or_default());
    }
    stripped
}

/// Our sections by name.
struct Ours<'a>(BTreeMap<&'a str, &'a [u8]>);

impl<'a> Ours<'a> {
    fn collect(sections: &[Section<'a>]) -> Result<Self, Error> {
        let mut found = BTreeMap::new();
        let mut size = 0;
        for section in sections.iter().filter(|section| section.is_ours()) {
            let Some(name) = section.name else { continue };
            size += section.bytes.len();
            if found.insert(name, section.bytes).is_some() {
                return Err(Error::DuplicateSection {
                    name: name.to_owned(),
                });
            }
        }
        limit("the metadata of the SyncPack", size, MAX_METADATA)?;
        Ok(Self(found))
    }

    fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.0.get(name).copied()
    }

    fn parsed<T: DeserializeOwned + Default>(&self, name: &'static str) -> Result<T, Error> {
        self.get(name)
            .map_or_else(|| Ok(T::default()), |bytes| parse(name, bytes))
    }
}

fn parse<T: DeserializeOwned>(name: &'static str, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::Section {
        name,
        message: error.to_string(),
    })
}

fn json(name: &'static str, value: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::Section {
        name,
        message: error.to_string(),
    })
}

fn text(bytes: &[u8]) -> Result<String, Error> {
    let error = |error: std::str::Utf8Error| Error::Section {
        name: section::DOCS,
        message: error.to_string(),
    };
    std::str::from_utf8(bytes).map(str::to_owned).map_err(error)
}

fn limit(what: &'static str, size: usize, limit: usize) -> Result<(), Error> {
    if size > limit {
        Err(Error::TooLarge { what, size, limit })
    } else {
        Ok(())
    }
}

/// The warnings among `problems`, or all of them as an error when one is an error.
fn refuse_errors(problems: Vec<Problem>) -> Result<Vec<Problem>, Error> {
    if problems
        .iter()
        .any(|problem| problem.severity == Severity::Error)
    {
        return Err(Error::Invalid(problems));
    }
    Ok(problems)
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
