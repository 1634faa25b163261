//! Checks JSON without building anything from it.

/// Why a text is not acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Flaw {
    #[error("it is not JSON: unexpected end")]
    End,
    #[error("it is not JSON: unexpected character at byte {0}")]
    At(usize),
    #[error("it is nested more than {0} levels deep")]
    Depth(u8),
    #[error("it is not an object")]
    NoObject,
}

/// Whether `text` is one JSON value (RFC 8259) nested no deeper than `depth`, at most 128.
pub(crate) fn check(text: &str, depth: u8) -> Result<(), Flaw> {
    Scanner {
        bytes: text.as_bytes(),
        at: 0,
        limit: depth.min(128),
        depth: 0,
        objects: 0,
    }
    .run()
}

/// Whether `text` is a JSON object.
pub(crate) fn check_object(text: &str, depth: u8) -> Result<(), Flaw> {
    check(text, depth)?;
    if text.trim_ascii_start().starts_with('{') {
        Ok(())
    } else {
        Err(Flaw::NoObject)
    }
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    limit: u8,
    depth: u8,
    /// One bit for each open level: 1 is an object. The lowest is the innermost.
    objects: u128,
}

impl Scanner<'_> {
    fn run(mut self) -> Result<(), Flaw> {
        loop {
            // A value begins here.
            match self.next()? {
                b'{' => {
                    self.open(true)?;
                    if self.peek()? != b'}' {
                        self.key()?;
                        continue;
                    }
                }
                b'[' => {
                    self.open(false)?;
                    if self.peek()? != b']' {
                        continue;
                    }
                }
                b'"' => self.string()?,
                b't' => self.word(b"rue")?,
                b'f' => self.word(b"alse")?,
                b'n' => self.word(b"ull")?,
                b'-' | b'0'..=b'9' => self.number()?,
                _ => return Err(Flaw::At(self.at - 1)),
            }
            // A value has ended, or an empty level is about to.
            loop {
                if self.depth == 0 {
                    self.space();
                    return if self.at == self.bytes.len() {
                        Ok(())
                    } else {
                        Err(Flaw::At(self.at))
                    };
                }
                let object = self.objects & 1 == 1;
                match (self.next()?, object) {
                    (b',', true) => {
                        self.key()?;
                        break;
                    }
                    (b',', false) => break,
                    (b'}', true) | (b']', false) => {
                        self.depth -= 1;
                        self.objects >>= 1;
                    }
                    _ => return Err(Flaw::At(self.at - 1)),
                }
            }
        }
    }

    fn space(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn peek(&mut self) -> Result<u8, Flaw> {
        self.space();
        self.bytes.get(self.at).copied().ok_or(Flaw::End)
    }

    fn next(&mut self) -> Result<u8, Flaw> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }

    fn open(&mut self, object: bool) -> Result<(), Flaw> {
        if self.depth == self.limit {
            return Err(Flaw::Depth(self.limit));
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(object);
        Ok(())
    }

    fn key(&mut self) -> Result<(), Flaw> {
        if self.next()? != b'"' {
            return Err(Flaw::At(self.at - 1));
        }
        self.string()?;
        if self.next()? == b':' {
            Ok(())
        } else {
            Err(Flaw::At(self.at - 1))
        }
    }

    /// The rest of a string; the text is UTF-8 already.
    fn string(&mut self) -> Result<(), Flaw> {
        loop {
            let rest = &self.bytes[self.at..];
            let plain = rest
                .iter()
                .position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\')
                .ok_or(Flaw::End)?;
            self.at += plain + 1;
            match rest[plain] {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                _ => return Err(Flaw::At(self.at - 1)),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Flaw> {
        let kind = *self.bytes.get(self.at).ok_or(Flaw::End)?;
        self.at += 1;
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => match self.hex()? {
                // Half a pair stands for nothing, and readers refuse it.
                0xDC00..=0xDFFF => Err(Flaw::At(self.at - 1)),
                0xD800..=0xDBFF => {
                    self.word(b"\\u")?;
                    if matches!(self.hex()?, 0xDC00..=0xDFFF) {
                        Ok(())
                    } else {
                        Err(Flaw::At(self.at - 1))
                    }
                }
                _ => Ok(()),
            },
            _ => Err(Flaw::At(self.at - 1)),
        }
    }

    fn hex(&mut self) -> Result<u32, Flaw> {
        let digits = self.bytes.get(self.at..self.at + 4).ok_or(Flaw::End)?;
        let mut value = 0;
        for digit in digits {
            let digit = char::from(*digit).to_digit(16).ok_or(Flaw::At(self.at))?;
            value = value << 4 | digit;
            self.at += 1;
        }
        Ok(value)
    }

    fn word(&mut self, rest: &[u8]) -> Result<(), Flaw> {
        if !self.bytes[self.at..].starts_with(rest) {
            return Err(Flaw::At(self.at));
        }
        self.at += rest.len();
        Ok(())
    }

    /// The rest of a number, whose first character has been read.
    fn number(&mut self) -> Result<(), Flaw> {
        if self.bytes[self.at - 1] == b'-' {
            self.at += 1;
        }
        match self.bytes.get(self.at - 1) {
            Some(b'0') => {}
            Some(b'1'..=b'9') => while self.digit() {},
            Some(_) => return Err(Flaw::At(self.at - 1)),
            None => return Err(Flaw::End),
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digit(&mut self) -> bool {
        let digit = self.bytes.get(self.at).is_some_and(u8::is_ascii_digit);
        self.at += usize::from(digit);
        digit
    }

    fn digits(&mut self) -> Result<(), Flaw> {
        if !self.digit() {
            return Err(if self.at < self.bytes.len() {
                Flaw::At(self.at)
            } else {
                Flaw::End
            });
        }
        while self.digit() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_a_parser() {
        for text in [
            "",
            " ",
            "null",
            "true",
            "false",
            "nul",
            "truex",
            "0",
            "-0",
            "01",
            "-",
            "1.",
            "1.5",
            "1e",
            "1e+",
            "1E-7",
            ".5",
            "+1",
            "\"\"",
            "\"",
            "\"a",
            "\"\\\"",
            "\"\\u00e4\"",
            "\"\\ud83d\\ude00\"",
            "\"\\ud83d\"",
            "\"\\ude00\"",
            "\"\\ud83d\\u0041\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\u12",
            "\"\n\"",
            "[]",
            "[ ]",
            "[1]",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[",
            "]",
            "{}",
            "{ }",
            "{\"a\":1}",
            "{\"a\":1,}",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "{\"a\":[{}]}",
            "{]",
            "[}",
            "{\"a\":1]",
            " [1, {\"b\": [null, -2.5e3]}, \"ü\"] ",
            "[] []",
            "1 2",
            "{\"a\":1 \"b\":2}",
            "NaN",
            "\u{feff}1",
        ] {
            let expected = serde_json::from_str::<serde_json::Value>(text).is_ok();
            assert_eq!(
                check(text, 100).is_ok(),
                expected,
                "{text:?}: {:?}",
                check(text, 100)
            );
        }
    }

    #[test]
    fn agrees_with_a_parser_on_damaged_texts() {
        let whole = r#"{"a": [1, -2.5e-3, "b\n\u00e4\ud83d\ude00", null, true], "c": {"d": {}, "e": []}, "f": false}"#;
        for at in 0..whole.len() {
            for with in [
                "", "\"", "{", "}", "[", "]", ",", ":", "\\", "0", "e", "-", ".", " ", "u",
            ] {
                for length in [0, 1] {
                    let Some(rest) = whole.get(at + length..) else {
                        continue;
                    };
                    let text = format!("{}{with}{rest}", &whole[..at]);
                    let expected = serde_json::from_str::<serde_json::Value>(&text);
                    assert_eq!(
                        check(&text, 100).is_ok(),
                        expected.is_ok(),
                        "{text}: {:?} {expected:?}",
                        check(&text, 100)
                    );
                }
            }
        }
    }

    #[test]
    fn depth_is_limited() {
        let nested = |levels: usize| {
            format!(
                "{}{}",
                "[{\"a\":".repeat(levels / 2),
                "[".repeat(levels % 2)
            )
        };
        let close =
            |levels: usize| format!("{}{}", "]".repeat(levels % 2), "}]".repeat(levels / 2));
        let text =
            |levels: usize| format!("{}1{}", nested(levels), close(levels)).replace("[1]", "[1]");
        assert_eq!(check(&text(100), 100), Ok(()));
        assert_eq!(check(&text(101), 100), Err(Flaw::Depth(100)));
        assert_eq!(check(&text(128), 200), Ok(()));
        assert_eq!(check(&text(129), 200), Err(Flaw::Depth(128)));
        assert_eq!(check_object("[]", 3), Err(Flaw::NoObject));
        assert_eq!(check_object(" {}", 3), Ok(()));
    }
}
