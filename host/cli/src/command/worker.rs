//! `pfctl worker …`

use clap::{ArgGroup, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    failure::{Exit, Failure},
    output::{count, items, table, text, time},
    session::Session,
};

/// What to do with the processes of the service.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the processes of the service with their queues and slots
    ///
    /// Example: pfctl worker list
    List,
    /// Change what a running worker listens on, and how many steps it executes at a time
    ///
    /// It does so at once; steps under way go on. When the process starts again, it has
    /// its settings worker.queues and worker.slots.
    ///
    /// Example: pfctl worker set 2 --queues acme,default --slots 64
    #[command(group = ArgGroup::new("change").required(true).multiple(true))]
    Set {
        /// Its number, as the list shows it
        id: String,
        /// How many steps to execute at a time
        #[arg(long, group = "change", value_parser = clap::value_parser!(u32).range(1..))]
        slots: Option<u32>,
        /// The queues to listen on, in the order of preference
        #[arg(long, group = "change", value_name = "A,B", value_delimiter = ',',
            value_parser = clap::builder::NonEmptyStringValueParser::new())]
        queues: Vec<String>,
        /// Listen on all queues, also those that appear later
        #[arg(long, group = "change", conflicts_with = "queues")]
        all_queues: bool,
    },
}

/// Does it.
pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    let client = session.client()?;
    match command {
        Command::List => {
            let list = client.get(&["workers"]).await?.json()?;
            session.output.result(&list, |list| {
                let items = list["items"].as_array().map_or(&[][..], Vec::as_slice);
                processes(items)
            });
        }
        Command::Set {
            id,
            slots,
            queues,
            all_queues,
        } => {
            let body = change(slots, &queues, all_queues);
            let request = client.request(Method::PATCH, &["workers", &id]).json(&body);
            let reply = client.send(request).await.map_err(missing)?;
            let worker = reply.json()?;
            session
                .output
                .result(&worker, |worker| processes(std::slice::from_ref(worker)));
        }
    }
    Ok(Exit::Success)
}

fn change(slots: Option<u32>, queues: &[String], all: bool) -> Value {
    let mut body = json!({});
    if let Some(slots) = slots {
        body["slots"] = slots.into();
    }
    if all || !queues.is_empty() {
        body["queues"] = json!(queues);
    }
    body
}

/// The processes as a table; with a remark when none of them executes steps.
pub(crate) fn processes(items: &[Value]) -> String {
    let rows: Vec<_> = items
        .iter()
        .map(|one| {
            let executes = one["slots"] != 0;
            let queues = match (executes, text(&one["queues"])) {
                (false, _) => String::new(),
                (true, none) if none.is_empty() => "all".to_owned(),
                (true, some) => some,
            };
            let slots = if executes {
                text(&one["slots"])
            } else {
                String::new()
            };
            vec![
                text(&one["id"]),
                text(&one["role"]),
                text(&one["host"]),
                text(&one["pid"]),
                text(&one["version"]),
                slots,
                queues,
                time(&one["started_at"]),
            ]
        })
        .collect();
    let mut heading = vec![
        "id", "role", "host", "process", "version", "slots", "queues",
    ];
    // `about` does not tell it.
    if items.iter().any(|one| one["started_at"].is_string()) {
        heading.push("started");
    }
    let mut shown = table(&heading, &rows);
    if items.iter().all(|one| one["slots"] == 0) {
        shown.push_str("no process executes steps: runs are accepted and wait\n");
    }
    shown
}

/// Which queues are taken from, and by how many workers.
pub(crate) fn served(served: &Value) -> String {
    let named = items(&served["queues"]).iter().map(|queue| {
        let workers = queue["workers"].as_u64().unwrap_or_default();
        format!("{} ({})", text(&queue["queue"]), count(workers, "worker"))
    });
    let every = served["by_all"].as_u64().unwrap_or_default();
    let all = (every > 0).then(|| format!("all ({})", count(every, "worker")));
    let shown: Vec<_> = all.into_iter().chain(named).collect();
    if shown.is_empty() {
        "none".to_owned()
    } else {
        shown.join(", ")
    }
}

fn missing(failure: Failure) -> Failure {
    match failure.exit {
        Exit::NotFound => failure.next("pfctl worker list"),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::arguments::Arguments;

    #[test]
    fn processes_are_a_table() {
        let shown = processes(&[
            json!({"id": 1, "role": "api", "host": "a", "pid": 7, "version": "0.1.0",
                "queues": [], "slots": 0, "started_at": "2027-01-15T08:00:00.1Z"}),
            json!({"id": 2, "role": "worker", "host": "b", "pid": 8, "version": "0.1.0",
                "queues": ["x", "y"], "slots": 1, "started_at": "2027-01-15T08:00:01Z"}),
            json!({"id": 13, "role": "worker", "host": "b", "pid": 9, "version": "0.1.0",
                "queues": [], "slots": 512, "started_at": "2027-01-15T08:00:02Z"}),
        ]);
        assert_eq!(
            shown,
            "ID  ROLE    HOST  PROCESS  VERSION  SLOTS  QUEUES  STARTED\n\
             1   api     a     7        0.1.0                   2027-01-15 08:00:00Z\n\
             2   worker  b     8        0.1.0    1      x, y    2027-01-15 08:00:01Z\n\
             13  worker  b     9        0.1.0    512    all     2027-01-15 08:00:02Z\n"
        );
        let alone = processes(&[json!({"id": 1, "role": "api", "slots": 0})]);
        assert!(
            alone.contains("no process executes steps") && !alone.contains("STARTED"),
            "{alone}"
        );
    }

    #[test]
    fn only_what_is_given_is_changed() {
        let queues = ["a".to_owned(), "b".to_owned()];
        assert_eq!(change(Some(2), &[], false), json!({"slots": 2}));
        assert_eq!(change(None, &queues, false), json!({"queues": ["a", "b"]}));
        assert_eq!(change(None, &[], true), json!({"queues": []}));
    }

    #[test]
    fn a_change_says_what_and_makes_sense() {
        let parses = |line: &str| Arguments::try_parse_from(line.split(' ')).is_ok();
        for fine in [
            "pfctl worker list",
            "pfctl worker set 2 --slots 1",
            "pfctl worker set 2 --queues a,b --slots 1",
            "pfctl worker set 2 --all-queues",
        ] {
            assert!(parses(fine), "{fine}");
        }
        for wrong in [
            "pfctl worker set 2",
            "pfctl worker set --slots 1",
            "pfctl worker set 2 --slots 0",
            "pfctl worker set 2 --queues a,,b",
            "pfctl worker set 2 --queues a --all-queues",
        ] {
            assert!(!parses(wrong), "{wrong}");
        }
    }
}
