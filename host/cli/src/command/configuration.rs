//! `pfctl configuration …`

use clap::Subcommand;

use crate::{
    document::{CONFIGURATIONS, Export, Names, Upload},
    failure::{Exit, Failure},
    revisions::{Diff, Restore, Revisions},
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
    Upload(Upload),
    /// Write configuration objects out as they are stored
    ///
    /// Encrypted values come as ciphertext that only this service can read.
    ///
    /// Example: pfctl configuration export acme --dir backup
    Export(Export),
    /// List the revisions of a configuration object, or print one
    ///
    /// Example: pfctl configuration revisions acme
    Revisions(Revisions),
    /// Compare two revisions of a configuration object
    ///
    /// Of encrypted values only the names are shown.
    ///
    /// Example: pfctl configuration diff acme 2 3
    Diff(Diff),
    /// Save a revision of a configuration object again, as the newest
    ///
    /// Example: pfctl configuration restore acme 2
    Restore(Restore),
    /// Delete configuration objects
    ///
    /// Example: pfctl configuration delete acme_old
    Delete(Names),
}

/// Does it.
pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List { search } => CONFIGURATIONS.list(session, search).await,
        Command::Show { name } => CONFIGURATIONS.show(session, &name).await,
        Command::Upload(upload) => CONFIGURATIONS.upload(session, &upload).await,
        Command::Export(export) => CONFIGURATIONS.export(session, &export).await,
        Command::Revisions(asked) => CONFIGURATIONS.revisions(session, &asked).await,
        Command::Diff(asked) => CONFIGURATIONS.diff(session, &asked).await,
        Command::Restore(asked) => CONFIGURATIONS.restore(session, &asked).await,
        Command::Delete(Names { names }) => CONFIGURATIONS.delete(session, &names).await,
    }
}
