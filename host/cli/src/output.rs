//! What goes to stdout and stderr.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
};

use serde_json::Value;

/// How results are printed.
#[derive(Clone, Copy)]
pub(crate) struct Output {
    pub(crate) json: bool,
}

impl Output {
    /// A result: as JSON for programs, else as `human` writes it.
    pub(crate) fn result(self, value: &Value, human: impl FnOnce(&Value) -> String) {
        if self.json {
            line(&serde_json::to_string_pretty(value).unwrap_or_default());
        } else {
            let text = human(value);
            let text = text.trim_end_matches('\n');
            if !text.is_empty() {
                line(text);
            }
        }
    }

    /// A result in words; programs that asked for JSON get theirs as one document.
    pub(crate) fn say(self, text: &str) {
        if !self.json {
            line(text);
        }
    }

    /// A remark for a person; programs that asked for JSON do not see it.
    pub(crate) fn remark(self, text: &str) {
        if !self.json {
            eprintln!("{text}");
        }
    }
}

/// A line on stdout. A reader that has gone away, such as `head`, ends us quietly.
pub(crate) fn line(text: &str) {
    if let Err(error) = writeln!(io::stdout(), "{text}")
        && error.kind() == io::ErrorKind::BrokenPipe
    {
        std::process::exit(0);
    }
}

/// Bytes on stdout as they are.
pub(crate) fn exact(bytes: &[u8]) {
    let mut stdout = io::stdout();
    if let Err(error) = stdout.write_all(bytes).and_then(|()| stdout.flush())
        && error.kind() == io::ErrorKind::BrokenPipe
    {
        std::process::exit(0);
    }
}

/// A table: a heading and rows, columns as wide as they must be. A row is one line, whatever
/// its cells hold.
pub(crate) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return "none\n".to_owned();
    }
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| one_line(cell)).collect())
        .collect();
    let mut widths: Vec<usize> = heading.iter().map(|cell| cell.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let heading = heading.iter().map(|cell| cell.to_uppercase()).collect();
    for row in std::iter::once(&heading).chain(&rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            let fill = width.saturating_sub(cell.chars().count()) + 2;
            line.extend(std::iter::repeat_n(' ', fill));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A text of others as a terminal may have it: what would move the cursor, change its colours or
/// more is written out, and a further line is indented, so that none passes for one of ours.
pub(crate) fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' => shown.push_str("\n    "),
            '\t' => shown.push(letter),
            letter if letter.is_control() => shown.extend(letter.escape_default()),
            letter => shown.push(letter),
        }
    }
    shown
}

/// A text without line breaks and what else would move the cursor.
fn one_line(text: &str) -> String {
    let words = text.split(|letter: char| letter.is_whitespace() || letter.is_control());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// What a list shows of a description: its first paragraph, of that so much as fits.
pub(crate) fn brief(value: &Value) -> String {
    const MOST: usize = 100;
    let text = text(value);
    let first = text.trim_start().split("\n\n").next().unwrap_or_default();
    let line = one_line(first);
    if line.chars().count() <= MOST {
        return line;
    }
    let cut: String = line.chars().take(MOST - 1).collect();
    let whole = cut
        .rsplit_once(' ')
        .map_or(cut.as_str(), |(whole, _)| whole);
    format!("{whole}…")
}

/// Names and values under each other; empty values are left out. Further lines of a value are
/// indented as its first.
pub(crate) fn facts(pairs: &[(&str, String)]) -> String {
    let width = pairs
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        let mut lines = value.trim_end().lines().map(harmless);
        let first = lines.next().unwrap_or_default();
        let _ = writeln!(text, "{name:width$}  {first}");
        for line in lines {
            let _ = writeln!(text, "{}", format!("{:width$}  {line}", "").trim_end());
        }
    }
    text
}

/// A field as text: empty for `null` and what is not there.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// The entries of a list; of anything else none.
pub(crate) fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A warning of the service as a line.
pub(crate) fn warning(fault: &Value) -> String {
    warning_line(
        &text(&fault["code"]),
        &text(&fault["at"]),
        &text(&fault["message"]),
    )
}

/// A fault as a line.
pub(crate) fn fault(fault: &Value) -> String {
    let place = format!("{} {}", text(&fault["code"]), text(&fault["at"]));
    format!("{}: {}", place.trim_end(), text(&fault["message"]))
}

/// The parts of a warning: the code, the place if it has one, and what is odd.
pub(crate) fn warning_line(code: &str, at: &str, message: &str) -> String {
    let space = if at.is_empty() { "" } else { " " };
    format!("warning[{code}]{space}{at}: {message}")
}

/// A number of things: `1 run`, `2 runs`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{s}")
}

/// A document as people keep it in files.
pub(crate) fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

/// A time of an answer, to the second.
pub(crate) fn time(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    text.get(..19).map_or_else(
        || text.to_owned(),
        |time| format!("{}Z", time.replace('T', " ")),
    )
}

/// A time of an answer, to the millisecond.
pub(crate) fn instant(value: &Value) -> String {
    let parsed: Option<jiff::Timestamp> = value.as_str().and_then(|text| text.parse().ok());
    parsed.map_or_else(
        || text(value),
        |time| time.strftime("%Y-%m-%d %H:%M:%S.%3fZ").to_string(),
    )
}

/// How long it took from one time to another, to three digits; empty if one is missing.
pub(crate) fn duration(from: &Value, to: &Value) -> String {
    let parse = |value: &Value| value.as_str()?.parse::<jiff::Timestamp>().ok();
    match (parse(from), parse(to)) {
        (Some(from), Some(to)) => seconds(to.duration_since(from).as_secs_f64()),
        _ => String::new(),
    }
}

fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 0.9995 => format!("{:.3} s", s.max(0.0)),
        s if s < 9.995 => format!("{s:.2} s"),
        s if s < 99.95 => format!("{s:.1} s"),
        s if s < 3600.0 => format!(
            "{:.0} min {:02.0} s",
            (s / 60.0).floor(),
            (s % 60.0).floor()
        ),
        s => format!(
            "{:.0} h {:02.0} min",
            (s / 3600.0).floor(),
            (s % 3600.0 / 60.0).floor()
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let rows = vec![
            vec!["größe".to_owned(), "1".to_owned()],
            vec!["a".to_owned(), "22".to_owned()],
        ];
        assert_eq!(
            table(&["name", "n"], &rows),
            "NAME   N\ngröße  1\na      22\n"
        );
        assert_eq!(table(&["name"], &[]), "none\n");
    }

    #[test]
    fn a_text_of_others_does_not_reach_the_terminal_as_commands() {
        assert_eq!(
            harmless("a\tb\u{1b}[2J\u{9b}31m\r\nERROR \u{7}é\u{202e}"),
            "a\tb\\u{1b}[2J\\u{9b}31m\\r\n    ERROR \\u{7}é\u{202e}"
        );
        let shown = facts(&[("application", "a\u{1b}]0;x\u{7}\nb".to_owned())]);
        assert_eq!(shown, "application  a\\u{1b}]0;x\\u{7}\n             b\n");
    }

    #[test]
    fn a_row_is_one_line_whatever_its_cells_hold() {
        let rows = vec![vec![
            "a\u{1b}[2J".to_owned(),
            "first\r\n\n  second\tthird ".to_owned(),
        ]];
        assert_eq!(
            table(&["name", "description"], &rows),
            "NAME   DESCRIPTION\na [2J  first second third\n"
        );
    }

    #[test]
    fn a_list_shows_the_beginning_of_a_description() {
        assert_eq!(
            brief(&json!("Opens an\nincident.\n\nMore.")),
            "Opens an incident."
        );
        assert_eq!(brief(&json!(null)), "");
        let long = brief(&json!("größe ".repeat(40)));
        assert!(
            long.chars().count() <= 100 && long.ends_with("größe…"),
            "{long}"
        );
    }

    #[test]
    fn times_and_durations() {
        let from = json!("2027-01-15T08:00:00.5Z");
        assert_eq!(time(&from), "2027-01-15 08:00:00Z");
        assert_eq!(time(&json!(null)), "");
        assert_eq!(instant(&from), "2027-01-15 08:00:00.500Z");
        assert_eq!(instant(&json!(null)), "");
        assert_eq!(duration(&from, &json!("2027-01-15T08:00:01.75Z")), "1.25 s");
        assert_eq!(duration(&from, &json!(null)), "");
        for (value, text) in [
            (0.0123, "0.012 s"),
            (59.94, "59.9 s"),
            (125.0, "2 min 05 s"),
            (7260.0, "2 h 01 min"),
        ] {
            assert_eq!(seconds(value), text);
        }
    }

    #[test]
    fn facts_leave_out_what_is_empty() {
        let pairs = [
            ("name", "a".to_owned()),
            ("no", String::new()),
            ("version", "1".to_owned()),
        ];
        assert_eq!(facts(&pairs), "name     a\nversion  1\n");
        let pairs = [("text", "one\n\ntwo\n".to_owned()), ("b", "1".to_owned())];
        assert_eq!(facts(&pairs), "text  one\n\n      two\nb     1\n");
    }
}
