//! Numbers with units: durations (`30s`, `1h30m`, `7d`) and sizes (`64KiB`, `2MB`).

use std::{fmt, time::Duration};

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl Bytes {
    /// As a length in memory.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = largest(self.0, &SIZES[..4]).unwrap_or((self.0, "B"));
        write!(f, "{number}{unit}")
    }
}

/// Longest suffix first where one ends in another.
const SIZES: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// In milliseconds.
const TIMES: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// The largest unit that divides the number.
fn largest(number: u64, units: &[(&'static str, u64)]) -> Option<(u64, &'static str)> {
    let divides = |(_, unit): &&(&str, u64)| number > 0 && number.is_multiple_of(*unit);
    let (name, unit) = units.iter().find(divides)?;
    Some((number / unit, name))
}

pub(crate) fn parse_bytes(text: &str) -> Result<Bytes, String> {
    let wrong = || format!("`{text}` is no size; write a number and a unit, such as 64KiB or 2MiB");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let (number, unit) = (digits.trim_end(), &text[digits.len()..]);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let (_, factor) = SIZES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))
        .ok_or_else(wrong)?;
    number.checked_mul(*factor).map(Bytes).ok_or_else(wrong)
}

pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("`{text}` is no duration; write a number and a unit, such as 500ms, 30s or 7d");
    let mut rest = text.trim();
    let mut millis: u64 = 0;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let number = &rest[..rest.len() - after.len()];
        let next = after.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let unit = &after[..after.len() - next.len()];
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let (_, factor) = TIMES
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(wrong)?;
        millis = number
            .checked_mul(*factor)
            .and_then(|part| millis.checked_add(part))
            .ok_or_else(wrong)?;
        rest = next.trim_start();
    }
    Ok(Duration::from_millis(millis))
}

pub(crate) fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis() as u64;
    match largest(millis, &TIMES) {
        Some((number, unit)) => format!("{number}{unit}"),
        None => "0s".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis, shown) in [
            ("500ms", 500, "500ms"),
            ("30s", 30_000, "30s"),
            ("1h30m", 5_400_000, "90m"),
            ("1h 30m", 5_400_000, "90m"),
            ("7d", 604_800_000, "7d"),
            ("90s", 90_000, "90s"),
            ("0s", 0, "0s"),
        ] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(duration.as_millis(), millis, "{text}");
            assert_eq!(show_duration(duration), shown);
        }
        for text in [
            "",
            "30",
            "s",
            "-5s",
            "1.5h",
            "5 years",
            "99999999999999d",
            "7dd",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes, shown) in [
            ("1B", 1, "1B"),
            ("64KiB", 65_536, "64KiB"),
            ("2 MiB", 2 << 20, "2MiB"),
            ("2mib", 2 << 20, "2MiB"),
            ("1GB", 1_000_000_000, "1000000000B"),
            ("1GiB", 1 << 30, "1GiB"),
            ("0B", 0, "0B"),
        ] {
            assert_eq!(parse_bytes(text), Ok(Bytes(bytes)), "{text}");
            assert_eq!(Bytes(bytes).to_string(), shown);
        }
        for text in [
            "",
            "12",
            "MiB",
            "-1KiB",
            "1.5GiB",
            "99999999999TiB",
            "1 zebra",
        ] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
