//! The service's own settings: typed, documented field by field, and complete
//! before anything starts.
//!
//! A setting comes from, the weakest first: its default, the settings file (TOML),
//! the environment (`POWERFLOW_<SECTION>_<FIELD>`, and the customary `DATABASE_URL`
//! and `REDIS_URL`), the command line. Loading answers either settings that are
//! whole or *every* problem, each with its file and line or its variable.
//!
//! This crate reads the settings file and nothing else: no other file, no
//! environment but what it is handed, no network. What a person configures *in* the
//! service (applications, configuration objects) is none of its business.
//!
//! A section is one file in `sections`, written with the `section!` macro; from its
//! doc comments come the reference, the example file and the schema in `host/docs`.
#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        reason = "a test may panic on what it did not expect"
    )
)]

mod check;
mod file;
mod load;
mod problem;
pub mod reference;
mod section;
pub mod sections;
mod suggest;
mod units;
mod value;
mod weights;

use std::{ffi::OsString, fmt::Write, path::Path};

pub use load::{Effective, Origin};
pub use problem::Problem;
pub use section::{Description, Field};
pub use sections::Settings;
pub use units::Bytes;
pub use value::{Kind, SecretUrl, Share, Value};
pub use weights::Weights;

/// The variable that names the settings file where the command line does not.
pub const FILE_VARIABLE: &str = "POWERFLOW_CONFIG";

impl Settings {
    /// Loads the settings.
    ///
    /// `path`: the settings file, which must exist when it is given. `environment`:
    /// all variables; those that are not ours are ignored. `arguments`: pairs of
    /// `section.field` and text from the command line.
    pub fn load(
        path: Option<&Path>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        arguments: &[(String, String)],
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let text = file::read(path, &mut problems);
        let file = file::parse(path, &text, &mut problems);
        let mut loader = load::Loader::new(file, environment, arguments, problems);
        loader.find_unknown(&Self::describe());
        let settings = Self::from_loader(&mut loader);
        let (effective, mut problems) = loader.end();
        let Some(mut settings) = settings else {
            return Err(problems);
        };
        problems.extend(check::contradictions(&settings, &effective));
        settings.effective = effective;
        if problems.is_empty() {
            Ok(settings)
        } else {
            Err(problems)
        }
    }

    /// Every setting with its value, secrets masked, and where it comes from.
    pub fn effective(&self) -> &[Effective] {
        &self.effective
    }

    /// The same for people: a settings file in which each line names its origin.
    pub fn report(&self) -> String {
        let width = |entry: &Effective| entry.field.len() + entry.shown.chars().count() + 3;
        let widest = self.effective.iter().map(width).max().unwrap_or(0).min(60);
        let mut report = String::new();
        let mut section = "";
        for entry in &self.effective {
            if entry.section != section {
                section = entry.section;
                let gap = if report.is_empty() { "" } else { "\n" };
                let _ = writeln!(report, "{gap}[{section}]");
            }
            let setting = format!("{} = {}", entry.field, entry.shown);
            let padding = " ".repeat(widest.saturating_sub(setting.chars().count()));
            let _ = writeln!(report, "{setting}{padding}  # {}", entry.origin);
        }
        report
    }
}
