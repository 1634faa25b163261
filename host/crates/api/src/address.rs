//! The address that somebody probably meant who asked at one that is none.

use std::sync::LazyLock;

use model::suggest;

/// The addresses of the API, with placeholders.
static KNOWN: LazyLock<Vec<String>> =
    LazyLock::new(|| crate::router::document().paths.paths.into_keys().collect());
/// A longer address is no slip.
const LONGEST: usize = 500;

/// The address that was probably meant instead of `path`, which none has.
pub(crate) fn meant(path: &str) -> Option<String> {
    if path.len() > LONGEST {
        return None;
    }
    let tidy = format!("/{}", parts(path).collect::<Vec<_>>().join("/"));
    let with_prefix = format!("/api/v1{tidy}");
    [&tidy, &with_prefix]
        .into_iter()
        .find_map(|candidate| KNOWN.iter().find_map(|known| fitting(known, candidate)))
        .filter(|found| found != path)
}

/// The parts of an address; slashes too many make none.
fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

/// `path` put right after `known`, if it has its form but for slips.
fn fitting(known: &str, path: &str) -> Option<String> {
    if parts(known).count() != parts(path).count() || parts(path).next().is_none() {
        return None;
    }
    let mut right = String::new();
    for (wanted, found) in parts(known).zip(parts(path)) {
        right.push('/');
        if wanted.starts_with('{') {
            right.push_str(found);
        } else {
            right.push_str(suggest::nearest(found, [wanted])?);
        }
    }
    Some(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_in_addresses_lead_to_the_right_one() {
        for (path, right) in [
            ("/api/v1/runs/", Some("/api/v1/runs")),
            ("/api/v1//runs", Some("/api/v1/runs")),
            ("/api/v1/aplications", Some("/api/v1/applications")),
            ("/applications/a%20b/", Some("/api/v1/applications/a%20b")),
            (
                "/api/v1/task/isapp-1/log",
                Some("/api/v1/tasks/isapp-1/logs"),
            ),
            ("/readyz/", Some("/readyz")),
            ("/", None),
            ("//", None),
            ("/api/v1/nothing", None),
            ("/x/y/z/a/b/c", None),
        ] {
            assert_eq!(meant(path).as_deref(), right, "{path}");
        }
        assert_eq!(meant(&format!("/api/v1/{}", "x".repeat(600))), None);
    }
}
