//! `pfctl step …`

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::application::Waiting;
use crate::{
    failure::{Exit, Failure},
    output::{brief, facts, table, text},
    params::Params,
    session::Session,
};

/// What to do with steps.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the steps of active SyncPacks
    ///
    /// Example: pfctl step list --search incident
    List {
        /// Only those whose name or description contains this
        #[arg(long)]
        search: Option<String>,
        /// Only steps of this SyncPack
        #[arg(long, value_name = "NAME")]
        syncpack: Option<String>,
    },
    /// Show a step with its parameters
    ///
    /// Example: pfctl step show CreateOrUpdateIncident --code
    Show {
        /// Its name
        name: String,
        /// The SyncPack, where several have a step of that name
        #[arg(long, value_name = "NAME")]
        syncpack: Option<String>,
        /// Print its source code, if the SyncPack carries it
        #[arg(long)]
        code: bool,
    },
    /// Run a single step
    ///
    /// Prints the run's id at once, or with --wait or --follow the run at its end and what the
    /// step made.
    ///
    /// Example: pfctl step run CreateOrUpdateIncident --param sn_url=https://dev1.example.com --wait
    Run {
        /// Its name
        name: String,
        /// The SyncPack, where several have a step of that name
        #[arg(long, value_name = "NAME")]
        syncpack: Option<String>,
        #[command(flatten)]
        params: Params,
        /// The configuration object to use
        #[arg(long, value_name = "NAME")]
        config: Option<String>,
        #[command(flatten)]
        manner: Waiting,
    },
}

/// Does it.
pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List { search, syncpack } => list(session, search, syncpack).await,
        Command::Show {
            name,
            syncpack,
            code,
        } => show(session, &name, syncpack, code).await,
        Command::Run {
            name,
            syncpack,
            params,
            config,
            manner,
        } => {
            let mut params = params.read()?;
            if let Some(config) = config {
                params.insert("configuration".to_owned(), config.into());
            }
            let client = session.client()?;
            let mut body = json!({"name": name, "params": params});
            if let Some(syncpack) = syncpack {
                body["syncpack"] = syncpack.into();
            }
            let request = client.request(Method::POST, &["steps", "run"]).json(&body);
            match manner.start_step(session, &client, request).await {
                Err(failure) => Err(client.suggest(failure, "steps", &name).await),
                done => done,
            }
        }
    }
}

async fn list(
    session: &Session,
    search: Option<String>,
    syncpack: Option<String>,
) -> Result<Exit, Failure> {
    let query: Vec<_> = [("search", search), ("syncpack", syncpack)]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    let page = session
        .client()?
        .get_with(&["steps"], &query)
        .await?
        .json()?;
    session.output.result(&page, |page| {
        let rows: Vec<_> = page["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|step| {
                vec![
                    text(&step["name"]),
                    text(&step["kind"]),
                    pack_of(step),
                    brief(&step["description"]),
                ]
            })
            .collect();
        table(&["step", "kind", "syncpack", "description"], &rows)
    });
    Ok(Exit::Success)
}

async fn show(
    session: &Session,
    name: &str,
    syncpack: Option<String>,
    code: bool,
) -> Result<Exit, Failure> {
    let client = session.client()?;
    let query: Vec<_> = syncpack
        .map(|pack| ("syncpack", pack))
        .into_iter()
        .collect();
    let step = match client.get_with(&["steps", name], &query).await {
        Ok(reply) => reply.json()?,
        Err(failure) => return Err(client.suggest(failure, "steps", name).await),
    };
    session.output.result(&step, |step| {
        if code {
            let none = "the SyncPack carries no source of this step".to_owned();
            return step["code"].as_str().map_or(none, str::to_owned);
        }
        let pairs = [
            ("step", text(&step["name"])),
            ("friendly name", text(&step["friendly_name"])),
            ("description", text(&step["description"])),
            ("kind", text(&step["kind"])),
            ("version", text(&step["version"])),
            ("syncpack", pack_of(step)),
            ("author", text(&step["author"])),
        ];
        format!(
            "{}\n{}",
            facts(&pairs),
            parameters(&step["descriptor"]["parameters"])
        )
    });
    Ok(Exit::Success)
}

/// The SyncPack that a step comes from, with its version.
fn pack_of(step: &Value) -> String {
    format!(
        "{} {}",
        text(&step["syncpack"]),
        text(&step["syncpack_version"])
    )
}

fn parameters(parameters: &Value) -> String {
    let rows: Vec<_> = parameters
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| {
            let required = if one["required"] == true {
                "required"
            } else {
                ""
            };
            vec![
                text(&one["name"]),
                text(&one["type"]),
                required.to_owned(),
                text(&one["default"]),
                brief(&one["description"]),
            ]
        })
        .collect();
    table(&["parameter", "type", "", "default", "description"], &rows)
}
