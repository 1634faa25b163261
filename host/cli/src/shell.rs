//! Commands that a person can copy into a shell as they stand.

use std::{borrow::Cow, path::Path};

/// A word of a command, in quotes where a shell would make something else of it.
pub(crate) fn word(text: &str) -> Cow<'_, str> {
    let plain = |letter: char| letter.is_alphanumeric() || "_-./:@%+=,…".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

/// The same of a path. One that begins with a dash is no option.
pub(crate) fn path(path: &Path) -> String {
    let text = path.display().to_string();
    if text.starts_with('-') && text != "-" {
        return word(&format!("./{text}")).into_owned();
    }
    word(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_meant() {
        for text in [
            "sync",
            "größe/a.json",
            "",
            "my sync",
            "it's",
            "$(rm x)",
            "a;b",
            "\"q\"",
            "~",
            "*",
            "a\nb",
        ] {
            let output = std::process::Command::new("sh")
                .args(["-c", &format!("printf %s {}", word(text))])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
        assert_eq!(word("a/b.json"), "a/b.json");
        assert_eq!(path(Path::new("-x y")), "'./-x y'");
        assert_eq!(path(Path::new("-")), "-");
    }
}
