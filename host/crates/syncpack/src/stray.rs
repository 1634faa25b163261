//! Keys that mean nothing, and the places of faults.

use serde_json::{Map, Value};

/// The keys of `meta.json`.
pub(crate) const META: [&str; 14] = [
    "name",
    "version",
    "summary",
    "description",
    "author",
    "home_page",
    "tags",
    "critical",
    "requires_dist",
    "requires_is_version",
    "requires_platform",
    "schedules",
    "grants",
    // What the build adds.
    "sdk",
];
/// The keys of a grant.
pub(crate) const GRANT: [&str; 6] = ["id", "kind", "host", "ports", "methods", "reason"];
/// Less likeness is worth no hint.
const LIKE: f64 = 0.6;

/// The keys that are none of those that are known: each with its place below `path`, and with
/// what to say about it.
pub(crate) fn keys(
    path: &str,
    extra: &Map<String, Value>,
    known: &[&str],
) -> Vec<(String, String)> {
    let strays = extra.keys().filter(|key| !known.contains(&key.as_str()));
    let told = |key: &String| {
        let place = key.replace('~', "~0").replace('/', "~1");
        (
            format!("{}/{place}", pointer(path)),
            format!(
                "`{key}` means nothing here and is only kept{}",
                hint(key, known)
            ),
        )
    };
    strays.map(told).collect()
}

fn hint(key: &str, known: &[&str]) -> String {
    let likeness = |one: &str| strsim::normalized_damerau_levenshtein(&key.to_lowercase(), one);
    known
        .iter()
        .map(|one| (likeness(one), *one))
        .filter(|(like, _)| *like > LIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(String::new, |(_, one)| format!("; did you mean `{one}`?"))
}

/// The JSON pointer of a place such as `steps[2].parameters[0].type`; of one that is a pointer
/// already, itself.
pub(crate) fn pointer(path: &str) -> String {
    if path.is_empty() || path.starts_with('/') {
        return path.to_owned();
    }
    format!("/{}", path.replace(['.', '['], "/").replace(']', ""))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_are_pointers() {
        for (path, expected) in [
            ("", ""),
            ("name", "/name"),
            ("steps[2].parameters[0].type", "/steps/2/parameters/0/type"),
            ("/a~1b", "/a~1b"),
        ] {
            assert_eq!(pointer(path), expected);
        }
    }

    #[test]
    fn a_slip_is_told_with_what_was_meant() {
        let extra: Map<String, Value> =
            serde_json::from_value(json!({"sumary": "x", "sdk": {}, "a/b": 1})).unwrap_or_default();
        let found = keys("", &extra, &META);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].0, "/sumary");
        assert!(found[0].1.ends_with("did you mean `summary`?"), "{found:?}");
        assert_eq!(found[1].0, "/a~1b");
        assert!(found[1].1.ends_with("only kept"), "{found:?}");
        let found = keys("grants[1]", &extra, &GRANT);
        assert_eq!(found[0].0, "/grants/1/sumary");
    }
}
