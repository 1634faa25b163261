//! Applications narrowed and sorted by what a list shows of them.
//!
//! Most of that stands in the documents, so all of them are read for it. That is a matter of
//! milliseconds for a thousand.

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet},
};

use serde::{Deserialize, Serialize};
use store::{Page, definitions::Definition, runs::RunSummary};
use utoipa::IntoParams;

use super::definition::ApplicationSummary;
use crate::{
    endpoint::runs::list::states,
    problem::{Answer, Problem},
};

/// The word for applications without runs among states.
const NEVER: &str = "never";

/// How applications are listed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ApplicationsArgs {
    /// Only those whose name or friendly name contains this, in upper or lower case.
    #[serde(default)]
    #[param(example = "incident")]
    pub(crate) search: String,
    /// Only those whose version contains this.
    #[param(example = "1.2")]
    version: Option<String>,
    /// Only those that a SyncPack brought whose `name@version` contains this.
    #[param(example = "servicenow_example")]
    syncpack: Option<String>,
    /// Only those that are aligned with a configuration object whose name contains this.
    #[param(example = "acme")]
    configuration: Option<String>,
    /// Only those that somebody saved last whose name contains this.
    #[param(example = "isadmin")]
    edited_by: Option<String>,
    /// Only those whose newest run is in one of these states, separated by commas; `never` stands for
    /// those without runs.
    #[param(example = "failed,never")]
    state: Option<String>,
    /// Only hidden ones, or only the others.
    #[param(example = false)]
    hidden: Option<bool>,
    /// Only those that a schedule which runs starts, or only the others.
    #[param(example = true)]
    scheduled: Option<bool>,
    /// By what they are sorted: `name`, `friendly_name`, `version`, `syncpack`, `configuration`, `edited`,
    /// `last_run` or `state`, backwards with `-` before it; by name when absent.
    #[param(example = "-last_run")]
    pub(crate) sort: Option<String>,
    /// The `next` of the part before.
    pub(crate) after: Option<String>,
    /// Entries of a part, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200, example = 50)]
    pub(crate) limit: Option<usize>,
}

impl ApplicationsArgs {
    /// Whether the list is that of the store, page by page.
    pub(crate) fn plain(&self) -> bool {
        let Self {
            search: _,
            version,
            syncpack,
            configuration,
            edited_by,
            state,
            hidden,
            scheduled,
            sort,
            after: _,
            limit: _,
        } = self;
        [version, syncpack, configuration, edited_by, state]
            .iter()
            .all(|text| text.as_deref().unwrap_or_default().is_empty())
            && hidden.is_none()
            && scheduled.is_none()
            && sort.as_deref().is_none_or(|sort| sort == "name")
    }
}

/// By what a list is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Name,
    FriendlyName,
    Version,
    SyncPack,
    Configuration,
    Edited,
    LastRun,
    State,
}

const COLUMNS: [(&str, Column); 8] = [
    ("name", Column::Name),
    ("friendly_name", Column::FriendlyName),
    ("version", Column::Version),
    ("syncpack", Column::SyncPack),
    ("configuration", Column::Configuration),
    ("edited", Column::Edited),
    ("last_run", Column::LastRun),
    ("state", Column::State),
];

/// The order of a list.
#[derive(Clone, Copy, Debug)]
struct Sort {
    column: Column,
    backwards: bool,
}

impl Sort {
    fn of(text: Option<&str>) -> Answer<Self> {
        let text = text.filter(|text| !text.is_empty()).unwrap_or("name");
        let (word, backwards) = match text.strip_prefix('-') {
            Some(word) => (word, true),
            None => (text, false),
        };
        let found = COLUMNS.iter().find(|(known, _)| *known == word);
        let Some((_, column)) = found else {
            let all: Vec<_> = COLUMNS.iter().map(|(word, _)| *word).collect();
            return Err(Problem::unreadable_at(
                "sort",
                format!(
                    "`{word}` is nothing that applications are sorted by; they are by {}, backwards with `-` before it",
                    all.join(", ")
                ),
            ));
        };
        Ok(Self {
            column: *column,
            backwards,
        })
    }

    fn compare(self, one: &Key, other: &Key) -> Ordering {
        // What is empty stands at the end in either direction; equal ones are by name.
        let empty = one.is_empty().cmp(&other.is_empty());
        let order = (one.number, &one.text).cmp(&(other.number, &other.text));
        let order = if self.backwards {
            order.reverse()
        } else {
            order
        };
        empty.then(order).then_with(|| one.name.cmp(&other.name))
    }
}

/// The place of an application in a sorted list, which a cursor carries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Key {
    number: Option<i64>,
    text: String,
    name: String,
}

impl Key {
    fn of(column: Column, entry: &Entry<'_>) -> Self {
        let text = match column {
            Column::Name => entry.one.name.clone(),
            Column::FriendlyName => entry.one.friendly_name.to_lowercase(),
            Column::Version => natural(entry.shown.version()),
            Column::SyncPack => natural(entry.one.origin.as_deref().unwrap_or_default()),
            Column::Configuration => entry.shown.configuration().to_lowercase(),
            Column::State => entry.state().unwrap_or_default().to_owned(),
            Column::Edited | Column::LastRun => String::new(),
        };
        let number = match column {
            Column::Edited => Some(entry.one.edited_at.0),
            Column::LastRun => entry.last.map(|run| run.created_at.0),
            _ => None,
        };
        Self {
            number,
            text,
            name: entry.one.name.clone(),
        }
    }

    fn is_empty(&self) -> bool {
        self.number.is_none() && self.text.is_empty()
    }
}

/// A text in lower case whose numbers sort by their values.
fn natural(text: &str) -> String {
    /// Longer numbers are sorted as texts.
    const DIGITS: usize = 12;
    let mut made = String::with_capacity(text.len() + DIGITS);
    let mut digits = String::new();
    for char in text.to_lowercase().chars().chain(['\0']) {
        if char.is_ascii_digit() {
            digits.push(char);
            continue;
        }
        if !digits.is_empty() {
            made.extend(std::iter::repeat_n(
                '0',
                DIGITS.saturating_sub(digits.len()),
            ));
            made.push_str(&digits);
            digits.clear();
        }
        if char != '\0' {
            made.push(char);
        }
    }
    made
}

/// An application with what is known about it.
struct Entry<'a> {
    one: &'a Definition,
    last: Option<&'a RunSummary>,
    shown: ApplicationSummary,
}

impl Entry<'_> {
    fn state(&self) -> Option<&'static str> {
        self.last.map(|run| run.state.word())
    }
}

/// What narrows a list, read.
struct Filter<'a> {
    args: &'a ApplicationsArgs,
    states: Vec<String>,
    never: bool,
}

impl<'a> Filter<'a> {
    fn of(args: &'a ApplicationsArgs) -> Answer<Self> {
        let words = args.state.as_deref().unwrap_or_default();
        let (never, of_runs): (Vec<&str>, Vec<&str>) = words
            .split(',')
            .map(str::trim)
            .partition(|word| *word == NEVER);
        Ok(Self {
            args,
            states: states(Some(&of_runs.join(",")))?,
            never: !never.is_empty(),
        })
    }

    fn takes(&self, entry: &Entry<'_>) -> bool {
        let holds = |asked: &Option<String>, found: &str| {
            asked
                .as_deref()
                .is_none_or(|asked| found.to_lowercase().contains(&asked.to_lowercase()))
        };
        let is = |asked: Option<bool>, found: bool| asked.is_none_or(|asked| asked == found);
        let in_state = match entry.state() {
            _ if self.states.is_empty() && !self.never => true,
            None => self.never,
            Some(state) => self.states.iter().any(|one| one == state),
        };
        in_state
            && holds(&self.args.version, entry.shown.version())
            && holds(
                &self.args.syncpack,
                entry.one.origin.as_deref().unwrap_or_default(),
            )
            && holds(&self.args.configuration, entry.shown.configuration())
            && holds(&self.args.edited_by, &entry.one.edited_by)
            && is(self.args.hidden, entry.shown.hidden())
            && is(self.args.scheduled, entry.shown.scheduled())
    }
}

/// What a list is made of.
pub(crate) struct Applications<'a> {
    /// Those that fit the search.
    pub(crate) all: &'a [Definition],
    /// The newest run of each that has one.
    pub(crate) last_runs: &'a HashMap<i64, RunSummary>,
    /// The names of those that a schedule starts.
    pub(crate) scheduled: &'a HashSet<String>,
}

impl Applications<'_> {
    /// Each as lists show it.
    pub(crate) fn shown(&self, collection: &str) -> Vec<ApplicationSummary> {
        self.entries(collection).map(|entry| entry.shown).collect()
    }

    fn entries(&self, collection: &str) -> impl Iterator<Item = Entry<'_>> {
        self.all.iter().map(move |one| {
            let last = self.last_runs.get(&one.id);
            let scheduled = self.scheduled.contains(&one.name);
            Entry {
                one,
                last,
                shown: ApplicationSummary::new(collection, one, last.cloned(), scheduled),
            }
        })
    }

    /// A part of those that fit, in the order asked for, after the place `after`.
    ///
    /// # Errors
    /// PF-0400 for a state or an order that there is not, PF-1005 for a place that is none.
    pub(crate) fn part(
        &self,
        collection: &str,
        args: &ApplicationsArgs,
        after: Option<&str>,
        limit: usize,
    ) -> Answer<Page<ApplicationSummary>> {
        let filter = Filter::of(args)?;
        let sort = Sort::of(args.sort.as_deref())?;
        let after: Option<Key> = after
            .map(|text| {
                serde_json::from_str(text).map_err(|_| engine::Error::Position(text.to_owned()))
            })
            .transpose()?;
        let mut found: Vec<(Key, ApplicationSummary)> = self
            .entries(collection)
            .filter(|entry| filter.takes(entry))
            .map(|entry| (Key::of(sort.column, &entry), entry.shown))
            .filter(|(key, _)| {
                after
                    .as_ref()
                    .is_none_or(|after| sort.compare(key, after) == Ordering::Greater)
            })
            .collect();
        found.sort_by(|(one, _), (other, _)| sort.compare(one, other));
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found
            .last()
            .filter(|_| more)
            .and_then(|(key, _)| serde_json::to_string(key).ok());
        Ok(Page {
            items: found.into_iter().map(|(_, shown)| shown).collect(),
            next,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: Option<i64>, text: &str, name: &str) -> Key {
        Key {
            number,
            text: text.to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn numbers_in_texts_sort_by_their_values() {
        let mut texts = ["1.10.0", "1.9.0", "v2", "1.9.0-rc1", "10"];
        texts.sort_by_key(|text| natural(text));
        assert_eq!(texts, ["1.9.0", "1.9.0-rc1", "1.10.0", "10", "v2"]);
    }

    #[test]
    fn what_is_empty_stands_at_the_end() {
        let (never, early, late) = (
            key(None, "", "a"),
            key(Some(1), "", "c"),
            key(Some(2), "", "b"),
        );
        for (sort, expected) in [
            ("last_run", [&early, &late, &never]),
            ("-last_run", [&late, &early, &never]),
        ] {
            let sort = Sort::of(Some(sort)).unwrap();
            let mut keys = [&never, &late, &early];
            keys.sort_by(|one, other| sort.compare(one, other));
            assert_eq!(keys, expected);
        }
        assert!(Sort::of(Some("-")).is_err() && Sort::of(Some("colour")).is_err());
        assert!(Sort::of(Some("")).is_ok());
    }
}
