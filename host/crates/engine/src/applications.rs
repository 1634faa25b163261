//! Saving, reading and checking applications.

use std::sync::Arc;

use model::{
    application::Application,
    id::TenantId,
    plan::run_code,
    validate::{Severity, configured, validate},
};
use serde_json::Value;
use store::{
    Page,
    definitions::{Definition, Kind},
};

use crate::{
    Engine,
    calls::CIRCLE,
    definitions::{MAX_DOCUMENT, agreed_name, lacks_name, refuse_other_kind, unreadable},
    error::{Error, Fault, Result},
    prepared::Configured,
    submit::STEP_PREFIX,
    view::{Caller, Found, Saved},
};

const WHAT: &str = "application";
/// How often a save is tried while others change what it relies on.
const TRIES: u32 = 8;

/// Codes of problems that keep an application from being stored at all. The others,
/// such as a step whose pack is not active yet, are told and keep it from running.
const REFUSED: [&str; 12] = [
    CIRCLE,
    model::validate::code::WRONG_TYPE,
    model::validate::code::NAME_MISSING,
    model::validate::code::NAME_LONG,
    model::validate::code::DUPLICATE_STEP,
    model::validate::code::DANGLING,
    model::validate::code::SELF_EDGE,
    model::validate::code::CYCLE,
    model::validate::code::VARIABLE_CYCLE,
    model::validate::code::TOO_MANY,
    model::validate::code::TIME_LIMIT,
    model::validate::code::ON_WORKER_LOST,
];

/// Codes of warnings that an application can be stored with and cannot run with.
const BLOCKING: [&str; 2] = [
    model::validate::code::OPERATOR,
    model::validate::code::EMPTY,
];

fn parse(document: &str) -> Result<Application> {
    if document.len() > MAX_DOCUMENT {
        return Err(unreadable(
            WHAT,
            "PF-A001",
            &format!("the document is longer than {MAX_DOCUMENT} bytes"),
        ));
    }
    let document: Value = serde_json::from_str(document)
        .map_err(|error| unreadable(WHAT, "PF-A001", &model::application::Error::from(error)))?;
    refuse_other_kind(Kind::Application, &document)?;
    Application::from_value(document).map_err(|error| unreadable(WHAT, "PF-A001", &error))
}

impl Engine {
    /// Saves an application under `name`, or under the document's own.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every fault of its structure, [`Error::Conflict`] when
    /// `expected` is not the newest revision. What keeps it only from running, such as
    /// a step whose pack is not active, comes as a warning.
    pub async fn save_application(
        &self,
        caller: &Caller,
        name: Option<&str>,
        document: &str,
        expected: Option<i64>,
    ) -> Result<Saved> {
        let mut application = parse(document)?;
        // A friendly name gives one only where nothing else does.
        let own = match name {
            Some(_) => application.name().map(str::to_owned),
            None => application.name_or_derived(None),
        };
        let name = agreed_name(WHAT, name, own)?;
        let named = application.name() == Some(name.as_str());
        if !named && lacks_name(application.document().get("name")) {
            application.set_name(&name);
        }
        let friendly_name = application.friendly_name().unwrap_or(&name).to_owned();
        let document = if named {
            document.to_owned()
        } else {
            application.to_pretty()
        };
        for _ in 0..TRIES {
            let (found, relies) = self.acceptable(caller.tenant, &application).await?;
            let saved = self.save_definition(
                caller,
                Kind::Application,
                name.clone(),
                friendly_name.clone(),
                document.clone(),
                (expected, relies),
                found,
            );
            if let Some(saved) = saved.await? {
                return Ok(saved);
            }
        }
        Err(Error::Busy(format!(
            "the applications that `{name}` starts are being changed all the time: save it again"
        )))
    }

    /// What is odd about an application that can be stored, and what it relies on for that.
    async fn acceptable(
        &self,
        tenant: TenantId,
        application: &Application,
    ) -> Result<(Found, Vec<(String, i64)>)> {
        let (found, relies) = self.problems(tenant, application).await?;
        if found
            .faults
            .iter()
            .any(|fault| REFUSED.contains(&fault.code.as_str()))
        {
            let mut faults = found.faults;
            faults.retain(|fault| REFUSED.contains(&fault.code.as_str()));
            return Err(Error::Invalid { what: WHAT, faults });
        }
        Ok((found, relies))
    }

    /// One application.
    pub async fn application(&self, tenant: TenantId, name: &str) -> Result<Definition> {
        self.find(tenant, Kind::Application, name).await
    }

    /// Applications by name.
    pub async fn applications(
        &self,
        tenant: TenantId,
        search: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Definition>> {
        let limit = limit.clamp(1, 200);
        let mut page = self
            .store
            .definitions(tenant, Kind::Application, search, after, limit)
            .await?;
        page.items.retain(|one| !one.name.starts_with(STEP_PREFIX));
        Ok(page)
    }

    /// The names of the applications for which `holds`.
    pub(crate) async fn applications_where(
        &self,
        tenant: TenantId,
        holds: impl Fn(&Application) -> bool,
    ) -> Result<Vec<String>> {
        let (mut names, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = self
                .store
                .definitions(tenant, Kind::Application, "", after.as_deref(), 200)
                .await?;
            for one in page.items {
                let document = Application::parse(&one.document).ok();
                if !one.name.starts_with(STEP_PREFIX) && document.is_some_and(|one| holds(&one)) {
                    names.push(one.name);
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(names);
            }
        }
    }

    /// Deletes an application that no schedule runs; its past runs stay.
    ///
    /// # Errors
    /// [`Error::InUse`] naming schedules.
    pub async fn delete_application(
        &self,
        caller: &Caller,
        name: &str,
        expected: Option<i64>,
    ) -> Result<()> {
        self.refuse_scheduled(caller.tenant, name).await?;
        self.delete_by_name(caller, Kind::Application, name, expected)
            .await
    }

    /// Everything that keeps a document from running, and what is only odd about it.
    pub async fn validate_application(&self, tenant: TenantId, document: &str) -> Result<Found> {
        let mut application = parse(document)?;
        if application.name().is_none()
            && let Some(name) = application.name_or_derived(None)
        {
            application.set_name(&name);
        }
        let (found, _) = self.problems(tenant, &application).await?;
        Ok(found)
    }

    /// What keeps an application from running, and what is odd about it; and which
    /// applications, of which revisions, were looked at for that.
    async fn problems(
        &self,
        tenant: TenantId,
        application: &Application,
    ) -> Result<(Found, Vec<(String, i64)>)> {
        let mut problems = validate(application, &*self.catalogue.active(tenant));
        problems.extend(self.settings.beyond_maximum(application));
        let mut faults = Vec::new();
        match self.aligned(tenant, application).await {
            Ok(aligned) => problems.extend(configured(
                application,
                aligned.as_deref().map(|one| &one.resolved),
            )),
            Err(Error::NotFound { what, name, hint }) => faults.push(Fault {
                code: run_code::NO_CONFIGURATION.to_owned(),
                at: "/configuration".to_owned(),
                message: format!(
                    "there is no {what} `{name}`{hint} Upload it, or name another",
                    hint = if hint.is_empty() { "." } else { &hint }
                ),
            }),
            Err(Error::CannotRun { faults: own, .. }) => {
                faults.extend(own.into_iter().map(|fault| Fault {
                    at: "/configuration".to_owned(),
                    ..fault
                }));
            }
            Err(error) => return Err(error),
        }
        let (blocking, odd): (Vec<_>, Vec<_>) = problems.iter().partition(|problem| {
            problem.severity == Severity::Error || BLOCKING.contains(&problem.code)
        });
        faults.extend(blocking.into_iter().map(Fault::from));
        let calls = self.follow_calls(tenant, application).await?;
        faults.extend(calls.fault);
        let found = Found {
            faults,
            warnings: odd.into_iter().map(Fault::from).collect(),
        };
        Ok((found, calls.relies))
    }

    /// The configuration object that an application names.
    async fn aligned(
        &self,
        tenant: TenantId,
        application: &Application,
    ) -> Result<Option<Arc<Configured>>> {
        match application.configuration() {
            None | Some("none") => Ok(None),
            Some(name) => self.configured(tenant, name).await.map(Some),
        }
    }
}
