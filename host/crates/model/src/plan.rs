//! An application compiled for its runs: the graph, the steps with their
//! descriptors, and every parameter with the place that its value comes from.
//!
//! A parameter's value is looked up in this order: the run's own parameters, the
//! step entry, the application variable of that name, the descriptor's default.
//! An explicit `null` of the run or of the entry is a value, except for a required
//! parameter; a `null` of a variable or a default is none.

use std::{collections::HashSet, sync::Arc};

use serde::Serialize;

use crate::{
    application::Application,
    compile,
    configuration::{self, Resolved},
    descriptor::{ParameterType, StepDescriptor, StepKind},
    flow,
    for_each::ForEach,
    id::Ordinal,
    limits::Limit,
    on_error::OnError,
    operator::PlannedOperator,
    parameters::RunParameters,
    policy::Policy,
    reference::{Target, Template},
    retry::Retry,
    run_request::RESERVED,
    suggest::Hints,
    validate::{Problem, Registry, Severity, code},
};

mod check;
mod evaluate;
mod resolve;

pub(crate) use evaluate::insert_as_text;
pub(crate) use resolve::{chosen, fit};

pub use resolve::{
    NoHandles, NoOutputs, Outputs, Reason, ResolveError, ResolvedParameters, Scope, Secret,
    SecretHandles,
};

/// A compiled application. Steps stand in the order of the document: a step's
/// ordinal is its place in `steps`.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The application.
    pub name: String,
    /// What follows what.
    pub graph: Arc<flow::Graph>,
    /// The steps by ordinal.
    pub steps: Vec<PlannedStep>,
    /// The application variables.
    pub variables: Arc<[PlannedVariable]>,
    /// Parameters that are secret when a run gives them: those and the application
    /// variables that are declared as such, and the variables that they are made from.
    pub secret_inputs: Box<[Box<str>]>,
    /// What is odd about the application.
    pub warnings: Vec<Problem>,
}

/// An application variable of a plan.
#[derive(Clone, Debug)]
pub struct PlannedVariable {
    /// Its name.
    pub name: String,
    /// Whether a run cannot do without it.
    pub required: bool,
    /// Its value or default value.
    pub template: Option<Template>,
    /// Whether what a run gives for it is secret.
    pub secret: bool,
    /// What values it takes, as far as it says so.
    pub param_type: ParameterType,
    /// Whether steps that take any parameter are given it: it reads no step's data.
    pub(crate) automatic: bool,
}

/// A step of a plan.
#[derive(Clone, Debug)]
pub struct PlannedStep {
    /// The step's place in the plan.
    pub ordinal: Ordinal,
    /// Its name in the application.
    pub name: String,
    /// The pack that has it.
    pub syncpack: String,
    /// Its id inside the pack.
    pub file: String,
    /// How it takes part in a run.
    pub kind: StepKind,
    /// How long an attempt may take, and what becomes of it when its worker is lost.
    pub policy: Policy,
    /// When an attempt that failed is followed by another. `None`: never.
    pub retry: Option<Arc<Retry>>,
    /// What follows when it fails.
    pub on_error: OnError,
    /// The elements that it is executed for, once for each. `None`: it is executed once.
    pub for_each: Option<Arc<ForEach>>,
    /// What its attempts may have to wait for before they start: a concurrency, then a rate.
    pub limits: Box<[PlannedLimit]>,
    /// What the pack says about it.
    pub descriptor: Arc<StepDescriptor>,
    /// Its parameters: the declared ones in the descriptor's order, then, if it
    /// takes any, those of the entry. A step that takes any is also given the
    /// application variables and the run's other parameters.
    pub parameters: Vec<PlannedParameter>,
    /// The connected predecessors whose data it reads (`data_from`, then steps whose
    /// `output_to` names it), then steps that its parameters refer to.
    pub data_from: Vec<Ordinal>,
    /// How many of `data_from` are connected by an edge; the rest only by reference.
    pub connected: usize,
    /// The operator that it is, if it is one: it has no parameters then.
    pub operator: Option<PlannedOperator>,
    pub(crate) variables: Arc<[PlannedVariable]>,
}

/// A limit of a planned step.
#[derive(Clone, Debug)]
pub struct PlannedLimit {
    /// The key of the entry that says it.
    pub(crate) name: &'static str,
    /// What attempts are counted by.
    pub(crate) key: Template,
    /// How many.
    pub limit: Limit,
}

/// A parameter of a planned step.
#[derive(Clone, Debug)]
pub struct PlannedParameter {
    /// Its name.
    pub name: String,
    /// What values it takes.
    pub param_type: ParameterType,
    /// Whether the step cannot do without.
    pub required: bool,
    /// Where its value comes from when the run gives none.
    pub source: Source,
    /// The value when the run gives none.
    pub template: Option<Template>,
    /// The only values that it takes.
    pub choices: Option<Vec<serde_json::Value>>,
    /// `"name":` as it stands in the output.
    pub(crate) key: Box<str>,
    /// The value's type was checked when the plan was compiled.
    pub(crate) checked: bool,
}

/// Where a parameter's value comes from when the run gives none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The step entry.
    Entry,
    /// The application variable of that name.
    Variable,
    /// The descriptor's default.
    Default,
    /// Nowhere.
    Nothing,
}

impl Plan {
    /// Whether what a run gives for this parameter takes the place of a secret of the
    /// configuration object: a password is one also where a step takes it as text.
    pub fn replaces_secret(&self, name: &str, configured: &Resolved) -> bool {
        let of_steps = self.steps.iter().flat_map(|step| &step.parameters);
        let mut open: Vec<&Template> = of_steps
            .filter(|parameter| parameter.name == name)
            .filter_map(|parameter| parameter.template.as_ref())
            .collect();
        let variables = self.variables.iter().filter(|one| one.name == name);
        open.extend(variables.filter_map(|variable| variable.template.as_ref()));
        let mut seen = HashSet::new();
        let mut found = false;
        while let Some(template) = open.pop() {
            template.references(&mut |reference| match &reference.target {
                Target::Config(text) => {
                    found |= configured
                        .find(text)
                        .is_some_and(|(variable, _)| variable.secret);
                }
                Target::Variable(at) => {
                    if let Some(variable) = self.variables.get(*at as usize)
                        && seen.insert(*at)
                    {
                        open.extend(&variable.template);
                    }
                }
                Target::Step(_) => {}
            });
        }
        found
    }

    /// Compiles an application.
    ///
    /// # Errors
    /// Every problem that keeps it from running, with the warnings among them.
    pub fn compile(
        application: &Application,
        registry: &dyn Registry,
    ) -> Result<Self, Vec<Problem>> {
        let (plan, mut problems) = compile::compile(application, registry);
        for problem in &mut problems {
            if matches!(problem.code, code::OPERATOR | code::EMPTY) {
                problem.severity = Severity::Error;
            }
        }
        match plan {
            Some(mut plan) if problems.iter().all(|one| one.severity == Severity::Warning) => {
                plan.warnings = problems;
                Ok(plan)
            }
            _ => Err(problems),
        }
    }

    /// The same, whatever is wrong: the plan, unless the document is too broken for one, and
    /// every problem. For looking at a part of an application.
    pub fn sketch(
        application: &Application,
        registry: &dyn Registry,
    ) -> (Option<Self>, Vec<Problem>) {
        compile::compile(application, registry)
    }

    /// The step at that place.
    pub fn step(&self, step: Ordinal) -> Option<&PlannedStep> {
        self.steps.get(step.index())
    }

    /// Checks a run before anything executes.
    ///
    /// # Errors
    /// Everything that the run lacks: required parameters and application
    /// variables, configuration variables that are referred to, and parameters of
    /// the run whose value does not have its type.
    pub fn check(
        &self,
        run: &RunParameters,
        configuration: Option<&Resolved>,
    ) -> Result<(), Vec<Missing>> {
        let missing = check::missing(self, run, configuration);
        if missing.is_empty() {
            Ok(())
        } else {
            Err(missing)
        }
    }

    /// The parameters of a run that are not of the type that the application variable of
    /// their name says, each with what is wrong.
    pub fn mistyped<'a>(&'a self, run: &RunParameters) -> Vec<(&'a str, Reason)> {
        let given = self.variables.iter().filter_map(|variable| {
            let raw = run.get(&variable.name).filter(|raw| *raw != "null")?;
            let reason = fit(variable.param_type, raw).err()?;
            Some((variable.name.as_str(), reason))
        });
        given.collect()
    }

    /// The parameters of a run that nothing takes: neither an application variable nor a
    /// parameter of a step has the name. Each with a hint at the name that was probably
    /// meant.
    pub fn untaken<'a>(&self, run: &'a RunParameters) -> Vec<(&'a str, String)> {
        if run.is_empty() || self.steps.iter().any(|step| step.descriptor.takes_any()) {
            return Vec::new();
        }
        let variables = self.variables.iter().map(|one| one.name.as_str());
        let parameters = self.steps.iter().flat_map(|step| &step.parameters);
        let known: HashSet<&str> = variables
            .chain(parameters.map(|one| one.name.as_str()))
            .collect();
        let mut sorted: Vec<&str> = known.iter().copied().chain(RESERVED).collect();
        sorted.sort_unstable();
        let hints = Hints::default();
        run.iter()
            .filter(|(name, _)| !known.contains(name))
            .map(|(name, _)| (name, hints.hint(name, sorted.iter().copied())))
            .collect()
    }
}

/// Something that keeps a run from starting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Stable, of the form `PF-R…`; see [`run_code`].
    pub code: &'static str,
    /// The step that lacks it; `None` when the whole run does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The parameter, application variable or configuration variable.
    pub parameter: String,
    /// What is missing and where it can be given, for a person.
    pub message: String,
}

impl From<&configuration::Error> for Missing {
    fn from(error: &configuration::Error) -> Self {
        Self {
            code: error.code(),
            step: None,
            parameter: match error {
                configuration::Error::Cycle(names) => names.first().cloned().unwrap_or_default(),
                configuration::Error::Unknown { variable, .. }
                | configuration::Error::NoSuchPath { variable, .. }
                | configuration::Error::Sealed { variable, .. }
                | configuration::Error::TooLarge(variable) => variable.clone(),
                configuration::Error::Json(_) | configuration::Error::NoObject(_) => String::new(),
            },
            message: error.to_string(),
        }
    }
}

/// The stable codes of what keeps a run from starting and a step's parameters from
/// being made.
pub mod run_code {
    /// A required parameter has no value.
    pub const PARAMETER: &str = "PF-R001";
    /// A required application variable, or one that is referred to, has no value.
    pub const VARIABLE: &str = "PF-R002";
    /// A configuration variable that is referred to does not exist.
    pub const CONFIGURATION_VARIABLE: &str = "PF-R003";
    /// The run has no configuration object, and a parameter refers to one.
    pub const NO_CONFIGURATION: &str = "PF-R004";
    /// A value does not have its parameter's type.
    pub const TYPE_MISMATCH: &str = "PF-R005";
    /// A value is none of its parameter's choices.
    pub const CHOICE: &str = "PF-R006";
    /// A reference leads to no value in a step's data.
    pub const NO_DATA: &str = "PF-R007";
    /// A step that is referred to has no data: it did not run.
    pub const NO_OUTPUT: &str = "PF-R008";
    /// The parameters become too large.
    pub const TOO_LARGE: &str = "PF-R009";
    /// A step's data is no JSON.
    pub const BROKEN: &str = "PF-R010";
    /// An operator refers to something secret.
    pub const SECRET: &str = "PF-R016";
    /// No live worker listens on the queue (warning).
    pub const UNSERVED: &str = "PF-R013";
    /// Somebody has paused the application, the queue or everything.
    pub const PAUSED: &str = "PF-R018";
    /// Nothing takes a parameter of the run (warning).
    pub const UNTAKEN: &str = "PF-R014";
    /// A parameter of the run is not of its application variable's type (warning).
    pub const VARIABLE_TYPE: &str = "PF-R017";
    /// A parameter of the run holds what would be a reference in an application.
    pub const AS_TEXT: &str = "PF-R015";
    /// The key of a limit becomes none.
    pub const LIMIT_KEY: &str = "PF-R020";
}
