//! `pfctl worker …`

use std::collections::BTreeMap;

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
    /// its settings worker.queues, worker.weights and worker.slots.
    ///
    /// Queues in which something waits share a worker's slots in proportion to their
    /// weights, 1 where none is given. A queue of weight 0 is served only while nothing waits
    /// in the others.
    ///
    /// Example: pfctl worker set 2 --queues acme,default --weights acme=3 --slots 64
    #[command(group = ArgGroup::new("change").required(true).multiple(true))]
    Set {
        /// Its number, as the list shows it
        id: String,
        /// How many steps to execute at a time
        #[arg(long, group = "change", value_parser = clap::value_parser!(u32).range(1..))]
        slots: Option<u32>,
        /// The queues to listen on
        #[arg(long, group = "change", value_name = "A,B", value_delimiter = ',',
            value_parser = clap::builder::NonEmptyStringValueParser::new())]
        queues: Vec<String>,
        /// Listen on all queues, also those that appear later
        #[arg(long, group = "change", conflicts_with = "queues")]
        all_queues: bool,
        /// The weights of queues, 0 to 1000, instead of all that were set before
        #[arg(long, group = "change", value_name = "A=3,B=1", value_delimiter = ',',
            value_parser = weight)]
        weights: Vec<(String, u32)>,
        /// Give every queue the weight 1 again
        #[arg(long, group = "change", conflicts_with = "weights")]
        no_weights: bool,
    },
}

/// The right side of the last `=` is the weight, so that a name may have one too.
fn weight(text: &str) -> Result<(String, u32), String> {
    let parts = text.rsplit_once('=');
    let parts = parts.and_then(|(name, weight)| Some((name.trim(), weight.trim().parse().ok()?)));
    let fine = parts.filter(|(name, weight)| !name.is_empty() && *weight <= 1000);
    let (name, weight) =
        fine.ok_or_else(|| "write QUEUE=WEIGHT, with a weight from 0 to 1000".to_owned())?;
    Ok((name.to_owned(), weight))
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
            weights,
            no_weights,
        } => {
            let mut body = change(slots, &queues, all_queues);
            if no_weights || !weights.is_empty() {
                body["weights"] = json!(weights.into_iter().collect::<BTreeMap<_, _>>());
            }
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
            let weights = one["weights"].as_object().filter(|_| executes);
            let weights = weights.into_iter().flatten();
            let weights: Vec<_> = weights.map(|(name, one)| format!("{name}={one}")).collect();
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
                weights.join(", "),
                time(&one["started_at"]),
            ]
        })
        .collect();
    let mut heading = vec![
        "id", "role", "host", "process", "version", "slots", "queues", "weights",
    ];
    // `about` does not tell it.
    if items.iter().any(|one| one["started_at"].is_string()) {
        heading.push("started");
    }
    // Most have none.
    let mut rows = rows;
    if rows.iter().all(|row| row[7].is_empty()) {
        heading.remove(7);
        for row in &mut rows {
            row.remove(7);
        }
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
        let weighted = processes(&[
            json!({"id": 2, "role": "worker", "host": "b", "pid": 8, "version": "0.1.0",
                "queues": ["x", "y"], "weights": {"x": 3, "y": 0}, "slots": 1}),
        ]);
        assert_eq!(
            weighted,
            "ID  ROLE    HOST  PROCESS  VERSION  SLOTS  QUEUES  WEIGHTS\n\
             2   worker  b     8        0.1.0    1      x, y    x=3, y=0\n"
        );
        let alone = processes(&[json!({"id": 1, "role": "api", "slots": 0})]);
        assert!(
            alone.contains("no process executes steps") && !alone.contains("STARTED"),
            "{alone}"
        );
    }

    #[test]
    fn a_weight_stands_behind_the_last_sign() {
        assert_eq!(weight("a=b=3"), Ok(("a=b".to_owned(), 3)));
        assert!(weight("=3").is_err() && weight("a=-1").is_err() && weight("a=").is_err());
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
            "pfctl worker set 2 --weights a=3,b=0",
            "pfctl worker set 2 --no-weights",
        ] {
            assert!(parses(fine), "{fine}");
        }
        for wrong in [
            "pfctl worker set 2",
            "pfctl worker set --slots 1",
            "pfctl worker set 2 --slots 0",
            "pfctl worker set 2 --queues a,,b",
            "pfctl worker set 2 --queues a --all-queues",
            "pfctl worker set 2 --weights a",
            "pfctl worker set 2 --weights a=1001",
            "pfctl worker set 2 --weights a=1 --no-weights",
        ] {
            assert!(!parses(wrong), "{wrong}");
        }
    }
}
