//! Steps and the pack that holds them.

use crate::{
    context::Context,
    descriptor::{Description, Sdk, StepDescriptor},
    document::quoted,
    error::{Error, Result},
    output::Output,
    parameters::Parameters,
};

/// A step's description and the reading of its parameters. Derive it.
pub trait Step: Sized {
    /// The step's id inside its SyncPack.
    const NAME: &'static str;

    /// What the step says about itself.
    fn descriptor() -> StepDescriptor;

    /// Reads the parameters.
    fn from_parameters(parameters: &mut Parameters) -> Result<Self>;
}

/// What a step does.
pub trait Execute: Step {
    /// Executes the step once. It may be executed again after a retryable error or
    /// when a worker was lost, so repeating it should do no harm; the run's
    /// idempotency key is the same on each attempt.
    fn execute(&self, cx: &mut Context) -> Result<Output>;
}

/// What the host gives a step: three JSON objects, see the contract in `wit/`.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Each parameter by name.
    pub parameters: String,
    /// The output of each connected earlier step by name.
    pub data: String,
    /// The description of the run.
    pub context: String,
}

/// One step of a pack, its type forgotten.
#[derive(Clone, Copy)]
pub struct StepEntry {
    name: &'static str,
    descriptor: fn() -> StepDescriptor,
    execute: fn(Invocation) -> Result<Output>,
}

impl StepEntry {
    /// The entry of the step `S`.
    pub const fn of<S: Execute>() -> Self {
        Self {
            name: S::NAME,
            descriptor: S::descriptor,
            execute: execute::<S>,
        }
    }
}

impl StepEntry {
    /// Executes the step once.
    pub(crate) fn run(&self, invocation: Invocation) -> Result<Output> {
        (self.execute)(invocation)
    }
}

fn execute<S: Execute>(invocation: Invocation) -> Result<Output> {
    let mut parameters = Parameters::new(invocation.parameters)?;
    let step = S::from_parameters(&mut parameters)?;
    let mut context = Context::new(invocation.data, invocation.context);
    step.execute(&mut context)
}

/// The steps of a SyncPack. [`syncpack!`](crate::syncpack!) makes it.
#[derive(Clone, Copy)]
pub struct Pack {
    steps: &'static [StepEntry],
}

impl Pack {
    /// A pack of these steps.
    pub const fn new(steps: &'static [StepEntry]) -> Self {
        Self { steps }
    }

    /// The document that the component's `describe` returns.
    pub fn describe(&self) -> String {
        let steps = self.steps.iter().map(|step| (step.descriptor)()).collect();
        serde_json::to_string(&Description {
            steps,
            sdk: Sdk::THIS,
        })
        .unwrap_or_default()
    }

    /// Executes the step called `name`.
    pub fn execute(&self, name: &str, invocation: Invocation) -> Result<Output> {
        match self.steps.iter().find(|step| step.name == name) {
            Some(step) => step.run(invocation),
            None => Err(Error::permanent(format!(
                "this SyncPack has no step \"{name}\"; it has {}",
                quoted(self.steps.iter().map(|step| step.name))
            ))
            .with_code("unknown-step")),
        }
    }
}
