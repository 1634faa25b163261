//! From the four sources to one value each, gathering every problem on the way.

use std::{collections::BTreeMap, ffi::OsString, fmt};

use crate::{Description, FILE_VARIABLE, Problem, Value, file::File, section::variable, suggest};

/// Where a setting's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The settings file: `name:line`.
    File(String),
    /// A variable of this name.
    Variable(String),
    /// The command line.
    Argument,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(place) => f.write_str(place),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Argument => f.write_str("command line"),
        }
    }
}

/// A setting as it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// Its section.
    pub section: &'static str,
    /// Its name.
    pub field: &'static str,
    /// Its value as it would stand in the settings file; a secret masked.
    pub shown: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// What is loaded from, and what was found so far.
pub(crate) struct Loader<'text> {
    file: File<'text>,
    variables: BTreeMap<String, String>,
    arguments: BTreeMap<String, String>,
    problems: Vec<Problem>,
    effective: Vec<Effective>,
}

impl<'text> Loader<'text> {
    pub(crate) fn new(
        file: File<'text>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        arguments: &[(String, String)],
        mut problems: Vec<Problem>,
    ) -> Self {
        let mut variables = BTreeMap::new();
        for (name, value) in environment {
            // A name that is no text is none of ours.
            let Ok(name) = name.into_string() else {
                continue;
            };
            match value.into_string() {
                Ok(value) => {
                    variables.insert(name, value);
                }
                Err(_) if name.starts_with("POWERFLOW_") => {
                    problems.push(Problem::new(name, "its value is not UTF-8"));
                }
                Err(_) => {}
            }
        }
        Self {
            file,
            variables,
            arguments: arguments.iter().cloned().collect(),
            problems,
            effective: Vec::new(),
        }
    }

    pub(crate) fn end(self) -> (Vec<Effective>, Vec<Problem>) {
        (self.effective, self.problems)
    }

    /// The value of a setting, from the strongest source that has it.
    pub(crate) fn value<T: Value>(
        &mut self,
        section: &'static str,
        field: &'static str,
        default: &str,
        alias: Option<&str>,
    ) -> Option<T> {
        let own = variable(section, field);
        let mut names = [Some(own.as_str()), alias].into_iter().flatten();
        let set = names.find_map(|name| Some((name, self.variables.get(name)?)));
        let argument = self.arguments.get(&format!("{section}.{field}"));
        let (parsed, place, origin) = if let Some(text) = argument {
            let place = format!("--set {section}.{field}");
            (T::parse(text), place, Origin::Argument)
        } else if let Some((name, text)) = set {
            let origin = Origin::Variable(name.to_owned());
            (T::parse(text), name.to_owned(), origin)
        } else if let Some((value, place)) = self.file.get(section, field) {
            (T::from_toml(value), place.clone(), Origin::File(place))
        } else {
            let place = format!("default of {section}.{field}");
            (T::parse(default), place, Origin::Default)
        };
        match parsed {
            Ok(value) => {
                self.effective.push(Effective {
                    section,
                    field,
                    shown: value.show(),
                    origin,
                });
                Some(value)
            }
            Err(message) => {
                let message = match origin {
                    Origin::File(_) => format!("{field}: {message}"),
                    _ => message,
                };
                self.problems.push(Problem::new(place, message));
                None
            }
        }
    }

    /// Notes what no section knows.
    pub(crate) fn find_unknown(&mut self, known: &[Description]) {
        let mut problems = std::mem::take(&mut self.problems);
        self.unknown_in_file(known, &mut problems);
        self.unknown_variables(known, &mut problems);
        self.unknown_arguments(known, &mut problems);
        self.problems = problems;
    }

    fn unknown_in_file(&self, known: &[Description], problems: &mut Vec<Problem>) {
        for (name, place, content) in self.file.sections() {
            let Some(section) = known.iter().find(|section| section.name == name) else {
                let hint = suggest::hint(name, known.iter().map(|section| section.name));
                let message = format!("there is no section `{name}`{hint}");
                problems.push(Problem::new(place, message));
                continue;
            };
            let Some(table) = content.get_ref().as_table() else {
                let message =
                    format!("`{name}` is a section; write [{name}] and its settings below");
                problems.push(Problem::new(place, message));
                continue;
            };
            let fields = section.fields.iter().map(|field| field.name);
            for (key, place, _) in self.file.entries(table) {
                if fields.clone().all(|field| field != key) {
                    let hint = suggest::hint(key, fields.clone());
                    let message = format!("[{name}] has no setting `{key}`{hint}");
                    problems.push(Problem::new(place, message));
                }
            }
        }
    }

    /// A variable is taken for a misspelt one of ours when it begins like a section's
    /// or is very near to one; others may belong to other programs.
    fn unknown_variables(&self, known: &[Description], problems: &mut Vec<Problem>) {
        let names: Vec<&str> = known
            .iter()
            .flat_map(|section| &section.fields)
            .flat_map(|field| [Some(field.variable.as_str()), field.alias])
            .flatten()
            .collect();
        let ours = self
            .variables
            .keys()
            .filter(|name| name.starts_with("POWERFLOW_") && *name != FILE_VARIABLE)
            .filter(|name| !names.contains(&name.as_str()) && !is_service_link(name));
        for name in ours {
            let near = suggest::nearest(name, names.iter().copied())
                .filter(|near| strsim::damerau_levenshtein(name, near) <= 3);
            let in_section = known
                .iter()
                .any(|section| name.starts_with(&variable(section.name, "")));
            if let Some(near) = near {
                let message = format!("there is no such setting; did you mean `{near}`?");
                problems.push(Problem::new(name, message));
            } else if in_section {
                let message = "there is no such setting; `powerflow config reference` lists them";
                problems.push(Problem::new(name, message));
            }
        }
    }

    fn unknown_arguments(&self, known: &[Description], problems: &mut Vec<Problem>) {
        let names: Vec<String> = known
            .iter()
            .flat_map(|section| {
                let name = |field: &crate::Field| format!("{}.{}", section.name, field.name);
                section.fields.iter().map(name)
            })
            .collect();
        for given in self.arguments.keys() {
            if !names.contains(given) {
                let near = suggest::nearest(given, names.iter().map(String::as_str));
                let hint = near.map(|near| format!("; did you mean `{near}`?"));
                let message = format!("there is no such setting{}", hint.unwrap_or_default());
                problems.push(Problem::new(format_args!("--set {given}"), message));
            }
        }
    }
}

/// Kubernetes sets variables like `POWERFLOW_SERVER_SERVICE_HOST` and
/// `POWERFLOW_SERVER_PORT_80_TCP_ADDR` in every container beside a service of ours.
fn is_service_link(name: &str) -> bool {
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || (name.contains("_PORT_") && (name.contains("_TCP") || name.contains("_UDP")))
}
