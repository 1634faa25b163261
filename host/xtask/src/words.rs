//! What no tracked file may hold: paths of the machine that it was written on, and what is left of
//! an unfinished merge.

use std::process::Command;
use std::{env, fs};

use harness::place;

use crate::report;

/// Text files are searched, these apart.
const BINARY: [&str; 6] = [".wasm", ".png", ".ico", ".woff2", ".gz", ".zip"];

/// Where the rules are broken, a line each.
pub(crate) fn check() -> anyhow::Result<Vec<String>> {
    let root = place::root();
    // New files count before they are committed as well.
    let list = [
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ];
    let files = report::output(Command::new("git").args(list).current_dir(root))?;
    let forbidden = forbidden();
    let mut found = Vec::new();
    for name in files.split('\0').filter(|name| !name.is_empty()) {
        if BINARY.iter().any(|ending| name.ends_with(ending)) {
            continue;
        }
        // A file that was deleted is still listed until that is committed.
        let Ok(bytes) = fs::read(root.join(name)) else {
            continue;
        };
        found.extend(search(name, &String::from_utf8_lossy(&bytes), &forbidden));
    }
    Ok(found)
}

/// Texts, and why they must not be there. Put together here, so that this file holds none of them.
fn forbidden() -> Vec<(String, &'static str)> {
    let machine = "a path of the machine that it was written on";
    let merge = "a conflict that was not resolved";
    let mut list = vec![
        (format!("{}/", place::root().display()), machine),
        (["/wo", "rk/"].concat(), machine),
        (["/tmp/tar", "get-"].concat(), machine),
        ("<".repeat(7) + " ", merge),
        (">".repeat(7) + " ", merge),
        (["-----BEGIN ", "PRIVATE KEY"].concat(), "a private key"),
    ];
    if let Some(home) = env::var_os("HOME").filter(|home| home.len() > 1) {
        list.push((format!("{}/", home.display()), machine));
    }
    list
}

fn search(name: &str, text: &str, forbidden: &[(String, &str)]) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for (word, why) in forbidden
            .iter()
            .filter(|(word, _)| line.contains(word.as_str()))
        {
            found.push(format!("{name}:{number}: `{word}` is {why}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forbidden_text_is_found_with_its_place() {
        let forbidden = forbidden();
        for (word, why) in &forbidden {
            let found = search("a.md", &format!("fine\nx {word}y\n"), &forbidden);
            assert!(
                found.contains(&format!("a.md:2: `{word}` is {why}")),
                "{found:?}"
            );
        }
        assert_eq!(
            search(
                "a.md",
                "a path such as src/lib.rs, and << and >>\n",
                &forbidden
            ),
            [""; 0]
        );
    }
}
