//! What Python does with texts.

use minijinja::Error;

use super::wrong;

/// No text is padded beyond this.
pub(super) const WIDEST: usize = 1 << 20;

/// Splits from the end, at white space where no separator is given, at most so often.
pub(super) fn rsplit<'t>(
    text: &'t str,
    separator: Option<&str>,
    most: Option<i64>,
) -> Vec<&'t str> {
    let most = most.and_then(|most| usize::try_from(most).ok());
    let mut parts: Vec<&str> = match (separator, most) {
        (Some(separator), Some(most)) => text.rsplitn(most + 1, separator).collect(),
        (Some(separator), None) => text.rsplit(separator).collect(),
        (None, most) => {
            let (mut rest, mut parts) = (text.trim_end(), Vec::new());
            while !rest.is_empty() {
                let cut = rest.rfind(char::is_whitespace);
                match cut.filter(|_| most.is_none_or(|most| parts.len() < most)) {
                    Some(at) => {
                        let next = rest[at..].chars().next().map_or(1, char::len_utf8);
                        parts.push(&rest[at + next..]);
                        rest = rest[..at].trim_end();
                    }
                    None => {
                        parts.push(rest);
                        rest = "";
                    }
                }
            }
            parts
        }
    };
    parts.reverse();
    parts
}

pub(super) fn zfill(text: &str, width: usize) -> String {
    let missing = width.min(WIDEST).saturating_sub(text.chars().count());
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => text.split_at(text.len() - digits.len()),
        None => ("", text),
    };
    format!("{sign}{}{digits}", "0".repeat(missing))
}

/// Pads to a width as `center`, `ljust` and `rjust` do.
pub(super) fn pad(text: &str, width: usize, fill: char, how: &str) -> Result<String, Error> {
    if width > WIDEST {
        return Err(wrong(format!("a text is at most {WIDEST} characters wide")));
    }
    let missing = width.saturating_sub(text.chars().count());
    let left = match how {
        "ljust" => 0,
        "rjust" => missing,
        // As Python: the odd one goes to the left of a text of odd width.
        _ => missing / 2 + (missing & width & 1),
    };
    let fills = |count: usize| std::iter::repeat_n(fill, count).collect::<String>();
    Ok(format!("{}{text}{}", fills(left), fills(missing - left)))
}

pub(super) fn swapcase(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_uppercase() {
            made.extend(c.to_lowercase());
        } else {
            made.extend(c.to_uppercase());
        }
    }
    made
}

/// Each run of letters with a capital at its start.
pub(super) fn title(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside {
            made.extend(c.to_lowercase());
        } else {
            made.extend(c.to_uppercase());
        }
        inside = c.is_alphabetic();
    }
    made
}

pub(super) fn is_title(text: &str) -> bool {
    let (mut inside, mut any) = (false, false);
    for c in text.chars() {
        if (c.is_uppercase() && inside) || (c.is_lowercase() && !inside) {
            return false;
        }
        inside = c.is_uppercase() || c.is_lowercase();
        any |= inside;
    }
    any
}

pub(super) fn expand_tabs(text: &str, size: usize) -> String {
    let mut made = String::with_capacity(text.len());
    let mut column = 0;
    for c in text.chars() {
        match c {
            '\t' if size > 0 => {
                let spaces = size.min(WIDEST) - column % size.min(WIDEST);
                made.extend(std::iter::repeat_n(' ', spaces));
                column += spaces;
            }
            '\t' => {}
            '\n' | '\r' => {
                made.push(c);
                column = 0;
            }
            _ => {
                made.push(c);
                column += 1;
            }
        }
    }
    made
}
