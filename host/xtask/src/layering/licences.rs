//! SPDX expressions: names joined by `AND`, `OR` (formerly `/`), `WITH`, in parentheses.

/// Whether the allowed licences satisfy an expression.
pub(super) fn allowed(expression: &str, allowed: &[String]) -> Result<bool, String> {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut parser = Parser {
        words: spaced.split_whitespace().peekable(),
        allowed,
    };
    let satisfied = parser.either()?;
    match parser.words.next() {
        Some(word) => Err(format!("`{word}` is not expected there")),
        None => Ok(satisfied),
    }
}

struct Parser<'a, Words: Iterator<Item = &'a str>> {
    words: std::iter::Peekable<Words>,
    allowed: &'a [String],
}

impl<'a, Words: Iterator<Item = &'a str>> Parser<'a, Words> {
    fn either(&mut self) -> Result<bool, String> {
        let mut satisfied = self.both()?;
        while self.words.next_if_eq(&"OR").is_some() {
            satisfied |= self.both()?;
        }
        Ok(satisfied)
    }

    fn both(&mut self) -> Result<bool, String> {
        let mut satisfied = self.one()?;
        while self.words.next_if_eq(&"AND").is_some() {
            satisfied &= self.one()?;
        }
        Ok(satisfied)
    }

    fn one(&mut self) -> Result<bool, String> {
        match self.words.next() {
            Some("(") => {
                let satisfied = self.either()?;
                match self.words.next() {
                    Some(")") => Ok(satisfied),
                    _ => Err("a parenthesis is not closed".to_owned()),
                }
            }
            Some(")" | "AND" | "OR" | "WITH") | None => Err("a licence is missing".to_owned()),
            Some(name) => {
                let mut name = name.to_owned();
                if self.words.next_if_eq(&"WITH").is_some() {
                    let exception = self.words.next().ok_or("an exception is missing")?;
                    name = format!("{name} WITH {exception}");
                }
                Ok(self.allowed.contains(&name))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_judged_as_spdx_says() {
        let ours = ["MIT", "Apache-2.0 WITH LLVM-exception", "ISC"].map(str::to_owned);
        for (expression, answer) in [
            ("MIT", Ok(true)),
            ("GPL-3.0", Ok(false)),
            ("Apache-2.0", Ok(false)),
            ("Apache-2.0 WITH LLVM-exception", Ok(true)),
            ("MIT OR GPL-3.0", Ok(true)),
            ("GPL-3.0/MIT", Ok(true)),
            ("MIT AND GPL-3.0", Ok(false)),
            ("GPL-3.0 OR MIT AND ISC", Ok(true)),
            ("MIT OR ISC AND GPL-3.0", Ok(true)),
            ("(MIT OR ISC) AND GPL-3.0", Ok(false)),
            ("(MIT OR GPL-3.0) AND (ISC)", Ok(true)),
        ] {
            assert_eq!(allowed(expression, &ours), answer, "{expression}");
        }
        for wrong in ["", "MIT OR", "MIT ISC", "(MIT", "MIT)", "AND", "MIT WITH"] {
            assert!(allowed(wrong, &ours).is_err(), "{wrong}");
        }
    }
}
