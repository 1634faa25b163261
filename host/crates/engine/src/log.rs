//! Log lines as they are stored, and as people read them.

use std::{borrow::Cow, collections::HashSet};

use model::{
    clock::Timestamp,
    id::{AnyRef, Ordinal, TenantId},
    log::Level,
    mask::MASK,
    state::StepState,
};
use serde::{Deserialize, Serialize};
use store::runs::{RunSummary, StepSummary};

use crate::{
    Engine,
    error::{Error, Result},
    view::{LogLine, LogPage},
};

/// A text with `********` for each handle of a secret: a handle is of no use outside its attempt,
/// and whoever reads one in a log must not think that it is the secret.
pub(crate) fn without_handles(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.contains(runtime::HANDLE_PREFIX) {
        return text;
    }
    let mut parts = text.split(runtime::HANDLE_PREFIX);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str(MASK);
        shown.push_str(part.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric()));
    }
    Cow::Owned(shown)
}

/// A stored line.
#[derive(Serialize, Deserialize)]
pub(crate) struct Stored<'a> {
    #[serde(rename = "t")]
    pub(crate) time: Timestamp,
    #[serde(rename = "l")]
    pub(crate) level: u8,
    #[serde(rename = "m")]
    pub(crate) message: Cow<'a, str>,
}

/// How far a reader has come: the last chunk, the last event of the run, and the
/// attempts whose start was shown and whose stop was not.
#[derive(Default, PartialEq, Debug)]
struct Cursor {
    chunk: i64,
    seq: i64,
    open: Vec<(u32, i64)>,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.chunk, self.seq)?;
        for (step, attempt) in &self.open {
            write!(f, ".{step}-{attempt}")?;
        }
        Ok(())
    }
}

impl std::str::FromStr for Cursor {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('.');
        let mut number = || parts.next().and_then(|part| part.parse().ok()).ok_or(());
        let (chunk, seq) = (number()?, number()?);
        let open = parts
            .map(|part| {
                let (step, attempt) = part.split_once('-').ok_or(())?;
                Ok((
                    step.parse().map_err(|_| ())?,
                    attempt.parse().map_err(|_| ())?,
                ))
            })
            .collect::<Result<_, ()>>()?;
        Ok(Self { chunk, seq, open })
    }
}

impl Engine {
    /// The log of a run or of one of its steps, the oldest lines first. `after` is the
    /// `next` of the page before; lines below `level` are left out, but for FLOW
    /// lines. Those that say when a step started and stopped, and those that say why it failed,
    /// are made from the steps themselves and are there at every level of the run.
    pub async fn log(
        &self,
        tenant: TenantId,
        of: AnyRef,
        after: Option<&str>,
        limit: usize,
        level: u8,
    ) -> Result<LogPage> {
        let (run, step) = self.split(of)?;
        let mut cursor: Cursor = after
            .filter(|text| !text.is_empty())
            .map_or(Ok(Cursor::default()), str::parse)
            .map_err(|()| Error::Position(after.unwrap_or_default().to_owned()))?;
        let summary = self.summary(tenant, run).await?;
        let names = self.step_names(&summary).await?;
        let name = |step: Ordinal| names.get(step.index()).map_or("", String::as_str);
        // The steps first: a line stored in between is found by the next page.
        let steps = self.store.steps(summary.run, cursor.seq).await?;
        let limit = limit.clamp(1, 10_000);
        let chunks = self
            .store
            .log(summary.run, summary.expires_at, step, cursor.chunk, limit)
            .await?;
        let full = chunks.len() == limit;
        let mut lines = Vec::new();
        for chunk in chunks {
            cursor.chunk = chunk.id;
            let stored: Vec<Stored<'_>> =
                serde_json::from_slice(&chunk.lines).map_err(|error| {
                    Error::Internal(format!("a stored log cannot be read: {error}"))
                })?;
            lines.extend(stored.into_iter().map(|line| LogLine {
                time: line.time,
                level: line.level,
                step: name(chunk.step).to_owned(),
                attempt: chunk.token.0,
                message: line.message.into_owned(),
            }));
        }
        let (mut starts, mut ends) = (Vec::new(), Vec::new());
        let wanted = |one: &&StepSummary| step.is_none_or(|step| step == one.step);
        for one in steps.iter().filter(wanted) {
            started(one, name(one.step), &mut cursor.open, &mut starts);
            // Its end stands behind its lines, of which there are more when the part is full.
            if full {
                continue;
            }
            cursor.seq = cursor.seq.max(one.seq);
            ends.extend(self.reason(&summary, one, name(one.step)).await?);
            stopped(one, name(one.step), &mut cursor.open, &mut ends);
        }
        // A step may have started while the lines were read: its start stands before its lines.
        if !lines.is_empty() && !summary.state.is_final() {
            let newer = self.store.steps(summary.run, cursor.seq).await?;
            for one in newer.iter().filter(wanted) {
                started(one, name(one.step), &mut cursor.open, &mut starts);
            }
        }
        Ok(LogPage {
            lines: in_order(starts, lines, ends, level),
            next: cursor.to_string(),
            more: full || !summary.state.is_final(),
        })
    }
}

impl Engine {
    /// The line that says why a step failed, or of what it warns: made from the step as
    /// FLOW lines are.
    async fn reason(
        &self,
        run: &RunSummary,
        step: &StepSummary,
        name: &str,
    ) -> Result<Option<LogLine>> {
        let (Some(error), Some(time)) = (self.step_error(run, step).await?, step.finished_at)
        else {
            return Ok(None);
        };
        let text = |key: &str| error[key].as_str().unwrap_or_default();
        let message = format!("{} ({})", text("message"), text("code"));
        let level = match step.state {
            StepState::Warning => Level::Warning,
            _ => Level::Error,
        };
        Ok(Some(LogLine {
            time,
            level: level.code(),
            step: name.to_owned(),
            attempt: step.attempts,
            message: without_handles(message.into()).into_owned(),
        }))
    }
}

/// Lines of at least that level, and FLOW lines, in their order. Of one microsecond, what a step did that started
/// in it comes last: the end of a step is the moment in which the next one starts. Otherwise those
/// of one microsecond stay in the order in which they were stored.
fn in_order(
    starts: Vec<LogLine>,
    lines: Vec<LogLine>,
    ends: Vec<LogLine>,
    level: u8,
) -> Vec<LogLine> {
    let begun: HashSet<_> = starts
        .iter()
        .map(|line| (line.step.clone(), line.attempt, line.time))
        .collect();
    let mut all: Vec<LogLine> = starts.into_iter().chain(lines).chain(ends).collect();
    all.retain(|line| line.level >= level || line.level == Level::Flow.code());
    all.sort_by_cached_key(|line| {
        let begins = begun.contains(&(line.step.clone(), line.attempt, line.time));
        (line.time, begins)
    });
    all
}

/// A FLOW line of a step.
fn flow(step: &StepSummary, name: &str, time: Timestamp, message: String) -> LogLine {
    LogLine {
        time,
        level: Level::Flow.code(),
        step: name.to_owned(),
        attempt: step.attempts,
        message,
    }
}

/// The FLOW line of the start of a step's newest attempt, unless the reader has seen it.
fn started(step: &StepSummary, name: &str, open: &mut Vec<(u32, i64)>, lines: &mut Vec<LogLine>) {
    let this = (step.step.0, step.attempts);
    let Some(time) = step.started_at.filter(|_| !open.contains(&this)) else {
        return;
    };
    lines.push(flow(step, name, time, format!("start {name}")));
    open.retain(|(ordinal, _)| *ordinal != step.step.0);
    open.push(this);
}

/// The FLOW line of a step's end, if it has ended and was started.
fn stopped(step: &StepSummary, name: &str, open: &mut Vec<(u32, i64)>, lines: &mut Vec<LogLine>) {
    let finished = step.finished_at.filter(|_| step.state.is_final());
    let Some(finished) = finished else { return };
    let Some(started) = step.started_at else {
        // Its result is that of the run that was retried.
        if matches!(step.state, StepState::Success | StepState::Warning) {
            lines.push(flow(step, name, finished, format!("kept {name}")));
        }
        return;
    };
    let seconds = finished.micros_since(started).max(0) as f64 / 1e6;
    let message = format!("stop {name}|{seconds:.6}");
    lines.push(flow(step, name, finished, message));
    open.retain(|one| *one != (step.step.0, step.attempts));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_ends_before_the_next_one_starts() {
        let line = |time: i64, step: &str, message: &str| LogLine {
            time: Timestamp(time),
            level: 25,
            step: step.to_owned(),
            attempt: 1,
            message: message.to_owned(),
        };
        let starts = vec![
            line(1, "a", "start a"),
            line(5, "b", "start b"),
            line(5, "c", "start c"),
        ];
        let lines = vec![line(5, "b", "of b"), line(5, "a", "of a")];
        let ends = vec![line(5, "a", "stop a"), line(5, "c", "stop c")];
        let told: Vec<_> = in_order(starts, lines, ends, 0)
            .into_iter()
            .map(|line| line.message)
            .collect();
        assert_eq!(
            told,
            [
                "start a", "of a", "stop a", "start b", "start c", "of b", "stop c"
            ]
        );
    }

    #[test]
    fn flow_lines_come_at_every_level() {
        let line = |level: u8, message: &str| LogLine {
            time: Timestamp(1),
            level,
            step: "a".to_owned(),
            attempt: 1,
            message: message.to_owned(),
        };
        let lines = vec![line(20, "info"), line(25, "flow"), line(40, "error")];
        let told = in_order(vec![line(25, "start a")], lines, vec![], 40);
        let told: Vec<_> = told.into_iter().map(|line| line.message).collect();
        assert_eq!(told, ["start a", "flow", "error"]);
    }

    #[test]
    fn a_position_survives_as_text() {
        let cursor = Cursor {
            chunk: 7,
            seq: 12,
            open: vec![(3, 1), (4, 2)],
        };
        assert_eq!(cursor.to_string().parse::<Cursor>(), Ok(cursor));
        assert_eq!("x.1".parse::<Cursor>(), Err(()));
    }
}
