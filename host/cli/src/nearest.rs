//! "Did you mean": the nearest of the names that there are.

/// The name that is most like `wanted`, if any is like it at all.
pub(crate) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    names
        .map(|name| {
            (
                strsim::normalized_damerau_levenshtein(&wanted, &name.to_lowercase()),
                name,
            )
        })
        .filter(|(likeness, _)| *likeness > 0.6)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_leads_to_the_name() {
        let names = || ["inventory_sync", "incident_sync", "cache_clear"].into_iter();
        assert_eq!(nearest("inventroy_sync", names()), Some("inventory_sync"));
        assert_eq!(nearest("Incident-Sync", names()), Some("incident_sync"));
        assert_eq!(nearest("zzz", names()), None);
        assert_eq!(nearest("x", std::iter::empty()), None);
    }
}
