//! The settings file: its text, its tables, and the lines that things stand on.

use std::{fs, path::Path};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::Problem;

/// A parsed settings file.
pub(crate) struct File<'text> {
    name: String,
    text: &'text str,
    table: DeTable<'text>,
}

/// The text of the file; empty when there is none.
pub(crate) fn read(path: Option<&Path>, problems: &mut Vec<Problem>) -> String {
    let Some(path) = path else {
        return String::new();
    };
    fs::read_to_string(path).unwrap_or_else(|error| {
        problems.push(Problem::new(
            path.display(),
            format_args!("the settings file cannot be read: {error}"),
        ));
        String::new()
    })
}

/// Parses the text. Of a text that is no TOML nothing is kept: what recovery makes of
/// it would only add problems that are none.
pub(crate) fn parse<'text>(
    path: Option<&Path>,
    text: &'text str,
    problems: &mut Vec<Problem>,
) -> File<'text> {
    let (table, mut errors) = DeTable::parse_recoverable(text);
    let mut file = File {
        name: path
            .map(|path| path.display().to_string())
            .unwrap_or_default(),
        text,
        table: table.into_inner(),
    };
    let start = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
    errors.sort_by_key(start);
    if !errors.is_empty() {
        file.table.clear();
    }
    for error in errors {
        let start = start(&error);
        problems.push(Problem::new(file.place(start), error.message()));
    }
    file
}

impl<'text> File<'text> {
    /// `name:line` of a byte.
    pub(crate) fn place(&self, byte: usize) -> String {
        let before = self.text.get(..byte).unwrap_or_default();
        let line = 1 + before.matches('\n').count();
        format!("{}:{line}", self.name)
    }

    /// A setting's value and place.
    pub(crate) fn get(&self, section: &str, field: &str) -> Option<(&DeValue<'text>, String)> {
        let table = self.table.get(section)?.get_ref().as_table()?;
        let value = table.get(field)?;
        Some((value.get_ref(), self.place(value.span().start)))
    }

    /// The tables, with their places.
    pub(crate) fn sections(
        &self,
    ) -> impl Iterator<Item = (&str, String, &Spanned<DeValue<'text>>)> {
        self.entries(&self.table)
    }

    pub(crate) fn entries<'table>(
        &self,
        table: &'table DeTable<'text>,
    ) -> impl Iterator<Item = (&'table str, String, &'table Spanned<DeValue<'text>>)> {
        table.iter().map(|(key, value)| {
            let place = self.place(key.span().start);
            (key.get_ref().as_ref(), place, value)
        })
    }
}
