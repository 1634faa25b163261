//! What a run lacks, before anything executes.

use std::collections::HashSet;

use super::{
    Missing, Plan, PlannedParameter, PlannedStep, Reason, Resolved, chosen, fit, run_code,
};
use crate::{
    parameters::RunParameters,
    reference::{Reference, Target, Template},
};

pub(super) fn missing(
    plan: &Plan,
    run: &RunParameters,
    configuration: Option<&Resolved>,
) -> Vec<Missing> {
    let mut check = Check {
        plan,
        run,
        configuration,
        missing: Vec::new(),
        variables: vec![false; plan.variables.len()],
        reported: HashSet::new(),
    };
    for (at, variable) in plan.variables.iter().enumerate() {
        let given = run.get(&variable.name).map(|raw| raw != "null");
        if variable.required && !given.unwrap_or(variable.template.is_some()) {
            check.variables[at] = true;
            check.missing.push(Missing {
                code: run_code::VARIABLE,
                step: None,
                parameter: variable.name.clone(),
                message: format!(
                    "application variable `{0}` is required and has no value; give `{0}` in the run's params, or a `value` in `app_variables`",
                    variable.name
                ),
            });
        }
    }
    for step in &plan.steps {
        check.step(step);
    }
    check.missing
}

struct Check<'a> {
    plan: &'a Plan,
    run: &'a RunParameters,
    configuration: Option<&'a Resolved>,
    missing: Vec<Missing>,
    /// Application variables that were looked at.
    variables: Vec<bool>,
    /// Configuration references that were reported.
    reported: HashSet<&'a str>,
}

impl<'a> Check<'a> {
    fn step(&mut self, step: &'a PlannedStep) {
        for parameter in &step.parameters {
            self.parameter(step, parameter);
        }
        if let Some(operator) = &step.operator {
            let word = operator.operator.word();
            self.template(step, word, &operator.parameters);
            let mut seen = vec![false; self.plan.variables.len()];
            self.secrets(step, word, &operator.parameters, &mut seen);
            return;
        }
        for limit in &step.limits {
            self.template(step, limit.name, &limit.key);
            let mut seen = vec![false; self.plan.variables.len()];
            self.secrets(step, limit.name, &limit.key, &mut seen);
        }
        if !step.descriptor.takes_any() {
            return;
        }
        for variable in self.plan.variables.iter().filter(|one| one.automatic) {
            if let Some(template) = &variable.template
                && self.run.get(&variable.name).is_none()
                && !step.parameters.iter().any(|one| one.name == variable.name)
            {
                self.template(step, &variable.name, template);
            }
        }
    }

    fn parameter(&mut self, step: &'a PlannedStep, parameter: &'a PlannedParameter) {
        if let Some(raw) = self.run.get(&parameter.name) {
            self.value(step, parameter, raw);
            return;
        }
        match &parameter.template {
            None => {
                if parameter.required {
                    self.lacks(step, parameter);
                }
            }
            Some(Template::Literal(text)) => {
                if parameter.required && &**text == "null" {
                    self.lacks(step, parameter);
                }
            }
            Some(template) => {
                self.template(step, &parameter.name, template);
                if let Template::Reference(reference) = template
                    && let Target::Config(name) = &reference.target
                    && let Some((_, value)) = self.configuration.and_then(|all| all.find(name))
                {
                    self.value(step, parameter, &value);
                }
            }
        }
    }

    fn lacks(&mut self, step: &PlannedStep, parameter: &PlannedParameter) {
        self.missing.push(Missing {
            code: run_code::PARAMETER,
            step: Some(step.name.clone()),
            parameter: parameter.name.clone(),
            message: format!(
                "step `{}` requires parameter `{name}` ({}); give `{name}` in the run's params, in the step's entry, or as application variable `{name}`",
                step.name,
                parameter.param_type.word(),
                name = parameter.name,
            ),
        });
    }

    fn value(&mut self, step: &PlannedStep, parameter: &PlannedParameter, raw: &str) {
        if raw == "null" {
            if parameter.required {
                self.lacks(step, parameter);
            }
            return;
        }
        let fits = fit(parameter.param_type, raw).and_then(|instead| match &parameter.choices {
            Some(choices) => chosen(choices, instead.as_deref().unwrap_or(raw)),
            None => Ok(()),
        });
        if let Err(reason) = fits {
            self.missing.push(Missing {
                code: match reason {
                    Reason::Choice { .. } => run_code::CHOICE,
                    _ => run_code::TYPE_MISMATCH,
                },
                step: Some(step.name.clone()),
                parameter: parameter.name.clone(),
                message: format!(
                    "step `{}`, parameter `{}`: {reason}",
                    step.name, parameter.name
                ),
            });
        }
    }

    fn template(&mut self, step: &'a PlannedStep, parameter: &str, template: &'a Template) {
        let mut found = Vec::new();
        template.references(&mut |reference| found.push(reference));
        for reference in found {
            self.reference(step, parameter, reference);
        }
    }

    /// What is secret of what an operator, or the key of a limit, refers to: it is given none
    /// when it executes.
    fn secrets(
        &mut self,
        step: &'a PlannedStep,
        operator: &str,
        template: &'a Template,
        seen: &mut [bool],
    ) {
        let mut found = Vec::new();
        template.references(&mut |reference| found.push(reference));
        for reference in found {
            let secret = match &reference.target {
                Target::Step(_) => false,
                Target::Config(name) => self
                    .configuration
                    .and_then(|all| all.find(name))
                    .is_some_and(|(variable, _)| variable.secret),
                Target::Variable(at) => {
                    let at = *at as usize;
                    let Some(variable) = self.plan.variables.get(at) else {
                        continue;
                    };
                    if std::mem::replace(&mut seen[at], true) {
                        continue;
                    }
                    let given = self.run.get(&variable.name).is_some();
                    if let Some(template) = &variable.template
                        && !variable.secret
                        && !given
                    {
                        self.secrets(step, operator, template, seen);
                    }
                    variable.secret
                }
            };
            if secret {
                let reference = reference.text.to_string();
                let reason = match step.operator {
                    Some(_) => Reason::Secret { reference },
                    None => Reason::SecretKey { reference },
                };
                self.missing.push(Missing {
                    code: run_code::SECRET,
                    step: Some(step.name.clone()),
                    parameter: operator.to_owned(),
                    message: format!("step `{}`, {operator}: {reason}", step.name),
                });
            }
        }
    }

    fn reference(&mut self, step: &'a PlannedStep, parameter: &str, reference: &'a Reference) {
        match &reference.target {
            Target::Step(_) => {}
            Target::Config(name) => self.config(step, parameter, name),
            Target::Variable(at) => {
                let Some(variable) = self.plan.variables.get(*at as usize) else {
                    return;
                };
                if self.run.get(&variable.name).is_some()
                    || std::mem::replace(&mut self.variables[*at as usize], true)
                {
                    return;
                }
                if let Some(template) = &variable.template {
                    self.template(step, parameter, template);
                } else {
                    self.missing.push(Missing {
                        code: run_code::VARIABLE,
                        step: Some(step.name.clone()),
                        parameter: variable.name.clone(),
                        message: format!(
                            "parameter `{parameter}` of step `{}` refers to application variable `{name}`, which has no value; give `{name}` in the run's params, or a `value` in `app_variables`",
                            step.name,
                            name = variable.name,
                        ),
                    });
                }
            }
        }
    }

    fn config(&mut self, step: &PlannedStep, parameter: &str, name: &'a str) {
        let (code, message) = match self.configuration {
            Some(all) if all.find(name).is_some() => return,
            Some(_) => (
                run_code::CONFIGURATION_VARIABLE,
                format!(
                    "parameter `{parameter}` of step `{}` refers to `${{config.{name}}}`, and the configuration object has no such variable; add it, or run with another configuration",
                    step.name
                ),
            ),
            None => (
                run_code::NO_CONFIGURATION,
                format!(
                    "parameter `{parameter}` of step `{}` refers to `${{config.{name}}}`, and no configuration object is aligned; align one, or name one as `configuration` in the run's params (--config of pfctl)",
                    step.name
                ),
            ),
        };
        if self.reported.insert(name) {
            self.missing.push(Missing {
                code,
                step: Some(step.name.clone()),
                parameter: name.to_owned(),
                message,
            });
        }
    }
}
