//! `pfctl configuration …`

use std::path::PathBuf;

use clap::Subcommand;

use crate::{
    document::CONFIGURATIONS,
    failure::{Exit, Failure},
    session::Session,
};

/// What to do with configuration objects.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List configuration objects
    ///
    /// Example: pfctl configuration list --search acme
    List {
        /// Only those whose name contains this
        #[arg(long)]
        search: Option<String>,
    },
    /// Show a configuration object with its variables
    ///
    /// Encrypted values are never shown.
    ///
    /// Example: pfctl configuration show acme
    Show {
        /// Its name
        name: String,
    },
    /// Upload configuration objects from JSON files
    ///
    /// Values with `"encrypted": true` are encrypted by the service before they are stored.
    ///
    /// Example: pfctl configuration upload configs/acme.json
    Upload {
        /// The files; - for stdin
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Overwrite nothing: refuse what is there already
        #[arg(long)]
        create_only: bool,
    },
    /// Write configuration objects out as they are stored
    ///
    /// Encrypted values come as ciphertext that only this service can read.
    ///
    /// Example: pfctl configuration export acme --dir backup
    Export {
        /// Their names
        #[arg(required = true)]
        names: Vec<String>,
        /// A folder for files NAME.json instead of stdout
        #[arg(long, short, value_name = "FOLDER")]
        dir: Option<PathBuf>,
    },
    /// Delete configuration objects
    ///
    /// Example: pfctl configuration delete acme_old
    Delete {
        /// Their names
        #[arg(required = true)]
        names: Vec<String>,
    },
}

/// Does it.
pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List { search } => CONFIGURATIONS.list(session, search).await,
        Command::Show { name } => CONFIGURATIONS.show(session, &name).await,
        Command::Upload { files, create_only } => {
            CONFIGURATIONS.upload(session, &files, create_only).await
        }
        Command::Export { names, dir } => {
            CONFIGURATIONS.export(session, &names, dir.as_deref()).await
        }
        Command::Delete { names } => CONFIGURATIONS.delete(session, &names).await,
    }
}
