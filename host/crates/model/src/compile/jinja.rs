//! References in templates. The template engine never sees what a reference refers to as
//! text of the template: inside code it reads a variable, outside it prints one.

use super::Scope;
use crate::{
    operator::{AS_TEXT, REFERENCE},
    reference::{Part, Template},
    validate::{Problem, code},
};

/// A template whose references were taken out.
pub(super) struct Parsed {
    /// What the template engine reads. It has the lines of the original.
    pub(super) text: String,
    /// The references, by number.
    pub(super) references: Vec<Template>,
}

/// Where in a template a character stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// Text that is printed.
    Text,
    /// Code, up to that mark, inside of so many brackets: a `}}` in them is no mark.
    Code(&'static str, u32),
    /// A string in such code, after that quote.
    Quoted(u8, &'static str, u32),
    /// A comment.
    Comment,
    /// Text between `raw` and `endraw`.
    Raw,
}

pub(super) fn parse(
    template: &str,
    expression: bool,
    scope: &Scope<'_>,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Parsed {
    let mut parsed = Parsed {
        text: String::with_capacity(template.len()),
        references: Vec::new(),
    };
    let mut place = if expression {
        Place::Code("", 0)
    } else {
        Place::Text
    };
    let last_end = template.rfind('}').unwrap_or_default();
    let mut rest = template;
    while !rest.is_empty() {
        if matches!(place, Place::Text | Place::Code(..) | Place::Quoted(..))
            && rest.starts_with("$${")
        {
            parsed.text.push_str("${");
            rest = &rest[3..];
            continue;
        }
        if rest.starts_with("${") && !matches!(place, Place::Comment | Place::Raw) {
            let closed = template.len() - rest.len() < last_end;
            rest = parsed.reference((&rest[2..], closed), place, scope, path, problems);
            continue;
        }
        let (next, length) = step(place, rest);
        parsed.text.push_str(&rest[..length]);
        rest = &rest[length..];
        place = next;
    }
    parsed
}

/// How many bytes belong together at the start of `rest`, and where what follows stands.
fn step(place: Place, rest: &str) -> (Place, usize) {
    let first = rest.chars().next().map_or(1, char::len_utf8);
    match place {
        Place::Text if rest.starts_with("{{") => (Place::Code("}}", 0), 2),
        Place::Text if rest.starts_with("{#") => (Place::Comment, 2),
        Place::Text if rest.starts_with("{%") => {
            let code = rest[2..].trim_start_matches(['-', '+']).trim_start();
            if is_tag(code, "raw")
                && let Some(end) = rest.find("%}")
            {
                return (Place::Raw, end + 2);
            }
            (Place::Code("%}", 0), 2)
        }
        Place::Raw if rest.starts_with("{%") => {
            let code = rest[2..].trim_start_matches(['-', '+']).trim_start();
            if is_tag(code, "endraw")
                && let Some(end) = rest.find("%}")
            {
                return (Place::Text, end + 2);
            }
            (Place::Raw, 2)
        }
        Place::Comment if rest.starts_with("#}") => (Place::Text, 2),
        Place::Code(end, 0) if !end.is_empty() && rest.starts_with(end) => (Place::Text, end.len()),
        Place::Code(end, deep) if rest.starts_with(['"', '\'']) => {
            (Place::Quoted(rest.as_bytes()[0], end, deep), 1)
        }
        Place::Code(end, deep) if rest.starts_with(['(', '[', '{']) => {
            (Place::Code(end, deep + 1), 1)
        }
        Place::Code(end, deep) if rest.starts_with([')', ']', '}']) => {
            (Place::Code(end, deep.saturating_sub(1)), 1)
        }
        Place::Quoted(..) if rest.starts_with('\\') => {
            let next = rest[1..].chars().next().map_or(0, char::len_utf8);
            (place, 1 + next)
        }
        Place::Quoted(quote, end, deep) if rest.as_bytes()[0] == quote => {
            (Place::Code(end, deep), 1)
        }
        _ => (place, first),
    }
}

fn is_tag(code: &str, tag: &str) -> bool {
    code.strip_prefix(tag)
        .is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
}

impl Parsed {
    /// Takes the reference at the start of `body`, which follows a `${`, and of which is
    /// known whether a `}` follows somewhere; answers what is behind it.
    fn reference<'t>(
        &mut self,
        (body, closed): (&'t str, bool),
        place: Place,
        scope: &Scope<'_>,
        path: &str,
        problems: &mut Vec<Problem>,
    ) -> &'t str {
        let (used, part) = scope.reference(body, closed, path, problems);
        let reference = match part {
            Part::Reference(reference) => reference,
            // Already reported.
            Part::Text(text) => {
                self.text.push_str(&text);
                return &body[used..];
            }
        };
        if let Place::Quoted(..) = place {
            problems.push(Problem::error(
                code::TEMPLATE,
                path,
                format!(
                    "`{}` stands inside quotes, where it would be text: write it without them and join with `~`",
                    reference.text
                ),
            ));
        }
        let number = self.references.len();
        let name = format!("{REFERENCE}{number}");
        if place == Place::Text {
            self.text.extend(["{{ ", &name, "|", AS_TEXT, " }}"]);
        } else {
            self.text.extend([" ", &name, " "]);
        }
        self.references.push(Template::Reference(reference));
        &body[used..]
    }
}
