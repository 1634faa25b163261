//! `pfctl schedule …`

use std::path::PathBuf;

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::{
    client::Client,
    document::{Export, Names, SCHEDULES},
    failure::{Exit, Failure},
    output::{facts, pretty, table, text, time},
    session::Session,
};

mod save;
mod shape;

use save::{create, edit, set, upload, warn};
use shape::Shape;

/// What to do with schedules.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List schedules with their next occurrence
    ///
    /// Example: pfctl schedule list --application inventory_sync
    List {
        /// Only those of this application
        #[arg(long, short)]
        application: Option<String>,
        /// Only those whose name or application contains this
        #[arg(long)]
        search: Option<String>,
    },
    /// Show a schedule with its next occurrences
    ///
    /// Example: pfctl schedule show "inventory at night"
    Show {
        /// Its name
        name: String,
    },
    /// Create a schedule
    ///
    /// Example: pfctl schedule create "inventory at night" --application inventory_sync
    ///   --cron "30 2 * * *" --time-zone Europe/Berlin --configuration acme --overlap skip
    Create {
        /// Its name
        name: String,
        #[command(flatten)]
        shape: Box<Shape>,
        /// Do not start anything until it is resumed
        #[arg(long)]
        paused: bool,
    },
    /// Create or update schedules from JSON files
    ///
    /// A file holds one schedule or a list of them, also as the predecessor gives them.
    ///
    /// Example: pfctl schedule upload schedules.json
    Upload {
        /// The files; - for stdin
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Write schedules out as they are stored
    ///
    /// Example: pfctl schedule export "inventory at night" --dir backup
    Export(Export),
    /// Change a schedule; what is not given stays as it is
    ///
    /// Example: pfctl schedule edit "inventory at night" --cron "0 3 * * *"
    Edit {
        /// Its name
        name: String,
        #[command(flatten)]
        shape: Box<Shape>,
    },
    /// Delete schedules; their runs stay
    ///
    /// Example: pfctl schedule delete "inventory at night"
    Delete(Names),
    /// Start nothing until a schedule is resumed
    ///
    /// Example: pfctl schedule pause "inventory at night"
    Pause {
        /// Its name
        name: String,
    },
    /// Let a schedule go on; what was due while it was paused is not caught up
    ///
    /// Example: pfctl schedule resume "inventory at night"
    Resume {
        /// Its name
        name: String,
    },
    /// Say when a schedule is due next, a stored one or one that is not stored yet
    ///
    /// Example: pfctl schedule next --cron "30 2 * * *" --time-zone Europe/Berlin
    Next {
        /// Its name; leave it out to try what you give
        name: Option<String>,
        #[command(flatten)]
        shape: Box<Shape>,
        /// How many occurrences
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=200))]
        count: u16,
    },
    /// Run those occurrences of a time in the past that have not run
    ///
    /// Example: pfctl schedule backfill "inventory at night" --from 2027-01-10T00:00:00Z
    ///   --until 2027-01-12T00:00:00Z --preview
    Backfill {
        /// Its name
        name: String,
        /// From this moment
        #[arg(long, value_name = "TIME")]
        from: String,
        /// Until this one; until now when absent
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
        /// Only say what would run
        #[arg(long)]
        preview: bool,
    },
    /// List what became of a schedule's occurrences, the newest first
    ///
    /// Example: pfctl schedule history "inventory at night" --outcome failed
    History {
        /// Its name
        name: String,
        /// Only these: started, skipped, failed, missed or waiting
        #[arg(long)]
        outcome: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
}

/// Does it.
pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List {
            application,
            search,
        } => list(session, application, search).await,
        Command::Show { name } => show(session, &name).await,
        Command::Create {
            name,
            shape,
            paused,
        } => create(session, &name, &shape, paused).await,
        Command::Upload { files } => upload(session, &files).await,
        Command::Export(export) => SCHEDULES.export(session, &export).await,
        Command::Edit { name, shape } => edit(session, &name, &shape).await,
        Command::Delete(Names { names }) => SCHEDULES.delete(session, &names).await,
        Command::Pause { name } => set(session, &name, "pause").await,
        Command::Resume { name } => set(session, &name, "resume").await,
        Command::Next { name, shape, count } => next(session, name, &shape, count).await,
        Command::Backfill {
            name,
            from,
            until,
            preview,
        } => {
            let range = json!({"from": from, "until": until, "preview": preview});
            backfill(session, &name, &range).await
        }
        Command::History {
            name,
            outcome,
            limit,
        } => history(session, &name, outcome, limit).await,
    }
}

async fn list(
    session: &Session,
    application: Option<String>,
    search: Option<String>,
) -> Result<Exit, Failure> {
    let mut query = Vec::new();
    query.extend(application.map(|one| ("application", one)));
    query.extend(search.map(|one| ("search", one)));
    let items = session
        .client()?
        .list(&["schedules"], &query, usize::MAX)
        .await?;
    session.output.result(&json!({"items": items}), |_| {
        let rows: Vec<_> = items
            .iter()
            .map(|one| {
                vec![
                    text(&one["name"]),
                    text(&one["application"]),
                    text(&one["description"]),
                    upcoming(one),
                    text(&one["total_runs"]),
                    started(&one["last_run"]),
                ]
            })
            .collect();
        table(
            &["name", "application", "when", "next", "runs", "last run"],
            &rows,
        )
    });
    Ok(Exit::Success)
}

/// Its next occurrence, or why there is none.
fn upcoming(one: &Value) -> String {
    match &one["next_due"] {
        Value::Null if one["enabled"] == false => "(paused)".to_owned(),
        Value::Null => "(none)".to_owned(),
        due => time(due),
    }
}

fn started(run: &Value) -> String {
    let seconds = run["start_time"].as_i64();
    let at = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    at.map_or_else(String::new, |at| time(&json!(at.to_string())))
}

async fn stored(client: &Client, name: &str, count: u16) -> Result<Value, Failure> {
    let query = [("meta", "true".to_owned()), ("limit", count.to_string())];
    match client.get_with(&["schedules", name], &query).await {
        Ok(reply) => reply.json(),
        Err(failure) => Err(client.suggest(failure, "schedules", name).await),
    }
}

async fn show(session: &Session, name: &str) -> Result<Exit, Failure> {
    let client = session.client()?;
    let mut found = stored(&client, name, 5).await?;
    let newest = client
        .list(&["schedules", name, "occurrences"], &[], 1)
        .await?;
    // A schedule of which every occurrence is refused is to look like none that is new.
    found["latest"] = newest.into_iter().next().unwrap_or_default();
    session.output.result(&found, |one| {
        let document = &one["document"];
        let last = match started(&one["last_run"]) {
            none if none.is_empty() => none,
            at => {
                let href = text(&one["last_run"]["href"]);
                format!("{at} {}", href.rsplit('/').next().unwrap_or_default())
            }
        };
        let params = match &document["params"] {
            Value::Object(params) if !params.is_empty() => pretty(&document["params"]),
            _ => String::new(),
        };
        let pairs = [
            ("name", text(&one["name"])),
            ("application", text(&one["application"])),
            ("when", text(&one["description"])),
            (
                "next",
                match upcoming(one) {
                    due if one["next"].as_array().is_none_or(Vec::is_empty) => due,
                    _ => times(&one["next"]),
                },
            ),
            ("overlap", or(&document["overlap"], "allow")),
            ("catch up", or(&document["catch_up"], "last")),
            ("runs", text(&one["total_runs"])),
            ("last run", last),
            ("latest", latest(&one["latest"])),
            ("revision", text(&one["revision"])),
            (
                "edited",
                format!("{} by {}", time(&one["edited_at"]), text(&one["edited_by"])),
            ),
            ("origin", text(&one["origin"])),
            ("params", params),
        ];
        facts(&pairs)
    });
    Ok(Exit::Success)
}

/// What became of the newest occurrence.
fn latest(occurrence: &Value) -> String {
    if occurrence.is_null() {
        return String::new();
    }
    let (due, outcome) = (time(&occurrence["due"]), text(&occurrence["outcome"]));
    match text(&occurrence["reason"]) {
        none if none.is_empty() => format!("{due} {outcome}"),
        reason => format!("{due} {outcome}: {reason}"),
    }
}

fn or(value: &Value, default: &str) -> String {
    value.as_str().unwrap_or(default).to_owned()
}

/// Times, each on a line.
fn times(list: &Value) -> String {
    let all: Vec<_> = list.as_array().into_iter().flatten().map(time).collect();
    all.join("\n")
}

async fn next(
    session: &Session,
    name: Option<String>,
    shape: &Shape,
    count: u16,
) -> Result<Exit, Failure> {
    let client = session.client()?;
    let answer = if let (Some(name), true) = (&name, shape.is_empty()?) {
        let found = stored(&client, name, count).await?;
        json!({"name": name, "description": found["description"], "next": found["next"],
            "warnings": [], "enabled": found["enabled"]})
    } else {
        let mut document = match &name {
            Some(name) => stored(&client, name, 1).await?["document"]
                .as_object()
                .cloned()
                .unwrap_or_default(),
            None => Map::new(),
        };
        shape.put_into(&mut document)?;
        // Any application, where only the times are asked for.
        let named = document.contains_key("application_id");
        document
            .entry("application_id")
            .or_insert_with(|| "-".into());
        let request = client
            .request(Method::POST, &["schedules", "preview"])
            .query(&[("limit", count.to_string())])
            .json(&document);
        let mut answer = client.send(request).await?.json()?;
        if !named {
            answer["warnings"] = json!([]);
        }
        answer
    };
    session.output.result(&answer, |one| {
        let times = match &one["next"] {
            Value::Array(next) if !next.is_empty() => times(&one["next"]),
            _ if one["enabled"] == false => "none: it is paused".to_owned(),
            _ => "none".to_owned(),
        };
        format!("{}\n{times}", text(&one["description"]))
    });
    warn(session, &answer);
    Ok(Exit::Success)
}

async fn backfill(session: &Session, name: &str, range: &Value) -> Result<Exit, Failure> {
    let client = session.client()?;
    let filled = match client.post(&["schedules", name, "backfill"], range).await {
        Ok(reply) => reply.json()?,
        Err(failure) => return Err(client.suggest(failure, "schedules", name).await),
    };
    session.output.result(&filled, |one| {
        let count = one["run"].as_array().map_or(0, Vec::len);
        let left = one["left"].as_array().map_or(0, Vec::len);
        let verb = if one["preview"] == true {
            "would run"
        } else {
            "to run"
        };
        let others = match left {
            0 => String::new(),
            left => format!(", {left} have run already or wait to"),
        };
        format!("{count} {verb}{others}\n{}", times(&one["run"]))
    });
    if filled["paused"] == true {
        session.output.remark(&format!(
            "it is paused; next: pfctl schedule resume \"{name}\""
        ));
    } else if filled["preview"] == true {
        session.output.remark("next: the same without --preview");
    } else {
        session
            .output
            .remark(&format!("next: pfctl schedule history \"{name}\""));
    }
    Ok(Exit::Success)
}

async fn history(
    session: &Session,
    name: &str,
    outcome: Option<String>,
    limit: usize,
) -> Result<Exit, Failure> {
    let client = session.client()?;
    let query: Vec<_> = outcome.map(|one| ("outcome", one)).into_iter().collect();
    let parts = ["schedules", name, "occurrences"];
    let items = match client.list(&parts, &query, limit.max(1)).await {
        Ok(items) => items,
        Err(failure) => return Err(client.suggest(failure, "schedules", name).await),
    };
    session.output.result(&json!({"items": items}), |_| {
        let rows: Vec<_> = items
            .iter()
            .map(|one| {
                let what = match &one["run"] {
                    Value::Null => text(&one["reason"]),
                    run => text(run),
                };
                vec![
                    time(&one["due"]),
                    text(&one["outcome"]),
                    time(&one["at"]),
                    what,
                ]
            })
            .collect();
        table(&["due", "outcome", "decided", "run or reason"], &rows)
    });
    Ok(Exit::Success)
}
