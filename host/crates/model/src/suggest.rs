//! "Did you mean": the nearest of the names that there are.

use std::cell::Cell;

/// How much likeness is worth a hint: 1 is equal.
const LIKE: f64 = 0.6;
/// Longer names are no slips of the hand.
const LONGEST: usize = 300;

/// The name that is most like `wanted`, if any is like it at all. Case does not count.
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if wanted.len() > LONGEST {
        return None;
    }
    let wanted = wanted.to_lowercase();
    names
        .into_iter()
        .filter(|name| name.len() <= LONGEST)
        .map(|name| {
            let likeness = strsim::normalized_damerau_levenshtein(&wanted, &name.to_lowercase());
            (likeness, name)
        })
        .filter(|(likeness, _)| *likeness > LIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

/// ``; did you mean `name`?``, or nothing when no name is near.
pub fn hint<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wanted, names).map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// Hints for one document, up to an amount of work: a document with very many slips is
/// told of all of them, and with hints of the first.
pub(crate) struct Hints {
    /// Pairs of letters that may still be compared.
    left: Cell<usize>,
}

impl Default for Hints {
    fn default() -> Self {
        Self {
            left: Cell::new(20_000_000),
        }
    }
}

impl Hints {
    /// Whether a hint may still be asked for.
    pub(crate) fn any_left(&self) -> bool {
        self.left.get() > 0
    }

    /// As [`hint`].
    pub(crate) fn hint<'a>(&self, wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
        let near = names.take_while(|name| {
            let cost = (wanted.len() + 1) * (name.len().min(LONGEST) + 1);
            let left = self.left.get().saturating_sub(cost);
            self.left.set(left);
            left > 0
        });
        hint(wanted, near)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_leads_to_the_name() {
        let names = ["inventory_sync", "incident_sync", "cache_clear"];
        assert_eq!(nearest("inventroy_sync", names), Some("inventory_sync"));
        assert_eq!(nearest("Incident-Sync", names), Some("incident_sync"));
        assert_eq!(hint("cache_claer", names), "; did you mean `cache_clear`?");
        assert_eq!(hint("zzz", names), "");
        assert_eq!(nearest("x", []), None);
        assert_eq!(nearest(&"x".repeat(301), [&*"x".repeat(301)]), None);
    }

    #[test]
    fn hints_end_with_the_work_that_they_may_cost() {
        let hints = Hints {
            left: Cell::new(40),
        };
        assert_eq!(
            hints.hint("step", ["stpe"].into_iter()),
            "; did you mean `stpe`?"
        );
        assert_eq!(hints.hint("step", ["stpe"].into_iter()), "");
        assert!(!hints.any_left());
    }
}
