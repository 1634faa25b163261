//! An attempt of a step ends.

use model::{flow::Route, flow::advance, state::StepState};
use store::{
    Error, Result,
    runs::{Completed, Completion},
};

use super::{
    activate::Event,
    rows::{Chunk, Payload, Rows, Wanted},
};

/// What of the run has to be read before [`complete`].
pub(crate) fn want(end: &Completion, wanted: &mut Wanted) {
    wanted.step(end.key);
    let successors = end.graph.successors(end.key.step);
    let all_live = matches!(end.state, StepState::Success | StepState::Warning)
        && matches!(end.route, Route::All)
        && !end.graph.handles(end.key.step);
    // A step that ends unexecuted signals on, to joins farther away.
    if successors.iter().any(|&next| end.graph.inputs(next) > 1)
        || !(all_live || successors.is_empty())
    {
        wanted.joins(end.key.run);
    }
}

pub(crate) fn complete(rows: &mut Rows, end: &Completion) -> Result<Completed> {
    let (Some(run), Some(step)) = (rows.run(end.key.run).cloned(), rows.step(end.key)) else {
        return Ok(Completed::Fenced);
    };
    if !step.is_run_by(end.token) {
        return Ok(Completed::Fenced);
    }
    let seq = run.seq + 1;
    store_result(rows, end, seq);
    let mut event = Event {
        rows,
        run: end.key.run,
        seq,
        at: end.at,
    };
    let mut next = advance(&end.graph, end.key.step, end.state, &end.route, &mut event)?;
    for (step, state) in next.unexecuted() {
        event.end_unexecuted(step, state);
    }
    let claimed = event.start(&mut next.ready, end.claim.filter(|_| !run.paused));
    let mut tally = run.tally;
    let ended = tally
        .end(
            end.graph.counted(end.key.step, end.state),
            next.unexecuted_len(),
        )
        .map_err(|error| Error::miscounted(end.key.run, error))?;
    rows.change_run(end.key.run, |run| {
        run.seq = seq;
        run.tally = tally;
        if let Some(state) = ended {
            run.state = state;
            run.finished_at = Some(end.at.0);
        }
    });
    if let (Some(_), Some(parent)) = (ended, end.parent) {
        rows.child_ends.push((parent, end.key.run));
    }
    Ok(Completed::Stored {
        claimed,
        ready: next.ready,
        ended,
        // Known when all of the batch is.
        handed: false,
    })
}

fn store_result(rows: &mut Rows, end: &Completion, seq: i64) {
    let (key, day) = (end.key, end.expires_at.day());
    if end.output.is_some() || end.error.is_some() {
        rows.payloads.push(Payload {
            key,
            day,
            data: end.output.clone(),
            error: end.error.clone(),
        });
    }
    if let Some(lines) = &end.log {
        rows.logs.push(Chunk {
            key,
            token: end.token,
            day,
            lines: lines.clone(),
        });
    }
    rows.change_step(key, |step| {
        step.state = end.state;
        step.seq = seq;
        step.finished_at = Some(end.at.0);
    });
}

/// Log lines of an attempt, also of one that was cancelled while it ran. Those of one that
/// has been fenced are dropped: it learns so when it ends.
pub(crate) fn append_log(rows: &mut Rows, lines: Chunk) {
    let kept = rows.step(lines.key).is_some_and(|step| {
        step.is_run_by(lines.token)
            || (step.state == StepState::Cancelled && step.token == lines.token.0)
    });
    if kept {
        rows.logs.push(lines);
    }
}
