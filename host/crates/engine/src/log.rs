//! Log lines as they are stored, and as people read them.

use std::borrow::Cow;

use model::{
    clock::Timestamp,
    id::{AnyRef, Ordinal, TenantId},
    log::Level,
    state::StepState,
};
use serde::{Deserialize, Serialize};
use store::runs::{RunSummary, StepSummary};

use crate::{
    Engine,
    error::{Error, Result},
    view::{LogLine, LogPage},
};

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
    /// `next` of the page before; lines below `level` are left out. FLOW lines, which
    /// say when a step started and stopped, and those that say why it failed are made from
    /// the steps themselves and are there at every level of the run.
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
        for one in steps
            .iter()
            .filter(|one| step.is_none_or(|step| step == one.step))
        {
            cursor.seq = cursor.seq.max(one.seq);
            flow(one, name(one.step), &mut cursor.open, &mut lines);
            lines.extend(self.reason(&summary, one, name(one.step)).await?);
        }
        lines.retain(|line| line.level >= level);
        // Stable: lines of one microsecond stay in the order in which they were stored.
        lines.sort_by_key(|line| line.time);
        Ok(LogPage {
            lines,
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
        let level = match step.state {
            StepState::Warning => Level::Warning,
            _ => Level::Error,
        };
        Ok(Some(LogLine {
            time,
            level: level.code(),
            step: name.to_owned(),
            attempt: step.attempts,
            message: format!("{} ({})", text("message"), text("code")),
        }))
    }
}

/// The FLOW lines of a step that the reader has not seen.
fn flow(step: &StepSummary, name: &str, open: &mut Vec<(u32, i64)>, lines: &mut Vec<LogLine>) {
    let line = |time, message| LogLine {
        time,
        level: Level::Flow.code(),
        step: name.to_owned(),
        attempt: step.attempts,
        message,
    };
    let Some(started) = step.started_at else {
        return;
    };
    let this = (step.step.0, step.attempts);
    if !open.contains(&this) {
        lines.push(line(started, format!("start {name}")));
        open.retain(|(ordinal, _)| *ordinal != step.step.0);
        open.push(this);
    }
    if let Some(finished) = step.finished_at.filter(|_| step.state.is_final()) {
        let seconds = finished.micros_since(started).max(0) as f64 / 1e6;
        lines.push(line(finished, format!("stop {name}|{seconds:.6}")));
        open.retain(|one| *one != this);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
