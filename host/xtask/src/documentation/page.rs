//! The blocks and links of a page in Markdown.

use anyhow::{bail, ensure};

/// An example.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Executed as a whole.
    Script(String),
    /// Executed command by command, with output.
    Session(Vec<Exchange>),
    /// Tested elsewhere.
    Elsewhere(Vec<String>),
}

/// A command and what it prints.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) command: String,
    pub(super) expected: Vec<String>,
}

/// The shell examples of a page with the number of their first line.
pub(super) fn blocks(page: &str) -> Vec<(usize, anyhow::Result<Block>)> {
    let mut found = Vec::new();
    let mut lines = (1..).zip(page.lines());
    while let Some((number, line)) = lines.next() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        let Some(info) = trimmed.strip_prefix("```") else {
            if indent >= 4 && is_command(trimmed) {
                let error = anyhow::anyhow!("write it as a block that says how it is tested");
                found.push((number, Err(error)));
            }
            continue;
        };
        let mut body = String::new();
        for (_, line) in lines.by_ref().take_while(|(_, line)| line.trim() != "```") {
            body.push_str(line.get(indent..).unwrap_or_default());
            body.push('\n');
        }
        let language = info.split_whitespace().next().unwrap_or_default();
        if matches!(language, "sh" | "bash" | "shell" | "console" | "zsh") {
            found.push((number, parse(info.trim(), &body)));
        }
    }
    found
}

/// Whether an indented line looks like an example of a shell.
fn is_command(line: &str) -> bool {
    ["$ ", "cargo ", "curl ", "pfctl ", "powerflow "]
        .iter()
        .any(|start| line.starts_with(start))
}

fn parse(info: &str, body: &str) -> anyhow::Result<Block> {
    match info {
        "sh test" => Ok(Block::Script(body.to_owned())),
        "sh elsewhere" => {
            let commands = body
                .lines()
                .map(|line| line.split(" #").next().unwrap_or_default().trim());
            let commands = commands.filter(|line| !line.is_empty() && !line.starts_with('#'));
            Ok(Block::Elsewhere(commands.map(str::to_owned).collect()))
        }
        "console" => session(body),
        other => bail!(
            "`{other}` does not say how it is tested: write `sh test`, `console` or `sh elsewhere`"
        ),
    }
}

fn session(body: &str) -> anyhow::Result<Block> {
    let mut exchanges: Vec<Exchange> = Vec::new();
    for line in body.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            exchanges.push(Exchange {
                command: command.to_owned(),
                expected: Vec::new(),
            });
            continue;
        }
        let Some(last) = exchanges.last_mut() else {
            bail!("output comes before the first `$ `")
        };
        if last.expected.is_empty() && last.command.ends_with('\\') {
            last.command.push('\n');
            last.command.push_str(line);
        } else if !line.trim().is_empty() {
            last.expected.push(line.trim_end().to_owned());
        }
    }
    ensure!(!exchanges.is_empty(), "nothing is executed");
    Ok(Block::Session(exchanges))
}

/// Whether the expected lines occur in this order.
pub(super) fn compare(output: &str, expected: &[String]) -> anyhow::Result<()> {
    let mut lines = output.lines();
    for wanted in expected {
        if wanted.trim() != "…" && !lines.any(|line| matches(line, wanted)) {
            bail!("the line `{wanted}` is missing");
        }
    }
    Ok(())
}

/// Whether a line is as expected: words alike, however they are spaced, and `…` for anything.
fn matches(line: &str, wanted: &str) -> bool {
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let wanted = wanted.split_whitespace().collect::<Vec<_>>().join(" ");
    let parts: Vec<&str> = wanted.split('…').map(str::trim).collect();
    let [first, between @ .., last] = parts.as_slice() else {
        return line == wanted;
    };
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    for part in between {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// The local targets of a page's links, without their fragments.
#[cfg(test)]
pub(super) fn links(page: &str) -> Vec<String> {
    let targets = page
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let paths = targets.map(|target| target.split('#').next().unwrap_or_default());
    paths
        .filter(|path| !path.is_empty() && !path.contains("://"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_found_with_what_becomes_of_them() {
        let page = "# A\n```sh test\na\nb\n```\ntext\n```json\n{}\n```\n\n  ```console\n  $ c \\\n  d\n  out\n\n  $ e\n  ```\n\
            ```sh elsewhere\n# first\ncargo xtask test   # all\n```\n```bash\nx\n```\n\n    pfctl about\n";
        let found = blocks(page);
        assert_eq!(
            found.iter().map(|(line, _)| *line).collect::<Vec<_>>(),
            [2, 11, 18, 22, 26]
        );
        let mut found = found.into_iter().map(|(_, block)| block.ok());
        assert_eq!(found.next(), Some(Some(Block::Script("a\nb\n".to_owned()))));
        let exchange = |command: &str, expected: &[&str]| Exchange {
            command: command.to_owned(),
            expected: expected.iter().map(|line| (*line).to_owned()).collect(),
        };
        let session = vec![exchange("c \\\nd", &["out"]), exchange("e", &[])];
        assert_eq!(found.next(), Some(Some(Block::Session(session))));
        assert_eq!(
            found.next(),
            Some(Some(Block::Elsewhere(vec!["cargo xtask test".to_owned()])))
        );
        assert_eq!(found.next(), Some(None));
        assert_eq!(found.next(), Some(None));
    }

    #[test]
    fn output_is_compared_line_by_line_with_gaps() {
        let expected = |lines: &[&str]| {
            lines
                .iter()
                .map(|line| (*line).to_owned())
                .collect::<Vec<_>>()
        };
        let output = "name   state\nfirst  ok 12 ms\nlast   failed\n";
        for right in [
            &["name state"][..],
            &["first ok … ms", "last … failed"],
            &["…", "last failed"],
            &["… ok …"],
        ] {
            assert!(compare(output, &expected(right)).is_ok(), "{right:?}");
        }
        for wrong in [
            &["last failed", "name state"][..],
            &["first ok"],
            &["first … s ms"],
            &["first … failed"],
        ] {
            assert!(compare(output, &expected(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn links_to_files_are_found() {
        let page = "[a](b.md) [c](https://example.com) [d](#e) ![f](g/h.png) [i](j.md#k)";
        assert_eq!(links(page), ["b.md", "g/h.png", "j.md"]);
    }
}
