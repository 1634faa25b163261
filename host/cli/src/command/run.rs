//! `pfctl run …`

mod bulk;
mod cancel;
mod data;
mod dead_letters;
mod pauses;

use std::time::Duration;

use clap::{Subcommand, builder::PossibleValuesParser};
use model::{id::AnyRef, state::RunState};
use reqwest::Method;
use serde_json::json;

use self::{
    cancel::{cancel, cancel_all},
    data::data,
    pauses::{Held, pause, pauses, resume},
};
use super::application::{LogLevel, Waiting};
use crate::{
    client::Client,
    failure::{Exit, Failure},
    follow::{log_part, summary},
    output::{self, count, duration, table, text, time},
    params::Params,
    session::Session,
    shell,
    stream::log_line,
};

const POLL: Duration = Duration::from_millis(500);

/// What to do with runs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List runs, the newest first
    ///
    /// Example: pfctl run list --application sync --state failed,warning
    List {
        /// Only runs of this application
        #[arg(long, short, value_name = "NAME")]
        application: Option<String>,
        /// Only runs in these states, separated by commas
        #[arg(long, short, value_delimiter = ',', value_parser = states())]
        state: Vec<String>,
        /// Only runs on this queue
        #[arg(long)]
        queue: Option<String>,
        /// Only runs aligned with this configuration object
        #[arg(long, value_name = "NAME")]
        config: Option<String>,
        /// At most so many
        #[arg(long, short = 'n', default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// Only those behind this place, which the part before names as `next`
        #[arg(long, value_name = "NEXT")]
        after: Option<String>,
    },
    /// Show a run with its steps, or a step
    ///
    /// Example: pfctl run show isapp-01890a5d-ac96-774b-bcce-b30200000000
    Show {
        /// isapp-… or istask-…
        id: String,
    },
    /// Print the log of a run or of a step
    ///
    /// With --follow, the exit code is that of the run or step: 1 when it failed or was
    /// cancelled.
    ///
    /// A line has a time, a level, the step and a text. Levels: DEBUG, INFO, WARNING, ERROR, and
    /// FLOW, with which the predecessor's logs tell when a step started (`start NAME`) and stopped
    /// (`stop NAME|SECONDS`); FLOW lines are written whatever level the run keeps.
    ///
    /// Example: pfctl run logs isapp-01890a5d-ac96-774b-bcce-b30200000000 --follow
    Logs {
        /// isapp-… or istask-…
        id: String,
        /// Go on until its end
        #[arg(long, short)]
        follow: bool,
        /// Only lines of this level or above, and FLOW lines
        #[arg(long, value_enum)]
        level: Option<LogLevel>,
    },
    /// Print what a run was given and what its steps handed on
    ///
    /// Example: pfctl run data isapp-01890a5d-ac96-774b-bcce-b30200000000
    Data {
        /// isapp-… or istask-…
        id: String,
    },
    /// Run it once more, with the same parameters, configuration object and queue
    ///
    /// Example: pfctl run replay isapp-01890a5d-ac96-774b-bcce-b30200000000 --follow
    Replay {
        /// isapp-…
        id: String,
        #[command(flatten)]
        manner: Waiting,
    },
    /// Run again what of a run did not succeed, with the results of the rest
    ///
    /// A new run: steps that ended well are not executed again, what depends on the others is.
    ///
    /// Example: pfctl run retry isapp-01890a5d-ac96-774b-bcce-b30200000000 --follow
    ///
    /// Example: pfctl run retry isapp-01890a5d-ac96-774b-bcce-b30200000000 --from "create incident" -p urgency=1
    Retry {
        /// isapp-…, or istask-… for that step and what depends on it
        id: String,
        /// Begin with this step, though it ended well; may be repeated
        #[arg(long, value_name = "STEP")]
        from: Vec<String>,
        /// With the newest revision of the application and the active SyncPacks
        #[arg(long)]
        newest: bool,
        #[command(flatten)]
        params: Params,
        #[command(flatten)]
        manner: Waiting,
    },
    /// Cancel runs: some, or all that have not ended
    ///
    /// What waits never starts, what executes is stopped. To stop one step of a run alone,
    /// see `pfctl task revoke`.
    ///
    /// Example: pfctl run cancel isapp-01890a5d-ac96-774b-bcce-b30200000000
    ///
    /// Example: pfctl run cancel --all --application sync --queue acme
    Cancel {
        /// isapp-…
        #[arg(required_unless_present = "all")]
        ids: Vec<String>,
        /// All runs that have not ended, of every user
        #[arg(long, conflicts_with = "ids")]
        all: bool,
        /// With --all: only runs of this application
        #[arg(
            long,
            short,
            value_name = "NAME",
            requires = "all",
            conflicts_with = "ids"
        )]
        application: Option<String>,
        /// With --all: only runs on this queue
        #[arg(long, requires = "all", conflicts_with = "ids")]
        queue: Option<String>,
        /// Do not ask
        #[arg(long, short, requires = "all", conflicts_with = "ids")]
        yes: bool,
    },
    /// Pause runs: their steps do not start until they are resumed
    ///
    /// Steps that execute go on to their end. Runs are accepted and wait, also those that
    /// schedules start.
    ///
    /// Example: pfctl run pause --queue acme --reason "ServiceNow is being upgraded"
    ///
    /// Example: pfctl run pause --all
    Pause {
        #[command(flatten)]
        which: Held,
        /// Why, in one line: shown with every run that waits for it
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// End a pause: what waited goes on
    ///
    /// Name what the pause names, as `pfctl run pauses` shows it.
    ///
    /// Example: pfctl run resume --queue acme
    Resume {
        #[command(flatten)]
        which: Held,
    },
    /// List what is paused, since when, by whom and why
    ///
    /// Example: pfctl run pauses
    Pauses,
    /// Many runs together: cancel, retry, replay
    #[command(subcommand)]
    Bulk(bulk::Command),
    /// Steps that failed because their workers were lost
    #[command(subcommand)]
    DeadLetters(dead_letters::Command),
}

/// Does it.
pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    let client = session.client()?;
    let list_of_its_kind = match &command {
        Command::Bulk(_) => "pfctl run bulk list",
        Command::DeadLetters(_) => "pfctl run dead-letters list",
        _ => "pfctl run list",
    };
    let done = match command {
        Command::List {
            application,
            state,
            queue,
            config,
            limit,
            after,
        } => {
            let query = [
                ("application", application),
                ("state", (!state.is_empty()).then(|| state.join(","))),
                ("queue", queue),
                ("configuration", config),
            ]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect::<Vec<_>>();
            list(session, &client, &query, after, limit as usize).await
        }
        Command::Show { id } => show(session, &client, known(&id)?).await,
        Command::Logs { id, follow, level } => {
            logs(session, &client, known(&id)?, follow, level).await
        }
        Command::Data { id } => data(session, &client, known(&id)?).await,
        Command::Replay { id, manner } => {
            let request = client.request(Method::POST, &["tasks", known(&id)?, "replay"]);
            manner.start(session, &client, request).await
        }
        Command::Retry {
            id,
            from,
            newest,
            params,
            manner,
        } => {
            let revision = if newest { "newest" } else { "original" };
            let body = json!({"from": from, "revision": revision, "params": params.read()?});
            let request = client
                .request(Method::POST, &["tasks", known(&id)?, "retry"])
                .json(&body);
            manner.start(session, &client, request).await
        }
        Command::Cancel {
            all: true,
            application,
            queue,
            yes,
            ..
        } => cancel_all(session, &client, application, queue, yes).await,
        Command::Cancel { ids, .. } => cancel(session, &client, &ids).await,
        Command::Pause { which, reason } => pause(session, &client, &which, &reason).await,
        Command::Resume { which } => resume(session, &client, &which).await,
        Command::Pauses => pauses(session, &client).await,
        Command::Bulk(command) => bulk::run(session, &client, command).await,
        Command::DeadLetters(command) => dead_letters::run(session, &client, command).await,
    };
    done.map_err(|failure| match failure.exit {
        Exit::NotFound => failure.next(list_of_its_kind),
        _ => failure,
    })
}

/// The id, unless no run and no step can have it: then there is nothing of that name.
pub(super) fn known(id: &str) -> Result<&str, Failure> {
    if id.parse::<AnyRef>().is_ok() {
        return Ok(id);
    }
    let message = format!(
        "`{id}` is no id: a run's is isapp- and a UUID, as isapp-01890a5d-ac96-774b-bcce-b30200000000, a step's istask- and a UUID; `pfctl application run` prints that of the run, `pfctl run list` shows those that there are, and `pfctl run show ID --json` those of a run's steps"
    );
    Err(Failure::new(Exit::NotFound, "PF-0404", message).next("pfctl run list"))
}

/// The words that stand for a run's states.
fn states() -> PossibleValuesParser {
    PossibleValuesParser::new(RunState::ALL.iter().map(|state| state.word()))
}

async fn list(
    session: &Session,
    client: &Client,
    query: &[(&str, String)],
    after: Option<String>,
    limit: usize,
) -> Result<Exit, Failure> {
    let (items, next) = client.list_from(&["runs"], query, after, limit).await?;
    let shown = items.len() as u64;
    session
        .output
        .result(&json!({"items": items, "next": next}), |_| {
            let rows: Vec<_> = items
                .iter()
                .map(|run| {
                    let steps = format!(
                        "{}/{}",
                        text(&run["steps_ended"]),
                        text(&run["steps_total"])
                    );
                    let took = duration(&run["started_at"], &run["finished_at"]);
                    vec![
                        text(&run["task_id"]),
                        text(&run["application"]),
                        text(&run["state"]),
                        steps,
                        time(&run["created_at"]),
                        took,
                        text(&run["configuration"]),
                    ]
                })
                .collect();
            table(
                &[
                    "run",
                    "application",
                    "state",
                    "steps ended",
                    "accepted",
                    "took",
                    "configuration",
                ],
                &rows,
            )
        });
    if let Some(next) = next {
        session.output.remark(&format!(
            "there are more than {}; those behind: the same command with --after {}, or a larger --limit",
            count(shown, "run"),
            shell::word(&next)
        ));
    }
    Ok(Exit::Success)
}

async fn show(session: &Session, client: &Client, id: &str) -> Result<Exit, Failure> {
    let task = client.get(&["tasks", id]).await?.json()?;
    session.output.result(&task, |task| {
        if task["run"].is_null() {
            return summary(task);
        }
        // A step is shown as the only one of its run.
        let mut run = task["run"].clone();
        run["steps"] = json!([task]);
        summary(&run)
    });
    Ok(Exit::Success)
}

async fn logs(
    session: &Session,
    client: &Client,
    id: &str,
    follow: bool,
    level: Option<LogLevel>,
) -> Result<Exit, Failure> {
    let level = level.map(|level| (level as u8).to_string());
    let mut after: Option<String> = None;
    loop {
        let part = log_part(client, id, after.as_deref(), level.as_deref())
            .await?
            .json()?;
        let lines = part["items"].as_array().map_or(&[][..], Vec::as_slice);
        for line in lines {
            // One JSON document a line, so that a log can be followed by programs too.
            output::line(&if session.output.json {
                line.to_string()
            } else {
                log_line(line)
            });
        }
        // A part may be empty, because no line of it has the level, and others follow.
        let next = part["next"].as_str().map(str::to_owned);
        let stands = next == after;
        after = next;
        match (part["more"] == true, follow, stands) {
            (false, true, _) => break,
            (false, false, _) | (true, false, true) => return Ok(Exit::Success),
            (true, true, true) => tokio::time::sleep(POLL).await,
            (true, _, false) => {}
        }
    }
    let task = client.get(&["tasks", id]).await?.json()?;
    Ok(match task["state"].as_str() {
        Some("failed" | "cancelled") => Exit::RunFailed,
        _ => Exit::Success,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::arguments::Arguments;

    #[test]
    fn what_can_be_no_id_is_not_found() {
        let id = "isapp-01890a5d-ac96-774b-bcce-b30200000000";
        assert_eq!(known(id).unwrap(), id);
        for wrong in [
            "",
            "incident",
            "isapp-1",
            "01890a5d-ac96-774b-bcce-b30200000000",
        ] {
            assert_eq!(known(wrong).unwrap_err().exit, Exit::NotFound, "{wrong}");
        }
    }

    #[test]
    fn wrong_words_and_numbers_are_wrong_command_lines() {
        let parses = |line: &str| Arguments::try_parse_from(line.split(' ')).is_ok();
        assert!(parses("pfctl run list --state failed,warning -n 1"));
        assert!(parses("pfctl run logs x --level warning"));
        assert!(parses("pfctl run cancel isapp-1 isapp-2"));
        assert!(parses("pfctl run cancel --all --queue q -a sync --yes"));
        for wrong in [
            "pfctl run list --state broken",
            "pfctl run list --state failed,broken",
            "pfctl run list --limit 0",
            "pfctl run logs x --level loud",
            "pfctl run cancel",
            "pfctl run cancel isapp-1 --all",
            "pfctl run cancel isapp-1 --queue q",
            "pfctl run cancel --application sync",
        ] {
            assert!(!parses(wrong), "{wrong}");
        }
    }
}
