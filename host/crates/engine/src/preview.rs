//! What an operator would make of given data, or of the data of a past run. It is evaluated
//! in the sandbox, as in a run, and nothing is stored.

use std::{collections::HashMap, sync::Arc, time::Duration};

use model::{
    application::Application,
    id::{Ordinal, RunRef, TenantId},
    mask::Masker,
    operator,
    plan::{NoHandles, Plan, PlannedStep, ResolvedParameters, Scope},
    validate::{Problem, Severity, code},
};
use serde::Serialize;
use serde_json::{Map, Value, json, value::RawValue};
use store::runs::RunSummary;
use tokio_util::sync::CancellationToken;

use crate::{
    Engine,
    error::{Error, Fault, Result},
    inputs::Input,
    prepared::Configured,
    worker::AnyStep,
};

/// How long an evaluation may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// How many go on at a time.
pub(crate) const AT_ONCE: usize = 4;
const WHAT: &str = "operator";

/// What a preview is evaluated on.
#[derive(Debug)]
pub enum PreviewOn {
    /// JSON by step name.
    Data(HashMap<String, Box<RawValue>>),
    /// The data of a run's steps, with its parameters, application variables and
    /// configuration object.
    Run(RunRef),
}

/// What an operator would make.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Preview {
    /// Its data: a JSON text, masked. `None` where it fails.
    pub data: Option<String>,
    /// The steps that a condition would lead to.
    pub next: Option<Vec<String>>,
    /// What it would log.
    pub log: Vec<String>,
    /// Why it fails.
    pub error: Option<PreviewError>,
}

/// Why an operator fails.
#[derive(Clone, Debug, Serialize)]
pub struct PreviewError {
    /// The stable code that the step would fail with.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// The line of the template.
    pub line: Option<u64>,
}

/// What an evaluation knows beside the operator.
struct Ground {
    application: Application,
    /// The operator's place in `steps`.
    at: usize,
    outputs: HashMap<Ordinal, String>,
    input: Input,
    configured: Option<Arc<Configured>>,
}

impl Engine {
    /// Evaluates an operator: an entry of `steps`.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every fault of the operator, [`Error::NotFound`] when there
    /// is no such run or configuration object. What goes wrong while it is evaluated is
    /// part of the answer.
    pub async fn preview(
        &self,
        tenant: TenantId,
        entry: Map<String, Value>,
        on: PreviewOn,
        configuration: Option<&str>,
    ) -> Result<Preview> {
        let _turn = self
            .previews
            .acquire()
            .await
            .map_err(|error| Error::Internal(error.to_string()))?;
        let mut past = None;
        let mut ground = match on {
            PreviewOn::Data(data) => on_data(entry, &data)?,
            PreviewOn::Run(run) => {
                let run = self.summary(tenant, run).await?;
                let ground = self.on_run(entry, &run).await?;
                past = Some(run);
                ground
            }
        };
        if let Some(name) = configuration {
            ground.configured = Some(self.configured(tenant, name).await?);
        }
        let plan = compiled(&ground)?;
        let step = plan
            .steps
            .get(ground.at)
            .ok_or_else(|| Error::Internal("the operator was not compiled".to_owned()))?;
        if let Some(run) = past {
            ground.outputs = self.outputs_for(step, &run).await?;
        }
        let masker = ground.input.masker(ground.configured.as_deref())?;
        let resolved = step.resolve(&Scope {
            run: &ground.input.parameters,
            configuration: ground.configured.as_deref().map(|one| &one.resolved),
            outputs: &ground.outputs,
            secret: &ground.input.secret,
            secrets: &NoHandles,
            limit: Scope::LIMIT,
        });
        match resolved {
            // It would wait, and hand on what it is given.
            Ok(resolved) if crate::delay::is_one(step) => {
                let parameters: Value = serde_json::from_str(&resolved.json).unwrap_or_default();
                let seconds = &parameters[operator::SECONDS];
                Ok(Preview {
                    data: Some(json!({operator::SECONDS: seconds}).to_string()),
                    ..Preview::default()
                })
            }
            // It would ask this.
            Ok(resolved) if crate::asks::asks_for(step).is_some() => Ok(Preview {
                data: Some(resolved.json),
                ..Preview::default()
            }),
            Ok(resolved) => {
                self.evaluate(tenant, (&plan, step), &ground, resolved, masker)
                    .await
            }
            Err(error) => Ok(Preview {
                error: Some(PreviewError {
                    code: error.code().to_owned(),
                    message: error.to_string(),
                    line: None,
                }),
                ..Preview::default()
            }),
        }
    }

    /// The application of a run, with the operator in the place of the step of its name or,
    /// where there is none, at its end.
    async fn on_run(&self, entry: Map<String, Value>, run: &RunSummary) -> Result<Ground> {
        let application = self.application_of(run).await?;
        let mut document = application.document().clone();
        let name = entry.get("name").and_then(Value::as_str);
        let own = application
            .steps()
            .find(|step| step.name().is_some() && step.name() == name);
        let count = application.steps().count();
        let at = own.map_or(count, |step| step.index);
        let Some(Value::Array(steps)) = document.get_mut("steps") else {
            return Err(Error::Internal(
                "the run's application has no steps".to_owned(),
            ));
        };
        if at < steps.len() {
            steps[at] = Value::Object(entry);
        } else {
            steps.push(Value::Object(named(entry)));
        }
        let configured = match &run.configuration_name {
            Some(name) => Some(self.configured(run.tenant, name).await?),
            None => None,
        };
        let input = self.open_input(&self.input(run).await?)?;
        Ok(Ground {
            application: Application::from_value(Value::Object(document))
                .map_err(|error| Error::Internal(error.to_string()))?,
            at,
            outputs: HashMap::new(),
            input,
            configured,
        })
    }

    /// The data of a past run that an operator reads.
    async fn outputs_for(
        &self,
        step: &PlannedStep,
        run: &RunSummary,
    ) -> Result<HashMap<Ordinal, String>> {
        let read: Vec<Ordinal> = step
            .data_from
            .iter()
            .copied()
            .filter(|from| from.0 < run.steps)
            .collect();
        let found = self.store.outputs(run.run, run.expires_at, &read).await?;
        let outputs = read
            .into_iter()
            .zip(found)
            .filter_map(|(step, output)| Some((step, String::from_utf8(output?.to_vec()).ok()?)));
        Ok(outputs.collect())
    }

    async fn evaluate(
        &self,
        tenant: TenantId,
        (plan, step): (&Plan, &PlannedStep),
        ground: &Ground,
        resolved: ResolvedParameters,
        masker: Masker,
    ) -> Result<Preview> {
        let active = self.catalogue.active(tenant);
        let pack = active.pack(operator::PACK).ok_or_else(|| {
            Error::PackState(format!(
                "the built-in SyncPack `{}` is not active",
                operator::PACK
            ))
        })?;
        let program = self.program(pack).await?;
        let log = Arc::new(runtime::LogBuffer::new(
            self.clock.clone(),
            runtime::Level::Debug,
            self.settings.log_limits,
        ));
        for reference in &resolved.missing {
            let message = format!("{reference} leads to no value and counts as null");
            log.append(runtime::Level::Warning, &message);
        }
        // Whoever asked may go away: then nobody needs the answer.
        let cancel = CancellationToken::new();
        let _gone = cancel.clone().drop_guard();
        let call = runtime::Call {
            step: step.file.as_str().into(),
            pack: pack.name.as_str().into(),
            parameters: resolved.json,
            data: data_of(plan, step, &ground.outputs),
            context: json!({
                "run_id": "", "task_id": "", "application": plan.name, "step": step.name,
                "configuration": ground.configured.as_deref().map(|one| &*one.name),
                "attempt": 1, "idempotency_key": "", "log_level": 10, "tenant": "default",
            })
            .to_string(),
            tenant,
            log: log.clone(),
            http: None,
            cache: false,
            masker: masker.clone(),
            secrets: runtime::SecretHandles::default(),
            limits: self.limits.clone(),
            trace: None,
            reuse: false,
            deadline: DEADLINE,
            cancel,
        };
        let sandbox = self.runtime.clone();
        let execution = self
            .guests
            .spawn(async move { sandbox.execute(&program, call).await })
            .await
            .map_err(|error| Error::Internal(error.to_string()))?;
        let lines = log.take();
        let mut preview = Preview {
            log: lines
                .iter()
                .map(|line| masker.mask(&line.message).into_owned())
                .collect(),
            ..Preview::default()
        };
        tell(&mut preview, execution.result, (plan, step), &masker)?;
        Ok(preview)
    }
}

/// Puts into a preview what its step made.
fn tell(
    preview: &mut Preview,
    result: std::result::Result<runtime::Outcome, runtime::Failure>,
    (plan, step): (&Plan, &PlannedStep),
    masker: &Masker,
) -> Result<()> {
    match result {
        Ok(runtime::Outcome::Output { data, .. }) => {
            let operator = step.operator.as_ref();
            let routing = operator.and_then(|one| one.routing.as_ref());
            preview.next = routing.and_then(|one| one.route_of(&data)).map(|route| {
                let model::flow::Route::Only(steps) = route else {
                    return Vec::new();
                };
                let names = steps.iter().filter_map(|at| plan.step(*at));
                names.map(|step| step.name.clone()).collect()
            });
            preview.data = Some(masker.mask_json(&data).into_owned());
        }
        Ok(runtime::Outcome::StartChildren(_)) => {
            return Err(Error::Internal("an operator asks for children".to_owned()));
        }
        Err(failure) => {
            let detail = failure.detail.as_deref().unwrap_or_default();
            let detail: Option<Value> = serde_json::from_str(detail).ok();
            preview.error = Some(PreviewError {
                code: failure.code,
                message: masker.mask(&failure.message).into_owned(),
                line: detail.and_then(|detail| detail.get("line")?.as_u64()),
            });
        }
    }
    Ok(())
}

/// The entry with a name; a preview needs none.
fn named(mut entry: Map<String, Value>) -> Map<String, Value> {
    let none = entry
        .get("name")
        .and_then(Value::as_str)
        .is_none_or(str::is_empty);
    if none {
        entry.insert("name".to_owned(), "operator".into());
    }
    entry
}

/// An application of stand-ins: a step for each name that has data or that the operator is
/// connected with.
fn on_data(entry: Map<String, Value>, data: &HashMap<String, Box<RawValue>>) -> Result<Ground> {
    let mut entry = named(entry);
    let own = entry
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    if data.contains_key(&own) {
        return Err(Error::Invalid {
            what: WHAT,
            faults: vec![Fault {
                code: code::DUPLICATE_STEP.to_owned(),
                at: "/data".to_owned(),
                message: format!("`{own}` is the name of the operator itself"),
            }],
        });
    }
    if !entry.contains_key("data_from") {
        let mut names: Vec<&String> = data.keys().collect();
        names.sort_unstable();
        entry.insert("data_from".to_owned(), json!(names));
    }
    let mut names: Vec<String> = data.keys().cloned().collect();
    names.sort_unstable();
    let mut add = |name: &str| {
        if name != own && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    };
    for key in ["data_from", "output_to"] {
        let list = entry.get(key).and_then(Value::as_array);
        list.into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .for_each(&mut add);
    }
    for branch in operator::branches(&entry) {
        branch.steps().for_each(|(_, name)| add(name));
    }
    let mut outputs = HashMap::new();
    for (at, name) in names.iter().enumerate() {
        if let Some(data) = data.get(name) {
            outputs.insert(Ordinal(at as u32), data.get().to_owned());
        }
    }
    let at = names.len();
    let stand_ins = names.iter().map(|name| json!({"name": name, "file": "-"}));
    let mut steps: Vec<Value> = stand_ins.collect();
    steps.push(Value::Object(entry));
    let application = Application::from_value(json!({"name": "preview", "steps": steps}))
        .map_err(|error| Error::Internal(error.to_string()))?;
    Ok(Ground {
        application,
        at,
        outputs,
        input: Input::default(),
        configured: None,
    })
}

/// The plan, unless something is wrong with the operator.
fn compiled(ground: &Ground) -> Result<Plan> {
    let own = format!("/steps/{}", ground.at);
    let (plan, problems) = Plan::sketch(&ground.application, &AnyStep);
    let blocks = |problem: &&Problem| {
        let blocking = problem.severity == Severity::Error || problem.code == code::OPERATOR;
        // Data of any step may be given, whatever runs before.
        blocking && problem.code != code::NOT_BEFORE
    };
    let of_own = |problem: &&Problem| {
        problem
            .path
            .strip_prefix(&own)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mut faults: Vec<Fault> = problems
        .iter()
        .filter(of_own)
        .filter(blocks)
        .map(|problem| Fault {
            at: format!("/operator{}", &problem.path[own.len()..]),
            ..Fault::from(problem)
        })
        .collect();
    if faults.is_empty() && plan.is_none() {
        faults = problems.iter().filter(blocks).map(Fault::from).collect();
    }
    match plan {
        Some(plan) if faults.is_empty() => {
            if plan
                .steps
                .get(ground.at)
                .is_some_and(|step| step.operator.is_some())
            {
                return Ok(plan);
            }
            Err(Error::Invalid {
                what: WHAT,
                faults: vec![Fault {
                    code: code::OPERATOR.to_owned(),
                    at: "/operator".to_owned(),
                    message: "this entry is no operator: it names a step (`file`)".to_owned(),
                }],
            })
        }
        _ => Err(Error::Invalid { what: WHAT, faults }),
    }
}

/// The data of the connected steps by name.
fn data_of(plan: &Plan, step: &PlannedStep, outputs: &HashMap<Ordinal, String>) -> String {
    let mut data = String::from("{");
    for from in step.data_from.iter().take(step.connected) {
        if let (Some(earlier), Some(output)) = (plan.step(*from), outputs.get(from)) {
            if data.len() > 1 {
                data.push(',');
            }
            data.push_str(&Value::from(earlier.name.as_str()).to_string());
            data.push(':');
            data.push_str(output);
        }
    }
    data.push('}');
    data
}
