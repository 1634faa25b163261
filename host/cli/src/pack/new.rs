//! `pfctl syncpack new`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use syncpack::template::{self, SdkSource};

use crate::{
    failure::{Exit, Failure},
    session::Session,
    shell,
};

/// What to begin.
#[derive(Debug, Args)]
pub(crate) struct New {
    /// The SyncPack's name: small letters, digits and _
    name: String,
    /// The folder to write [default: the name]
    #[arg(long, short, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Take the SDK from this folder, instead of writing the one that pfctl carries into the
    /// new folder
    #[arg(long, value_name = "FOLDER")]
    sdk: Option<PathBuf>,
}

/// Writes the folder.
pub(crate) fn run(session: &Session, new: &New) -> Result<Exit, Failure> {
    template::check_name(&new.name).map_err(Failure::usage)?;
    let folder = new.dir.clone().unwrap_or_else(|| PathBuf::from(&new.name));
    let used = folder
        .read_dir()
        .is_ok_and(|mut entries| entries.next().is_some());
    if used || folder.is_file() {
        let message = format!("{} is there already and not empty", folder.display());
        return Err(Failure::local(message).next("choose another folder with --dir"));
    }
    let sdk = match &new.sdk {
        None => SdkSource::Bundled,
        Some(path) => {
            template::check_sdk(path).map_err(Failure::local)?;
            let path = std::path::absolute(path)
                .map_err(|error| Failure::local(format!("{}: {error}", path.display())))?;
            SdkSource::Path(path.display().to_string())
        }
    };
    let files = template::files(&new.name, &sdk);
    template::write(&folder, &files)?;
    let shown = |file: &str| folder.join(file).display().to_string();
    let names: Vec<_> = files.keys().map(|file| shown(file)).collect();
    session
        .output
        .result(&json!({"folder": folder, "files": names}), |_| {
            // The SDK is many files that nobody changes.
            let of_sdk = |file: &&String| file.starts_with("sdk/");
            let mut own: Vec<_> = files
                .keys()
                .filter(|file| !of_sdk(file))
                .map(|file| shown(file))
                .collect();
            if sdk == SdkSource::Bundled {
                own.push(format!("{} (the SDK and the contract)", shown("sdk/")));
            }
            own.join("\n")
        });
    session.output.remark(&format!(
        "next: pfctl syncpack build {}",
        shell::path(&folder)
    ));
    Ok(Exit::Success)
}
