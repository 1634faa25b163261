//! What is said about requests of runs that are odd, in words that fit the request.

use model::{parameters::RunParameters, plan::run_code, validate::pointer};

use crate::error::Fault;

/// Parameters that hold what would be a reference in an application's document.
pub(crate) fn taken_as_text(parameters: &RunParameters) -> impl Iterator<Item = Fault> {
    parameters.with_references().map(|(name, kind)| Fault {
        code: run_code::AS_TEXT.to_owned(),
        at: format!("/params/{}", pointer(name)),
        message: format!(
            "the value of `{name}` is taken as text: `${{{kind}…}}` is a reference in an application's document, and not in what a run is given"
        ),
    })
}

/// A step that is run by itself has neither an entry nor application variables to give it
/// what it lacks.
pub(crate) fn of_step_alone(fault: &mut Fault) {
    if fault.code == run_code::PARAMETER
        && let Some((lacks, give)) = fault.message.rsplit_once("; give `")
        && let Some((name, _)) = give.split_once("` in the run's params")
    {
        fault.message = format!("{lacks}; give `{name}` in the run's params (--param of pfctl)");
    }
}
