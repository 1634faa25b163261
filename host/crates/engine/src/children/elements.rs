//! What a step makes of the runs for the elements of its list.

use futures::{FutureExt as _, StreamExt as _};
use model::{id::Ordinal, state::RunState};
use serde_json::{Value, json};
use store::runs::Child;

use super::{
    request::OnFailure,
    results::{NAMED, Results, TOGETHER},
};
use crate::{Engine, error::Result, problem::Problem};

/// The only step of such a run.
const ONLY: Ordinal = Ordinal(0);

/// Whether there is data of it.
fn is_good(child: Option<&Child>) -> bool {
    child.is_some_and(|child| matches!(child.state, RunState::Success | RunState::Warning))
}

impl Engine {
    /// The data of each element in the list's order, null for one that failed.
    pub(super) async fn element_results(
        &self,
        children: &[Option<Child>],
        on_failure: OnFailure,
    ) -> Result<Results> {
        let failed: Vec<usize> = (0..children.len())
            .filter(|&at| !is_good(children[at].as_ref()))
            .collect();
        if on_failure == OnFailure::Fail && !failed.is_empty() {
            return Ok(Results::Failed(
                self.elements_failed(children, &failed).await?,
            ));
        }
        let mut reading = Vec::with_capacity(children.len());
        for child in children {
            reading.push(self.element_data(child.as_ref()).boxed());
        }
        let mut entries = futures::stream::iter(reading).buffered(TOGETHER);
        let limit = self.limits.output_bytes;
        let mut data = String::from("[");
        while let Some(entry) = entries.next().await {
            let entry = entry?;
            if data.len() + entry.len() + 2 > limit {
                return Ok(Results::Failed(Problem::permanent(
                    "output-too-large",
                    format!(
                        "the data of {} elements together is larger than a step's data may be ({limit} bytes): let the step hand on less of each",
                        children.len()
                    ),
                )));
            }
            if data.len() > 1 {
                data.push(',');
            }
            data.push_str(&entry);
        }
        data.push(']');
        let warning = (!failed.is_empty()).then(|| {
            let places: Vec<String> = failed.iter().take(NAMED).map(usize::to_string).collect();
            let more = if failed.len() > NAMED { " …" } else { "" };
            format!(
                "{} of {} elements failed, their data is null: {}{more}",
                failed.len(),
                children.len(),
                places.join(", ")
            )
        });
        Ok(Results::Data(data, warning))
    }

    async fn element_data(&self, child: Option<&Child>) -> Result<String> {
        let Some(child) = child.filter(|one| is_good(Some(one))) else {
            return Ok("null".to_owned());
        };
        let outputs = self
            .store
            .outputs(child.run, child.expires_at, &[ONLY])
            .await?;
        let bytes = outputs.into_iter().next().flatten().unwrap_or_default();
        let text = std::str::from_utf8(&bytes).unwrap_or_default();
        Ok(if text.is_empty() { "null" } else { text }.to_owned())
    }

    /// Why a step fails some of whose elements did, with the place of each and its error.
    async fn elements_failed(
        &self,
        children: &[Option<Child>],
        failed: &[usize],
    ) -> Result<Problem> {
        let mut named: Vec<Value> = Vec::new();
        for &at in failed.iter().take(NAMED) {
            let Some(child) = &children[at] else {
                named.push(json!({"index": at}));
                continue;
            };
            let error = self
                .store
                .error(child.run, child.expires_at, ONLY)
                .await?
                .and_then(|error| serde_json::from_slice::<Value>(&error).ok());
            named.push(json!({
                "index": at,
                "run_id": child.reference.to_string(),
                "state": child.state.word(),
                "error": error,
            }));
        }
        let why = named
            .first()
            .and_then(|one| one["error"]["message"].as_str())
            .map_or_else(String::new, |message| format!(": {message}"));
        let problem = Problem::permanent(
            "element-failed",
            format!(
                "{} of {} elements failed, the first: element {}{why}",
                failed.len(),
                children.len(),
                failed.first().copied().unwrap_or_default(),
            ),
        );
        Ok(problem.with_detail(json!({ "elements": named })))
    }
}
