//! Application variables: their templates and what these refer to.

use std::{collections::HashMap, sync::Arc};

use super::{Scope, StepNames};
use crate::{
    application::Application,
    id::Ordinal,
    plan::PlannedVariable,
    reference::{Part, Target, Template},
    validate::{Problem, code},
};

/// How deep values and the variables that they refer to may nest together.
const MAX_DEPTH: usize = 256;

pub(super) struct Variables<'a> {
    pub(super) planned: Arc<[PlannedVariable]>,
    pub(super) positions: HashMap<&'a str, u32>,
    /// Where each value stands, as a JSON pointer.
    pub(super) paths: Vec<String>,
    facts: Vec<Facts>,
}

/// What a variable's value refers to, over others too.
#[derive(Clone, Default)]
pub(super) struct Facts {
    pub(super) reads: Vec<Ordinal>,
    depth: usize,
}

impl<'a> Variables<'a> {
    pub(super) fn of(
        application: &'a Application,
        steps: &'a StepNames<'a>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut positions = HashMap::new();
        let mut kept = Vec::new();
        for variable in application.variables() {
            let Some(name) = variable.name().filter(|name| !name.is_empty()) else {
                continue;
            };
            if positions.contains_key(name) {
                problems.push(Problem::error(
                    code::DUPLICATE_VARIABLE,
                    format!("/app_variables/{}/name", variable.index),
                    format!("`{name}` is the name of more than one application variable"),
                ));
                continue;
            }
            positions.insert(name, kept.len() as u32);
            kept.push((name, variable));
        }
        let scope = Scope {
            item: false,
            steps,
            variables: &positions,
        };
        let mut paths = Vec::with_capacity(kept.len());
        let mut planned = Vec::with_capacity(kept.len());
        for (name, variable) in kept {
            let value = variable.value();
            let key = value.map_or("value", |(key, _)| key);
            let path = format!("/app_variables/{}/{key}", variable.index);
            planned.push(PlannedVariable {
                name: name.to_owned(),
                required: variable.required(),
                secret: variable.secret(),
                param_type: variable.param_type().unwrap_or_default(),
                template: value.map(|(_, value)| scope.parse(value, &path, problems)),
                automatic: true,
            });
            paths.push(path);
        }
        let facts = gather(&mut planned, &paths, problems);
        for (variable, facts) in planned.iter_mut().zip(&facts) {
            variable.automatic = facts.reads.is_empty();
        }
        Self {
            planned: planned.into(),
            positions,
            paths,
            facts,
        }
    }

    pub(super) fn facts(&self, variable: u32) -> &Facts {
        &self.facts[variable as usize]
    }
}

/// Follows references between variables; a value in a circle or too deep is dropped,
/// after it has been reported.
fn gather(
    planned: &mut [PlannedVariable],
    paths: &[String],
    problems: &mut Vec<Problem>,
) -> Vec<Facts> {
    const NEW: u8 = 0;
    const OPEN: u8 = 1;
    const DONE: u8 = 2;
    let links: Vec<Vec<usize>> = planned.iter().map(links).collect();
    let mut state = vec![NEW; planned.len()];
    let mut facts = vec![Facts::default(); planned.len()];
    for start in 0..planned.len() {
        if state[start] != NEW {
            continue;
        }
        state[start] = OPEN;
        let mut way = vec![(start, 0)];
        while let Some((at, next)) = way.last_mut() {
            let at = *at;
            if let Some(&to) = links[at].get(*next) {
                *next += 1;
                if state[to] == NEW {
                    state[to] = OPEN;
                    way.push((to, 0));
                } else if state[to] == OPEN {
                    let mut circle: Vec<&str> = way
                        .iter()
                        .skip_while(|(one, _)| *one != to)
                        .map(|(one, _)| planned[*one].name.as_str())
                        .collect();
                    circle.push(&planned[to].name);
                    let circle = circle.join(" → ");
                    problems.push(Problem::error(
                        code::VARIABLE_CYCLE,
                        &*paths[at],
                        format!("application variables refer to each other in a circle: {circle}"),
                    ));
                    planned[at].template = None;
                }
                continue;
            }
            way.pop();
            state[at] = DONE;
            facts[at] = sum(&planned[at], &links[at], &facts);
            if facts[at].depth > MAX_DEPTH {
                problems.push(Problem::error(
                    code::TOO_DEEP,
                    &*paths[at],
                    format!(
                        "`{}` refers to others over too many others",
                        planned[at].name
                    ),
                ));
                planned[at].template = None;
                facts[at] = Facts::default();
            }
        }
    }
    facts
}

fn links(variable: &PlannedVariable) -> Vec<usize> {
    let mut links = Vec::new();
    if let Some(template) = &variable.template {
        template.references(&mut |reference| {
            if let Target::Variable(to) = reference.target {
                links.push(to as usize);
            }
        });
    }
    links
}

fn sum(variable: &PlannedVariable, links: &[usize], all: &[Facts]) -> Facts {
    let mut facts = Facts::default();
    let Some(template) = &variable.template else {
        return facts;
    };
    template.references(&mut |reference| match reference.target {
        Target::Step(step) => facts.reads.push(step),
        Target::Config(_) | Target::Variable(_) => {}
    });
    for &to in links {
        facts.reads.extend_from_slice(&all[to].reads);
        facts.depth = facts.depth.max(all[to].depth);
    }
    facts.reads.sort_unstable();
    facts.reads.dedup();
    facts.depth += depth(template);
    facts
}

fn depth(template: &Template) -> usize {
    match template {
        Template::Literal(_) => 0,
        Template::Reference(_) => 1,
        Template::Text(parts) => {
            usize::from(parts.iter().any(|part| matches!(part, Part::Reference(_))))
        }
        Template::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Template::Object(pairs) => 1 + pairs.iter().map(|(_, one)| depth(one)).max().unwrap_or(0),
    }
}
