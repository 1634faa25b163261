//! The built pages of the browser UI (`host/ui/dist`).
//!
//! A release build holds them; a debug build reads them from the folder, so that pages can be built
//! again while a service runs.

use std::borrow::Cow;

use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../../ui/dist"]
struct Dist;

/// The page that every address of the UI is answered with.
pub const INDEX: &str = "index.html";

/// A file of the UI.
pub struct File {
    /// Its content type.
    pub kind: String,
    /// Its content, compressed if [`Self::brotli`].
    pub bytes: Cow<'static, [u8]>,
    /// Whether the content is compressed with brotli.
    pub brotli: bool,
    /// The digest of what the content is when it is not compressed.
    pub digest: [u8; 32],
}

/// The file at a path below the root of the UI, such as `assets/index.js`; compressed where
/// that was made and `brotli` says that the reader understands it.
pub fn file(path: &str, brotli: bool) -> Option<File> {
    // The compressed files are no files of their own.
    if path.strip_suffix(".br").is_some() {
        return None;
    }
    let plain = Dist::get(path)?;
    let kind = plain.metadata.mimetype().to_owned();
    let kind = if kind.starts_with("text/") || kind == "application/json" {
        format!("{kind}; charset=utf-8")
    } else {
        kind
    };
    let digest = plain.metadata.sha256_hash();
    let packed = brotli.then(|| Dist::get(&format!("{path}.br"))).flatten();
    let brotli = packed.is_some();
    Some(File {
        kind,
        bytes: packed.unwrap_or(plain).data,
        brotli,
        digest,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_page_and_no_way_out_of_the_folder() {
        let page = file(INDEX, false).unwrap();
        assert_eq!(page.kind, "text/html; charset=utf-8");
        assert!(!page.brotli);
        for path in [
            "",
            "../package.json",
            "assets",
            "nothing.js",
            "index.html.br",
            "/etc/passwd",
        ] {
            assert!(file(path, true).is_none(), "{path}");
        }
    }
}
