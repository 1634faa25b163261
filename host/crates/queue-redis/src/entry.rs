//! The form of an entry: the run's number and the step's ordinal, 12 bytes, big-endian.
//! What a later version appends is ignored, so that both work side by side.

use fred::types::Value;
use model::id::{Ordinal, RunId, StepKey};
use queue::Place;

/// The one field of an entry.
pub(crate) const FIELD: &str = "k";
/// Bytes of a value.
pub(crate) const SIZE: usize = 12;

pub(crate) fn encode(key: StepKey) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    bytes[..8].copy_from_slice(&key.run.0.to_be_bytes());
    bytes[8..].copy_from_slice(&key.step.0.to_be_bytes());
    bytes
}

pub(crate) fn decode(bytes: &[u8]) -> Option<StepKey> {
    let (run, rest) = bytes.split_first_chunk()?;
    let step = rest.first_chunk()?;
    Some(StepKey {
        run: RunId(i64::from_be_bytes(*run)),
        step: Ordinal(u32::from_be_bytes(*step)),
    })
}

/// A dead letter: the value, then the reason.
pub(crate) fn letter(key: StepKey, reason: &str) -> Vec<u8> {
    [&encode(key), reason.as_bytes()].concat()
}

/// An entry's id, such as `1526919030474-55`.
pub(crate) fn place(value: &Value) -> Option<Place> {
    let text = value.as_bytes_str()?;
    let (time, number) = text.split_once('-')?;
    Some(Place(time.parse().ok()?, number.parse().ok()?))
}

pub(crate) fn id(place: Place) -> Value {
    format!("{}-{}", place.0, place.1).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_whole_and_a_longer_form_is_read() {
        for (run, step) in [(0, 0), (i64::MAX, Ordinal::MAX), (-1, u32::MAX), (1, 258)] {
            let key = StepKey {
                run: RunId(run),
                step: Ordinal(step),
            };
            let mut bytes = encode(key).to_vec();
            assert_eq!(decode(&bytes), Some(key));
            bytes.push(7);
            assert_eq!(decode(&bytes), Some(key));
        }
        assert_eq!(decode(&[0; SIZE - 1]), None);
    }

    #[test]
    fn an_id_comes_back() {
        let newest = Place(1_526_919_030_474, 55);
        assert_eq!(place(&id(newest)), Some(newest));
        assert!(newest > Place(1_526_919_030_474, 9));
        assert_eq!(place(&Value::from("12")), None);
    }
}
