//! The project that `pfctl syncpack new NAME` writes.

use std::{collections::BTreeMap, fs, path::Path};

use crate::Error;

/// The folder of a new project that holds the SDK and the contract.
pub const SDK: &str = "sdk";
/// What is in it.
const BUNDLED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sdk.rs"));
/// The package of the SDK.
const PACKAGE: &str = "powerflow-sdk";

/// Where the new project finds the SDK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SdkSource {
    /// In its own folder `sdk`, which is written too: the SDK that this program carries.
    Bundled,
    /// A folder, absolute or relative to the project.
    Path(String),
}

impl SdkSource {
    fn dependency(&self) -> String {
        match self {
            Self::Bundled => format!("{{ path = \"{SDK}/rust\" }}"),
            Self::Path(path) => format!("{{ path = \"{}\" }}", escaped(path)),
        }
    }
}

/// Whether the SDK is in that folder; the error says what is there instead.
pub fn check_sdk(folder: &Path) -> Result<(), String> {
    let advice = "leave --sdk out, and the SDK that pfctl carries is written into the new folder";
    let manifest = folder.join("Cargo.toml");
    let Ok(text) = fs::read_to_string(&manifest) else {
        return Err(format!(
            "{} is no SDK: it has no Cargo.toml that can be read; {advice}",
            folder.display()
        ));
    };
    let package = text.parse::<toml::Table>().ok().and_then(|table| {
        let name = table.get("package")?.get("name")?;
        name.as_str().map(str::to_owned)
    });
    match package.as_deref() {
        Some(PACKAGE) => Ok(()),
        Some(other) => Err(format!(
            "{} is no SDK: it is the package {other}, not {PACKAGE}; {advice}",
            folder.display()
        )),
        None => Err(format!(
            "{} is no SDK: its Cargo.toml is of no package; {advice}",
            folder.display()
        )),
    }
}

/// Whether `name` can be the name of a new SyncPack; the error says what can.
pub fn check_name(name: &str) -> Result<(), String> {
    let letter =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    if name.len() <= 64
        && name.chars().all(letter)
        && name.starts_with(|first: char| first.is_ascii_lowercase())
    {
        return Ok(());
    }
    Err(format!(
        "\"{name}\" is no name for a SyncPack: use small letters, digits and _, a letter first, at most 64 characters"
    ))
}

/// The files of a new project, by their path in it. `name` has passed [`check_name`].
pub fn files(name: &str, sdk: &SdkSource) -> BTreeMap<String, String> {
    let fill = |text: &str| {
        text.replace("@NAME@", name)
            .replace("@TITLE@", &title(name))
            .replace("@SDK@", &sdk.dependency())
            .replace(
                "@EXCLUDE@",
                if *sdk == SdkSource::Bundled {
                    "exclude = [\"sdk\"]\n"
                } else {
                    ""
                },
            )
    };
    let files = [
        ("Cargo.toml", include_str!("template/Cargo.toml.in")),
        (
            ".cargo/config.toml",
            include_str!("template/config.toml.in"),
        ),
        (".gitignore", include_str!("template/gitignore.in")),
        ("src/lib.rs", include_str!("template/lib.rs.in")),
        ("meta.json", include_str!("template/meta.json.in")),
        ("README.md", include_str!("template/README.md.in")),
    ];
    let mut files: BTreeMap<_, _> = files
        .into_iter()
        .map(|(path, text)| (path.to_owned(), fill(text)))
        .collect();
    files.insert(
        format!("apps/{name}_example.json"),
        fill(include_str!("template/app.json.in")),
    );
    if *sdk == SdkSource::Bundled {
        let bundled = BUNDLED.iter();
        files.extend(bundled.map(|(path, text)| (format!("{SDK}/{path}"), (*text).to_owned())));
    }
    files.insert(
        format!("configs/{name}_example.json"),
        fill(include_str!("template/config.json.in")),
    );
    files
}

/// Writes files into the folder `root`, which is made if it is not there. Files that are
/// there already are written over: the caller asks first.
pub fn write(root: &Path, files: &BTreeMap<String, String>) -> Result<(), Error> {
    for (name, content) in files {
        let path = root.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|source| Error::Io {
                path: folder.to_owned(),
                source,
            })?;
        }
        fs::write(&path, content).map_err(|source| Error::Io { path, source })?;
    }
    Ok(())
}

/// `my_pack` becomes `My Pack`.
fn title(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| {
            first.to_uppercase().chain(letters).collect()
        })
    };
    name.split('_')
        .filter(|part| !part.is_empty())
        .map(word)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Escapes text for a basic string of TOML.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
