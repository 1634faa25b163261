//! The stable codes of refusals, each explained in `host/docs/errors.md`.

/// A stable code and what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// `PF-…`
    pub code: &'static str,
    /// What it stands for, the same for every occurrence.
    pub title: &'static str,
}

macro_rules! codes {
    ($($name:ident $code:literal $title:literal,)+) => {
        $(pub(crate) const $name: Code = Code { code: $code, title: $title };)+
        /// Every code that an answer of the API can carry at its top.
        pub const CODES: &[Code] = &[$($name),+];
    };
}

codes! {
    UNREADABLE "PF-0400" "The request cannot be read",
    UNAUTHENTICATED "PF-0401" "Who are you?",
    FORBIDDEN "PF-0403" "Your role does not allow this",
    FORGED "PF-0419" "The change does not come from our own page",
    NOT_FOUND "PF-0404" "There is nothing of that name",
    METHOD "PF-0405" "The address does not take this method",
    NO_ROUTE "PF-0406" "There is no such address",
    CONFLICT "PF-0409" "The name is taken, or it was changed in the meantime",
    PRECONDITION "PF-0412" "It was changed in the meantime",
    TOO_LARGE "PF-0413" "The request is too large",
    MEDIA_TYPE "PF-0415" "The request has the wrong content type",
    IN_USE "PF-0423" "It is in use",
    PRECONDITION_NEEDED "PF-0428" "Say which revision you are replacing",
    BUSY "PF-0429" "Too much is waiting",
    FULL "PF-0430" "Too many accepted runs have not ended",
    INTERNAL "PF-0500" "A defect of the service",
    UNAVAILABLE "PF-0503" "The store or the queue does not answer",
    DRAINING "PF-0504" "The service is shutting down",
    TIMEOUT "PF-0505" "The request took too long",
    LEASE_LOST "PF-0506" "The process has lost its lease",
    INVALID "PF-1001" "The document has faults",
    CANNOT_RUN "PF-1002" "The application cannot run",
    KEY_REUSED "PF-1003" "The idempotency key was used for another request",
    RUN_STATE "PF-1004" "The state of the run does not allow it",
    POSITION "PF-1005" "The list cannot be narrowed in this way",
    UNDELIVERABLE "PF-1009" "What the webhook received starts no run",
    WEBHOOK_DISABLED "PF-1010" "The webhook takes no deliveries",
    NOT_A_SYNCPACK "PF-2001" "The file is no SyncPack",
    PACK_STATE "PF-2002" "The SyncPack's state does not allow it",
    GRANT "PF-2003" "The grant cannot be given",
}

/// The code of that text; [`INTERNAL`] for one that is not listed.
pub(crate) fn of(code: &str) -> Code {
    CODES
        .iter()
        .find(|one| one.code == code)
        .copied()
        .unwrap_or(INTERNAL)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    const PAGE: &str = include_str!("../../../docs/errors.md");

    fn collect(folder: &Path, into: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, into);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                for (at, _) in text.match_indices("\"PF-") {
                    let rest = &text[at + 1..];
                    let end = rest.find('"').unwrap_or(0);
                    let is_code =
                        |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
                    if end >= 7 && rest[..end].chars().all(is_code) {
                        into.insert(rest[..end].to_owned());
                    }
                }
            }
        }
    }

    #[test]
    fn every_code_of_the_host_is_explained() {
        let mut used = BTreeSet::new();
        let host = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        collect(&host.join("cli/src"), &mut used);
        for krate in fs::read_dir(host.join("crates")).unwrap() {
            let sources = krate.unwrap().path().join("src");
            if sources.is_dir() {
                collect(&sources, &mut used);
            }
        }
        for code in CODES {
            assert!(
                used.contains(code.code),
                "the scan does not find {}",
                code.code
            );
        }
        let missing: Vec<_> = used
            .iter()
            .filter(|code| !PAGE.contains(&format!("\n## {code} ")))
            .collect();
        assert!(missing.is_empty(), "docs/errors.md lacks {missing:?}");
    }

    #[test]
    fn titles_on_the_page_are_those_of_answers() {
        for code in CODES {
            let heading = format!("\n## {} {}\n", code.code, code.title);
            assert!(PAGE.contains(&heading), "docs/errors.md lacks {heading:?}");
        }
    }

    #[test]
    fn every_code_of_the_engine_is_listed() {
        let source = include_str!("../../engine/src/error.rs");
        for (at, _) in source.match_indices("\"PF-") {
            let code = &source[at + 1..at + 8];
            assert_eq!(of(code).code, code);
        }
    }
}
