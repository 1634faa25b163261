//! `pfctl application …`

mod list;
mod preview;
mod set;
mod timeline;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Subcommand};
use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::{
    client::{Client, with_text},
    document::{APPLICATIONS, Export, Names, Upload},
    failure::{Exit, Failure},
    file,
    follow::{self, Manner},
    output::{self, pretty, text},
    params::Params,
    revisions::{Diff, Restore, Revisions},
    session::Session,
};

/// What to do with applications.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List applications
    ///
    /// Example: pfctl application list --search incident
    List {
        /// Only those whose name contains this
        #[arg(long)]
        search: Option<String>,
        /// Internal applications as well, which others start
        #[arg(long)]
        hidden: bool,
    },
    /// Show what an application has run in a span of time
    ///
    /// How many runs in which state, and how long they took, part by part; --runs lists the newest.
    ///
    /// Example: pfctl application timeline sync --from 2027-01-15T08:00:00Z --until 2027-01-15T10:00:00Z
    ///
    /// Example: pfctl application timeline sync --state failed --runs
    Timeline(timeline::Timeline),
    /// Show an application with its steps
    ///
    /// Example: pfctl application show create_or_update_incident
    Show {
        /// Its name
        name: String,
    },
    /// Upload applications from JSON files
    ///
    /// An application that is there gets a new revision. A file without `name` inside
    /// takes the file's name.
    ///
    /// Example: pfctl application upload apps/*.json
    Upload(Upload),
    /// Check a file without storing it
    ///
    /// Lists everything that is wrong at once.
    ///
    /// Example: pfctl application validate apps/sync.json
    Validate {
        /// The file; - for stdin
        file: PathBuf,
    },
    /// Show what a condition or a transform of an application makes
    ///
    /// On the data of a past run, or on data from a file: {"STEP NAME": DATA, …}. Nothing is
    /// stored.
    ///
    /// Example: pfctl application preview apps/sync.json "How bad?" --data event.json
    Preview(Preview),
    /// Delete applications
    ///
    /// Their past runs stay readable.
    ///
    /// Example: pfctl application delete old_sync
    Delete(Names),
    /// Write applications out as they were uploaded
    ///
    /// Example: pfctl application export create_or_update_incident --dir backup
    Export(Export),
    /// Copy an application under another name
    ///
    /// Example: pfctl application copy sync sync_acme --friendly-name "Sync for Acme"
    Copy {
        /// The one to copy
        from: String,
        /// The name of the copy; there must be none of it
        to: String,
        /// The copy's friendly name
        #[arg(long)]
        friendly_name: Option<String>,
    },
    /// List the revisions of an application, or print one
    ///
    /// Example: pfctl application revisions create_or_update_incident
    Revisions(Revisions),
    /// Compare two revisions of an application
    ///
    /// Example: pfctl application diff create_or_update_incident 2 3
    Diff(Diff),
    /// Save a revision of an application again, as the newest
    ///
    /// What it is aligned with stays as it is.
    ///
    /// Example: pfctl application restore create_or_update_incident 2
    Restore(Restore),
    /// Change variables of an application and what it is aligned with
    ///
    /// Nothing else of it changes; what is left out stays.
    ///
    /// Example: pfctl application set create_or_update_incident --config acme --variable table=incident
    Set(set::Set),
    /// Run an application
    ///
    /// Prints the run's id at once, or with --wait or --follow the run at its end.
    ///
    /// Example: pfctl application run create_or_update_incident --param event_id=4711 --config acme --follow
    Run(Run),
}

/// Which operator to evaluate, and on what.
#[derive(Debug, Args)]
pub(crate) struct Preview {
    /// The application's file; - for stdin
    file: PathBuf,
    /// The name of the condition or transform in it
    step: String,
    /// A run whose steps have left data
    #[arg(long, value_name = "RUN", conflicts_with = "data")]
    run: Option<String>,
    /// A file with the data of steps by name; - for stdin
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// The configuration object that references mean
    #[arg(long, value_name = "NAME")]
    config: Option<String>,
}

/// How to run an application.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The application's name
    name: String,
    #[command(flatten)]
    params: Params,
    /// The configuration object to use instead of the one that the application names
    #[arg(long, value_name = "NAME")]
    config: Option<String>,
    /// The queue to wait in, for workers that take only some
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    /// The run's log keeps lines of this level and above
    #[arg(long, value_enum, value_name = "LEVEL")]
    log_level: Option<LogLevel>,
    /// Text of your choice: asking again with the same key answers the same run, and starts
    /// no second one
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    manner: Waiting,
}

/// How to go on after a run was accepted.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Waiting {
    #[expect(
        clippy::option_option,
        reason = "the option may be absent, given alone, or given with a number"
    )]
    /// Wait for its end, or at most so many seconds: --wait=5, with the equals sign
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, value_parser = seconds)]
    wait: Option<Option<Duration>>,
    /// Wait for its end and show the states of its steps (STEP) and its log lines as they come
    #[arg(long, short)]
    follow: bool,
}

/// The level of log lines that are kept.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum LogLevel {
    /// Every parameter and result
    Debug = 10,
    /// What steps tell about their work
    Info = 20,
    /// What is odd
    Warning = 30,
    /// What failed
    Error = 40,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok();
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "give seconds, such as --wait=20 or --wait=0.5".to_owned())
}

impl Waiting {
    fn manner(self) -> Option<Manner> {
        let waits = self.follow || self.wait.is_some();
        waits.then_some(Manner {
            live: self.follow,
            at_most: self.wait.flatten(),
            result: false,
        })
    }

    /// Sends the request that starts a run, and goes on as asked.
    pub(crate) async fn start(
        self,
        session: &Session,
        client: &Client,
        request: reqwest::RequestBuilder,
    ) -> Result<Exit, Failure> {
        self.go_on(session, client, request, false).await
    }

    /// The same for a single step, whose data is shown at the end.
    pub(crate) async fn start_step(
        self,
        session: &Session,
        client: &Client,
        request: reqwest::RequestBuilder,
    ) -> Result<Exit, Failure> {
        self.go_on(session, client, request, true).await
    }

    async fn go_on(
        self,
        session: &Session,
        client: &Client,
        request: reqwest::RequestBuilder,
        result: bool,
    ) -> Result<Exit, Failure> {
        let manner = self.manner().map(|manner| Manner { result, ..manner });
        // A plain wait is the service's to do, as long as it does it.
        let request = match manner {
            Some(Manner {
                live: false,
                at_most,
                ..
            }) => {
                let seconds = at_most.map_or(30.0, |most| most.as_secs_f64().min(30.0));
                request.query(&[("wait", seconds)])
            }
            _ => request,
        };
        let sent = std::time::Instant::now();
        let run = client.send(request).await?.json()?;
        let id = text(&run["task_id"]);
        let warnings = run["warnings"].as_array().cloned().unwrap_or_default();
        for warning in &warnings {
            session.output.remark(&output::warning(warning));
        }
        let Some(mut manner) = manner else {
            session.output.result(&run, |_| id.clone());
            session
                .output
                .remark(&format!("next: pfctl run logs {id} --follow"));
            return Ok(Exit::Success);
        };
        if run["ended"] == true {
            return follow::ended(session, client, run, manner.result).await;
        }
        if manner.live {
            // Whoever stops watching must be able to come back to it.
            session.output.remark(&format!("run {id}"));
        }
        manner.at_most = manner
            .at_most
            .map(|most| most.saturating_sub(sent.elapsed()));
        follow::to_the_end(session, client, &id, manner, warnings).await
    }
}

/// Does it.
pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List { search, hidden } => list::list(session, search, hidden).await,
        Command::Timeline(asked) => timeline::show(session, asked).await,
        Command::Show { name } => APPLICATIONS.show(session, &name).await,
        Command::Upload(upload) => APPLICATIONS.upload(session, &upload).await,
        Command::Validate { file } => validate(session, &file).await,
        Command::Preview(asked) => preview::preview(session, &asked).await,
        Command::Delete(Names { names }) => APPLICATIONS.delete(session, &names).await,
        Command::Export(export) => APPLICATIONS.export(session, &export).await,
        Command::Copy {
            from,
            to,
            friendly_name,
        } => copy(session, &from, &to, friendly_name).await,
        Command::Revisions(asked) => APPLICATIONS.revisions(session, &asked).await,
        Command::Diff(asked) => APPLICATIONS.diff(session, &asked).await,
        Command::Restore(asked) => APPLICATIONS.restore(session, &asked).await,
        Command::Set(set) => set::set(session, set).await,
        Command::Run(run) => start(session, run).await,
    }
}

async fn validate(session: &Session, path: &Path) -> Result<Exit, Failure> {
    let client = session.client()?;
    let request = client.request(Method::POST, &["applications", "validate"]);
    let answer = client
        .send(with_text(request, file::json(path)?.0))
        .await?
        .json()?;
    let faults = answer["faults"].as_array().cloned().unwrap_or_default();
    let warnings = answer["warnings"].as_array().cloned().unwrap_or_default();
    session.output.result(&answer, |_| {
        if faults.is_empty() && warnings.is_empty() {
            return format!("{}: nothing is wrong", path.display());
        }
        let faults = faults.iter().map(output::fault);
        let warnings = warnings.iter().map(output::warning);
        faults.chain(warnings).collect::<Vec<_>>().join("\n")
    });
    Ok(if faults.is_empty() {
        Exit::Success
    } else {
        Exit::Refused
    })
}

async fn copy(
    session: &Session,
    from: &str,
    to: &str,
    friendly_name: Option<String>,
) -> Result<Exit, Failure> {
    let client = session.client()?;
    let mut document = match client.get(&["applications", from]).await {
        Ok(reply) => reply.json()?,
        Err(failure) => return Err(client.suggest(failure, "applications", from).await),
    };
    document["name"] = json!(to);
    if let Some(name) = friendly_name {
        document["friendly_name"] = json!(name);
    }
    let request = client
        .request(Method::POST, &["applications"])
        .header(header::IF_NONE_MATCH, "*");
    let saved = client
        .send(with_text(request, pretty(&document)))
        .await?
        .json()?;
    session
        .output
        .result(&saved, |saved| format!("created {}", text(&saved["name"])));
    Ok(Exit::Success)
}

async fn start(session: &Session, run: Run) -> Result<Exit, Failure> {
    let mut params = run.params.read()?;
    let own = [
        ("configuration", run.config.map(Value::from)),
        ("queue", run.queue.map(Value::from)),
        (
            "loglevel",
            run.log_level.map(|level| Value::from(level as u8)),
        ),
    ];
    for (name, value) in own {
        if let Some(value) = value {
            params.insert(name.to_owned(), value);
        }
    }
    let client = session.client()?;
    let mut request = client
        .request(Method::POST, &["applications", "run"])
        .json(&json!({"name": run.name, "params": params}));
    if let Some(key) = run.idempotency_key {
        request = request.header("idempotency-key", key);
    }
    match run.manner.start(session, &client, request).await {
        Err(failure) => Err(client.suggest(failure, "applications", &run.name).await),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::arguments::{Arguments, Command as Top};

    fn parsed(line: &str) -> Run {
        let line = std::iter::once("pfctl").chain(line.split(' '));
        match Arguments::try_parse_from(line).unwrap().command {
            Top::Application(Command::Run(run)) => run,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn waiting_is_for_the_end_or_for_so_long() {
        let manner = |line: &str| parsed(line).manner.manner().map(|m| (m.live, m.at_most));
        assert_eq!(manner("app run a"), None);
        assert_eq!(manner("app run a --wait"), Some((false, None)));
        assert_eq!(manner("app run --wait a"), Some((false, None)));
        assert_eq!(
            manner("app run a --wait=1.5"),
            Some((false, Some(Duration::from_millis(1500))))
        );
        assert_eq!(manner("app run a -f"), Some((true, None)));
        for wrong in ["-1", "x", "1e99", "NaN"] {
            let line = ["pfctl", "app", "run", "a", &format!("--wait={wrong}")];
            let error = Arguments::try_parse_from(line).unwrap_err().to_string();
            assert!(error.contains("give seconds"), "{error}");
        }
    }

    #[test]
    fn parameters_repeat() {
        let run = parsed("app run a -p x=1 --param y=2 --log-level debug --queue q");
        assert_eq!(run.params.one, ["x=1", "y=2"]);
        assert_eq!(run.log_level.map(|level| level as u8), Some(10));
        assert_eq!(run.queue.as_deref(), Some("q"));
    }
}
