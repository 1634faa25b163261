//! "Did you mean": the nearest known name, if it is near enough.

/// The closest of `known` to `name`, within a third of its length.
pub(crate) fn nearest<'known>(
    name: &str,
    known: impl IntoIterator<Item = &'known str>,
) -> Option<&'known str> {
    let furthest = (name.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= furthest)
        .min()
        .map(|(_, candidate)| candidate)
}

/// `; did you mean ...?`, or what is known when nothing is near.
pub(crate) fn hint<'known>(
    name: &str,
    known: impl IntoIterator<Item = &'known str> + Clone,
) -> String {
    if let Some(candidate) = nearest(name, known.clone()) {
        return format!("; did you mean `{candidate}`?");
    }
    let names: Vec<&str> = known.into_iter().collect();
    format!("; known are {}", names.join(", "))
}
