//! The one place where steps are executed.

use std::sync::Arc;

use model::id::{StepKey, Token};

use crate::{Engine, attempt::Prepared, catalogue::Pack, error::Result};

/// What executes the steps of a pack.
pub(crate) enum Program {
    /// A compiled component.
    Compiled(Arc<runtime::Program>),
    /// What stands in for one in a simulation.
    #[cfg(feature = "simulation")]
    Simulated(Arc<dyn crate::simulation::StandIn>),
}

impl Engine {
    /// What executes the steps of a pack, compiled if need be.
    pub(crate) async fn executable(&self, pack: &Pack) -> Result<Program> {
        #[cfg(feature = "simulation")]
        if let Some(stand_in) = &self.stand_in {
            return Ok(Program::Simulated(stand_in.clone()));
        }
        Ok(Program::Compiled(self.program(pack).await?))
    }

    /// Executes a prepared attempt.
    #[cfg_attr(
        not(feature = "simulation"),
        expect(unused_variables, reason = "a simulation is told which attempt it is")
    )]
    pub(crate) async fn run_program(
        &self,
        key: StepKey,
        token: Token,
        prepared: Prepared,
    ) -> runtime::Execution {
        match prepared.program {
            Program::Compiled(program) => self.runtime.execute(&program, prepared.call).await,
            #[cfg(feature = "simulation")]
            Program::Simulated(stand_in) => stand_in.execute(key, token, prepared.call).await,
        }
    }
}
