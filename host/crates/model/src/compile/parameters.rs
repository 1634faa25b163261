//! Where each parameter of a step gets its value.

use super::{Compiler, Scope};
use crate::{
    application::Step,
    descriptor::{ParameterDescriptor, ParameterType, StepDescriptor},
    plan::{PlannedParameter, Reason, Source, chosen, fit},
    reference::{Reference, Target, Template},
    run_request::RESERVED,
    validate::{Problem, code, pointer},
};

impl Compiler<'_> {
    /// The parameters that the descriptor declares, then, if it takes any, the others
    /// of the entry.
    pub(super) fn parameters(
        &mut self,
        step: Step<'_>,
        descriptor: &StepDescriptor,
    ) -> Vec<PlannedParameter> {
        let mut parameters = Vec::with_capacity(descriptor.parameters.len());
        for declared in &descriptor.parameters {
            parameters.push(self.declared(step, declared));
        }
        for (name, _) in step.parameters() {
            if !descriptor.takes_any() || descriptor.parameter(name).is_some() {
                continue;
            }
            let other = ParameterDescriptor {
                name: name.to_owned(),
                ..ParameterDescriptor::default()
            };
            parameters.push(self.declared(step, &other));
        }
        parameters
    }

    fn declared(&mut self, step: Step<'_>, declared: &ParameterDescriptor) -> PlannedParameter {
        let name = &declared.name;
        let mut key = String::new();
        crate::raw::push_string(&mut key, name);
        key.push(':');
        let mut path = format!("/steps/{}/{}", step.index, pointer(name));
        let (source, mut template) = self.source(step, declared, &path);
        // What the value is checked as: a variable's own value for a whole reference.
        let mut seen = template.as_ref();
        if let Some(Template::Reference(Reference {
            target: Target::Variable(at),
            path: into,
            ..
        })) = seen
            && into.is_empty()
        {
            seen = self.variables.planned[*at as usize].template.as_ref();
            if source == Source::Variable {
                path.clone_from(&self.variables.paths[*at as usize]);
            }
        }
        let mut checked = false;
        match fixed_value(declared, seen) {
            Ok(instead) => {
                if let (Some(instead), Some(Template::Literal(text))) = (instead, &mut template) {
                    *text = instead.into();
                }
                checked = matches!(&template, Some(Template::Literal(text)) if &**text != "null");
            }
            Err(reason) => self.problems.push(Problem::error(
                match reason {
                    Reason::Choice { .. } => code::CHOICE,
                    _ => code::TYPE_MISMATCH,
                },
                &*path,
                match source {
                    Source::Default => {
                        format!("parameter `{name}`, the SyncPack's default: {reason}")
                    }
                    _ => format!("parameter `{name}`: {reason}"),
                },
            )),
        }
        let nothing = match &template {
            None => true,
            Some(Template::Literal(text)) => &**text == "null",
            Some(_) => false,
        };
        if declared.required && nothing {
            self.no_value(step, name, path);
        }
        PlannedParameter {
            name: name.clone(),
            param_type: declared.param_type,
            required: declared.required,
            source,
            template,
            choices: declared
                .choices
                .clone()
                .filter(|choices| !choices.is_empty()),
            key: key.into(),
            checked,
        }
    }

    fn source(
        &mut self,
        step: Step<'_>,
        declared: &ParameterDescriptor,
        path: &str,
    ) -> (Source, Option<Template>) {
        let name = declared.name.as_str();
        if let Some(value) = step.parameter(name) {
            let scope = Scope {
                steps: self.names,
                variables: &self.variables.positions,
                item: self.item,
            };
            return (Source::Entry, Some(scope.parse(value, path, self.problems)));
        }
        if let Some(&at) = self.variables.positions.get(name)
            && self.variables.planned[at as usize].template.is_some()
        {
            let reference = Reference {
                target: Target::Variable(at),
                path: Box::default(),
                text: format!("${{appvar.{name}}}").into(),
            };
            return (Source::Variable, Some(Template::Reference(reference)));
        }
        match &declared.default {
            // A default is the pack's own and refers to nothing.
            Some(value) if !value.is_null() => (
                Source::Default,
                Some(Template::Literal(value.to_string().into())),
            ),
            _ => (Source::Nothing, None),
        }
    }

    fn no_value(&mut self, step: Step<'_>, name: &str, path: String) {
        let step = step.name().unwrap_or("(no name)");
        self.problems.push(if RESERVED.contains(&name) {
            Problem::error(
                code::NO_VALUE,
                path,
                format!(
                    "step `{step}` requires parameter `{name}`, which has no value, and a run cannot give it: the name is reserved"
                ),
            )
        } else {
            Problem::warning(
                code::RUN_MUST_GIVE,
                path,
                format!("step `{step}` requires parameter `{name}`, which has no value: each run must give it"),
            )
        });
    }
}

/// Checks what is known of a value before any run; `Some` is the same value as the
/// type writes it.
fn fixed_value(
    declared: &ParameterDescriptor,
    template: Option<&Template>,
) -> Result<Option<String>, Reason> {
    let stand_in = match template {
        None | Some(Template::Reference(_)) => return Ok(None),
        Some(Template::Literal(text)) if &**text == "null" => return Ok(None),
        Some(Template::Literal(text)) => {
            let instead = fit(declared.param_type, text)?;
            if let Some(choices) = declared.choices.as_ref().filter(|all| !all.is_empty()) {
                chosen(choices, instead.as_deref().unwrap_or(text))?;
            }
            return Ok(instead);
        }
        // A text that is put together may become `true` or `false`.
        Some(Template::Text(_)) if declared.param_type == ParameterType::Boolean => {
            return Ok(None);
        }
        Some(Template::Text(_)) => "\"\"",
        Some(Template::Array(_)) => "[]",
        Some(Template::Object(_)) => "{}",
    };
    fit(declared.param_type, stand_in).map(|_| None)
}
