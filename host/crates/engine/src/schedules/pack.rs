//! The schedules that a SyncPack brings.

use model::{
    schedule::{Compiled, Schedule as Document, code},
    validate::Severity,
};
use serde_json::Value;
use store::schedules::SaveSchedule;

use super::place;
use crate::{
    Engine,
    definitions::faults,
    error::{Error, Fault, Result},
    view::Caller,
};

/// The schedules of a pack, read; refused with everything that is wrong with them.
pub(crate) fn read_brought(documents: &[Value]) -> Result<Vec<(Document, Compiled)>> {
    let (mut read, mut wrong) = (Vec::new(), Vec::new());
    for (index, document) in documents.iter().enumerate() {
        let place = format!("/schedules/{index}");
        let mut document = match Document::from_value(document.clone()) {
            Ok(document) => document,
            Err(error) => {
                wrong.push(Fault {
                    code: code::UNREADABLE.to_owned(),
                    at: place,
                    message: error.to_string(),
                });
                continue;
            }
        };
        let (compiled, problems) = document.compile();
        if let Some(compiled) = compiled {
            document.set_name(&compiled.name);
            read.push((document, compiled));
        }
        let errors = faults(&problems, Severity::Error).into_iter();
        wrong.extend(errors.map(|fault| Fault {
            at: format!("{place}{}", fault.at),
            ..fault
        }));
    }
    if wrong.is_empty() {
        return Ok(read);
    }
    Err(Error::Invalid {
        what: "SyncPack",
        faults: wrong,
    })
}

impl Engine {
    /// The schedules of a pack's version, ready to be saved with its activation. One that
    /// was there before keeps its place in time.
    pub(crate) async fn brought_schedules(
        &self,
        caller: &Caller,
        origin: &str,
        documents: &[Value],
    ) -> Result<Vec<SaveSchedule>> {
        let mut saves = Vec::new();
        let now = self.now();
        for (document, compiled) in read_brought(documents)? {
            let found = self.store.schedule(caller.tenant, &compiled.name).await?;
            let (anchor, next_due) = place(found.as_ref(), &compiled, now);
            saves.push(SaveSchedule {
                tenant: caller.tenant,
                name: compiled.name,
                application: compiled.application,
                document: document.to_pretty(),
                origin: Some(origin.to_owned()),
                enabled: compiled.enabled,
                anchor,
                next_due,
                by: caller.name.clone(),
                at: now,
                expected: None,
            });
        }
        Ok(saves)
    }
}
