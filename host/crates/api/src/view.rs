//! The shapes of answers that several endpoints share.

pub(crate) mod application_list;
pub(crate) mod ask;
pub(crate) mod bulk;
pub(crate) mod definition;
pub(crate) mod limit;
pub(crate) mod overview;
pub(crate) mod pause;
pub(crate) mod revision;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod syncpack;
pub(crate) mod timeline;
pub(crate) mod webhook;
pub(crate) mod worker;

use model::clock::Timestamp;
use serde_json::value::RawValue;

use crate::problem::{Answer, Problem};

/// A time as answers show it: RFC 3339, UTC.
pub(crate) fn time(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.0).map_or_else(|_| at.0.to_string(), |at| at.to_string())
}

/// The same for a time that may not have come.
pub(crate) fn maybe_time(at: Option<Timestamp>) -> Option<String> {
    at.map(time)
}

/// A stored JSON text as a part of an answer.
pub(crate) fn raw(text: String) -> Result<Box<RawValue>, Problem> {
    RawValue::from_string(text)
        .map_err(|error| Problem::internal(&format!("a stored text is no JSON: {error}")))
}

/// A name as a part of an address.
pub(crate) fn part(name: &str) -> String {
    // `+` for a space is right in a query only.
    url::form_urlencoded::byte_serialize(name.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}

/// The time that is given in a field or an argument, if one is.
///
/// # Errors
/// PF-0400 where it is none.
pub(crate) fn moment(at: &str, text: Option<String>) -> Answer<Option<Timestamp>> {
    let Some(text) = text else { return Ok(None) };
    let parsed: Result<jiff::Timestamp, _> = text.parse();
    match parsed {
        Ok(time) => Ok(Some(Timestamp(time.as_microsecond()))),
        Err(_) => Err(Problem::unreadable_at(
            at,
            format!("`{text}` is no time; write it as 2027-01-15T08:00:00Z"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_names() {
        assert_eq!(
            time(Timestamp(1_800_000_000_123_456)),
            "2027-01-15T08:00:00.123456Z"
        );
        assert_eq!(part("Größe 1/2+3"), "Gr%C3%B6%C3%9Fe%201%2F2%2B3");
    }
}
