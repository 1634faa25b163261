//! Whether the examples that are executed show every command of `pfctl`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::page::{Block, blocks};
use crate::report;

/// The commands that no executed example of the pages uses, each as a failure.
pub(super) fn missing(pfctl: &Path, pages: &[PathBuf]) -> anyhow::Result<Vec<String>> {
    let mut executed = String::new();
    for page in pages {
        for (_, block) in blocks(&fs::read_to_string(page)?) {
            match block {
                Ok(Block::Script(script)) => executed.push_str(&script),
                Ok(Block::Session(exchanges)) => {
                    for exchange in exchanges {
                        executed.push_str(&exchange.command);
                        executed.push('\n');
                    }
                }
                Ok(Block::Elsewhere(_)) | Err(_) => {}
            }
        }
    }
    let all = commands(pfctl)?;
    let unseen = all.into_iter().filter(|command| !uses(&executed, command));
    Ok(unseen
        .map(|command| format!("no executed example shows `pfctl {command}`"))
        .collect())
}

/// Every command that does something, as `run bulk start`.
fn commands(pfctl: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut open = vec![Vec::<String>::new()];
    while let Some(path) = open.pop() {
        let help = report::output(Command::new(pfctl).args(&path).arg("--help"))?;
        let below = listed(&help);
        if below.is_empty() {
            found.push(path.join(" "));
        }
        for name in below {
            let mut longer = path.clone();
            longer.push(name.to_owned());
            open.push(longer);
        }
    }
    found.sort();
    Ok(found)
}

/// The commands that a help lists.
fn listed(help: &str) -> Vec<&str> {
    let mut lines = help.lines();
    // Until there.
    let _ = lines.find(|line| *line == "Commands:");
    lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect()
}

/// Whether a script uses a command: not one whose name only begins with it.
fn uses(script: &str, command: &str) -> bool {
    let wanted = format!("pfctl {command}");
    script.match_indices(&wanted).any(|(at, _)| {
        let next = script[at + wanted.len()..].chars().next();
        next.is_none_or(|next| next != '-' && !next.is_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_used_by_its_whole_name() {
        assert!(uses("x\npfctl run pause --all\n", "run pause"));
        assert!(uses("$(pfctl run pauses)", "run pauses"));
        assert!(!uses("pfctl run pauses", "run pause"));
        assert!(!uses("pfctl run dead-letters list", "run dead"));
    }

    #[test]
    fn a_help_lists_commands() {
        let help = "What it is\n\nUsage: x\n\nCommands:\n  list  List\n        more [alias: a]\n  show  Show\n  help  Print\n\nOptions:\n  -h\n";
        assert_eq!(listed(help), ["list", "show"]);
        assert!(listed("Usage: x\n\nOptions:\n  -h\n").is_empty());
    }
}
