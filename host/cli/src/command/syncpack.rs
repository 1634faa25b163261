//! `pfctl syncpack …`

mod activated;
pub(crate) mod grants;
pub(crate) mod remote;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::{
    failure::{Exit, Failure},
    pack,
    session::Session,
};

/// What to do with SyncPacks.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the SyncPacks of the service
    ///
    /// Example: pfctl syncpack list --activated
    List {
        /// Only installed versions
        #[arg(long)]
        installed: bool,
        /// Only active versions
        #[arg(long)]
        activated: bool,
    },
    /// Show a SyncPack: its versions, steps and the grants that it asks for
    ///
    /// Example: pfctl syncpack show servicenow_example
    Show {
        /// Its name
        name: String,
    },
    /// Upload SyncPacks
    ///
    /// The service checks and stores them; nothing in them is executed before it is activated.
    /// A file that is refused does not keep the others back.
    ///
    /// Example: pfctl syncpack upload packs/*.wasm
    Upload {
        /// The .wasm files that `pfctl syncpack build` made
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Activate each right away, with these grants
        #[arg(long)]
        activate: bool,
        #[command(flatten)]
        grants: Grants,
    },
    /// Compile an uploaded SyncPack for the machine that the service runs on
    ///
    /// Activating does this as well where it is missing.
    ///
    /// Example: pfctl syncpack install servicenow_example
    Install {
        /// Its name
        name: String,
        /// The version; the newest when left out
        #[arg(long)]
        version: Option<String>,
    },
    /// Make a version of a SyncPack the active one, and say what it may do
    ///
    /// What is not granted is denied: steps that need it end in an error that says so. What it
    /// asks for, and why, is shown by `pfctl syncpack show NAME`.
    ///
    /// A grant whose host is a configuration variable is given for configuration objects, and for
    /// the hosts that they name at that time: the answer lists them. Without OBJECT, it is given
    /// for those that the SyncPack brings, that applications with its steps are aligned with, or
    /// that it had the grant for.
    ///
    /// Example: pfctl syncpack activate servicenow_example --grant servicenow --grant sl1
    ///
    /// Example: pfctl syncpack activate servicenow_example --add --grant servicenow=acme
    Activate {
        /// Its name
        name: String,
        /// The version; the newest when left out
        #[arg(long)]
        version: Option<String>,
        #[command(flatten)]
        grants: Grants,
    },
    /// Take a SyncPack's steps out of use
    ///
    /// Runs that have started finish; new ones of applications that use it are refused.
    ///
    /// Example: pfctl syncpack deactivate servicenow_example
    Deactivate {
        /// Its name
        name: String,
    },
    /// Delete a SyncPack, or one version of it
    ///
    /// Example: pfctl syncpack delete servicenow_example --version 1.0.0
    Delete {
        /// Its name
        name: String,
        /// Only this version
        #[arg(long)]
        version: Option<String>,
    },
    /// Begin a new SyncPack in Rust
    ///
    /// Writes a folder with a working step, an application and a configuration object.
    ///
    /// Example: pfctl syncpack new acme_tickets
    New(pack::new::New),
    /// Build a SyncPack from its source folder
    ///
    /// Compiles the package to WebAssembly, asks it for its steps, and puts everything
    /// into one .wasm file, whose name is printed.
    ///
    /// Example: pfctl syncpack build acme_tickets
    Build(pack::build::Build),
    /// Show what is in a SyncPack file, without executing anything of it
    ///
    /// Example: pfctl syncpack inspect acme_tickets-0.1.0.wasm
    Inspect {
        /// The file
        file: PathBuf,
    },
}

/// What a SyncPack may do.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Grants {
    /// Give this grant, by its id in the manifest, for these configuration objects. May be repeated
    #[arg(long = "grant", value_name = "ID[=OBJECT,…]")]
    pub(crate) ids: Vec<String>,
    /// Give every grant that it asks for
    #[arg(long = "grant-all")]
    pub(crate) all: bool,
    /// Give no grant, and take away those that it has
    #[arg(long = "no-grants", conflicts_with_all = ["ids", "all", "private"])]
    pub(crate) none: bool,
    /// Give this grant, for private, loopback and link-local addresses too. May be repeated
    #[arg(long, value_name = "ID[=OBJECT,…]")]
    pub(crate) private: Vec<String>,
    /// Give these in addition to the grants that it has, which the others replace otherwise
    #[arg(long, conflicts_with = "none")]
    pub(crate) add: bool,
}

/// Does it.
pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List {
            installed,
            activated,
        } => remote::list(session, installed, activated).await,
        Command::Show { name } => remote::show(session, &name).await,
        Command::Upload {
            files,
            activate,
            grants,
        } => remote::upload_all(session, &files, activate.then_some(&grants)).await,
        Command::Install { name, version } => remote::install(session, &name, version).await,
        Command::Activate {
            name,
            version,
            grants,
        } => {
            let client = session.client()?;
            remote::activate(session, &client, &name, version, &grants).await
        }
        Command::Deactivate { name } => remote::deactivate(session, &name).await,
        Command::Delete { name, version } => remote::delete(session, &name, version).await,
        Command::New(new) => pack::new::run(session, &new),
        Command::Build(build) => pack::build::run(session, &build).await,
        Command::Inspect { file } => pack::inspect::run(session, &file),
    }
}
