//! Tasks: runs (`isapp-…`) and the steps of runs (`istask-…`).

pub(crate) mod cancel;
pub(crate) mod data;
pub(crate) mod events;
pub(crate) mod get;
pub(crate) mod logs;
pub(crate) mod replay;
pub(crate) mod retry;
pub(crate) mod revoke;

use model::id::{AnyRef, RunRef};

use crate::problem::{Answer, Problem};

/// The run that is meant; a step's id is refused with the id of its run.
fn run_only(task: AnyRef, what: &str) -> Answer<RunRef> {
    match task {
        AnyRef::Run(run) => Ok(run),
        AnyRef::Task(task) => {
            let hint = task
                .split()
                .map(|(run, _)| format!("; the run of this step is {run}"))
                .unwrap_or_default();
            Err(Problem::unreadable_at(
                "id",
                format!("only a run can be {what}, and this is the id of a step{hint}"),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{clock::Timestamp, id::Ordinal};

    use super::*;

    #[test]
    fn the_id_of_a_step_leads_to_its_run() {
        let run = RunRef::new(Timestamp::from_seconds(1_800_000_000), 7);
        assert_eq!(run_only(AnyRef::Run(run), "cancelled").unwrap(), run);
        let problem = run_only(AnyRef::Task(run.task(Ordinal(0))), "cancelled").unwrap_err();
        let text = String::from_utf8(problem.document("/", "1")).unwrap();
        assert!(text.contains(&run.to_string()), "{text}");
    }
}
