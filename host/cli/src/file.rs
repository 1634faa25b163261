//! The files of this machine that commands read and write, and why they cannot be.

use std::{
    fs,
    io::{self, ErrorKind, Read as _},
    path::Path,
};

use serde_json::Value;

use crate::failure::Failure;

/// A file's bytes. An empty file is none that anybody means.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    match fs::read(path) {
        Ok(bytes) if bytes.is_empty() => {
            Err(Failure::local(format!("`{}` is empty", path.display())))
        }
        read => read.map_err(|error| unreadable(path, &error)),
    }
}

/// A file's text; `-` is stdin.
pub(crate) fn text(path: &Path) -> Result<String, Failure> {
    let read = if path.as_os_str() == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(path)
    };
    read.map_err(|error| unreadable(path, &error))
}

/// A text that is JSON, with what it says; `-` is stdin. A byte order mark is no part of it.
pub(crate) fn json(path: &Path) -> Result<(String, Value), Failure> {
    let text = text(path)?;
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    };
    if text.trim().is_empty() {
        let message = format!("`{}` is empty; JSON belongs into it", path.display());
        return Err(Failure::local(message));
    }
    let value = serde_json::from_str(&text).map_err(|error| {
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        Failure::local(format!(
            "{}:{}:{}: this is no JSON: {message}",
            path.display(),
            error.line(),
            error.column()
        ))
    })?;
    Ok((text, value))
}

/// Writes a file.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(|error| unwritable(path, &error))
}

/// Makes a folder, with those that it is in.
pub(crate) fn folder(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(|error| {
        Failure::local(match error.kind() {
            ErrorKind::AlreadyExists => {
                format!("`{}` is a file, not a folder", path.display())
            }
            _ => format!(
                "the folder `{}` cannot be made: {}",
                path.display(),
                why(&error)
            ),
        })
    })
}

pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let path = path.display();
    Failure::local(match error.kind() {
        ErrorKind::NotFound => format!("there is no file `{path}`"),
        ErrorKind::IsADirectory => format!("`{path}` is a folder, not a file"),
        ErrorKind::InvalidData => format!("`{path}` is no text in UTF-8"),
        _ => format!("`{path}` cannot be read: {}", why(error)),
    })
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::local(match error.kind() {
        ErrorKind::NotFound => {
            let folder = path.parent().unwrap_or(path).display();
            format!("there is no folder `{folder}`")
        }
        ErrorKind::IsADirectory => format!("`{}` is a folder, not a file", path.display()),
        _ => format!("`{}` cannot be written: {}", path.display(), why(error)),
    })
}

/// What the system says, without its number.
pub(crate) fn why(error: &dyn std::error::Error) -> String {
    let said = error.to_string();
    match said.find(" (os error ") {
        Some(end) => said[..end].to_lowercase(),
        None => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        for (name, content) in [
            ("empty", &b" \n"[..]),
            ("broken", b"{\"a\": 1,\n  \"b\" 2}"),
            ("binary", b"\xff\xfe"),
        ] {
            fs::write(at(name), content).unwrap();
        }
        for (name, words) in [
            ("nothing", "there is no file `"),
            ("folder", "is a folder, not a file"),
            ("empty", "` is empty; JSON belongs into it"),
            ("broken", "broken:2:7: this is no JSON: expected `:`"),
            ("binary", "is no text in UTF-8"),
        ] {
            let message = json(&at(name)).unwrap_err().message;
            assert!(message.contains(words), "{name}: {message}");
            assert!(!message.contains("os error"), "{message}");
        }
        // As root reads everything, the system's refusal is made up.
        let refused = io::Error::from_raw_os_error(13);
        assert_eq!(
            unreadable(Path::new("locked"), &refused).message,
            "`locked` cannot be read: permission denied"
        );
        fs::write(at("marked"), "\u{feff}{}").unwrap();
        assert_eq!(json(&at("marked")).unwrap().0, "{}");
    }

    #[test]
    fn what_cannot_be_written_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        write(&at("file"), b"").unwrap();
        let of = |done: Result<(), Failure>| done.unwrap_err().message;
        assert!(of(write(&at("none/file"), b"")).contains("there is no folder `"));
        assert!(of(write(folder.path(), b"")).contains("is a folder"));
        assert!(of(super::folder(&at("file"))).contains("is a file, not a folder"));
        assert!(of(super::folder(&at("file/b"))).contains("cannot be made: not a directory"));
    }
}
