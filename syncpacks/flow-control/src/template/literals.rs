//! Literals of lists and dicts can be changed in Python, and those of the engine cannot. So
//! `[…]` is read as `__list([…])`, and `{…}` as `__dict({…})`, where they are literals. Lines
//! stay what they are. A `+` before a value goes, for the engine does not know it.

use std::borrow::Cow;

use minijinja::{
    Environment, Error, Value,
    machinery::{Span, Token, tokenize},
};

use super::value::{Dict, List};

const LIST: &str = "__list(";
const DICT: &str = "__dict(";

/// Words after which an expression begins.
const OPERATORS: [&str; 14] = [
    "in", "and", "or", "not", "if", "elif", "else", "is", "do", "for", "set", "call", "filter",
    "with",
];

pub(super) fn add(environment: &mut Environment<'_>) {
    environment.add_function("__list", |value: Value| -> Result<Value, Error> {
        Ok(Value::from_object(List::new(value.try_iter()?.collect())))
    });
    environment.add_function("__dict", |value: Value| -> Result<Value, Error> {
        Ok(Value::from_object(Dict::from_value(&value)?))
    });
}

/// The template with literals that can be changed. What cannot be read stays as it is: the
/// engine says what is wrong with it.
pub(super) fn mutable(text: &str, expression: bool) -> Cow<'_, str> {
    // From, up to, and what stands there instead.
    let mut changes: Vec<(usize, usize, &str)> = Vec::new();
    let mut open: Vec<bool> = Vec::new();
    // What stood before: whether a value ended there, and whether it was a dot.
    let (mut ended, mut dot) = (false, false);
    for token in tokenize(text, expression, minijinja::syntax::SyntaxConfig::default()) {
        let Ok((token, span)) = token else {
            return Cow::Borrowed(text);
        };
        let Span {
            start_offset,
            end_offset,
            ..
        } = span;
        let (start, end) = (start_offset as usize, end_offset as usize);
        let mut value = false;
        match &token {
            Token::BraceOpen => {
                changes.push((start, start, DICT));
                open.push(true);
            }
            Token::BracketOpen => {
                if !ended {
                    changes.push((start, start, LIST));
                }
                open.push(!ended);
            }
            Token::BraceClose | Token::BracketClose => {
                if open.pop() == Some(true) {
                    changes.push((end, end, ")"));
                }
                value = true;
            }
            // A sign that changes nothing, and that the engine does not know.
            Token::Plus if !ended => changes.push((start, end, " ")),
            Token::Ident(word) => value = dot || !OPERATORS.contains(word),
            Token::Str(_)
            | Token::String(_)
            | Token::Int(_)
            | Token::Int128(_)
            | Token::Float(_)
            | Token::ParenClose => value = true,
            _ => {}
        }
        dot = matches!(token, Token::Dot);
        ended = value;
    }
    if changes.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut made = String::with_capacity(text.len() + 7 * changes.len());
    let mut at = 0;
    for (start, end, instead) in changes {
        made.push_str(&text[at..start]);
        made.push_str(instead);
        at = end;
    }
    made.push_str(&text[at..]);
    Cow::Owned(made)
}
