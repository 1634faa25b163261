//! The form of an entry: the run's number and the step's ordinal, 12 bytes, big-endian.
//! What a later version appends is ignored, so that both work side by side. Where entries of
//! several tenants are, the tenant's number follows, as text.

use fred::types::Value;
use model::id::{Ordinal, RunId, StepKey, TenantId};
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

/// Whose the entry of this value is: the first tenant's where none is named.
pub(crate) fn tenant(bytes: &[u8]) -> TenantId {
    let named = bytes.get(SIZE..).unwrap_or_default();
    let number = std::str::from_utf8(named).ok().and_then(|n| n.parse().ok());
    number.map_or(TenantId::DEFAULT, TenantId)
}

/// A dead letter: the value, then the reason; of another tenant than the first: with the
/// tenant and a space between.
pub(crate) fn letter(key: StepKey, tenant: TenantId, reason: &str) -> Vec<u8> {
    let named = if tenant == TenantId::DEFAULT {
        String::new()
    } else {
        format!("{} ", tenant.0)
    };
    [&encode(key), named.as_bytes(), reason.as_bytes()].concat()
}

/// The tenant and the reason of a dead letter that names its tenant.
pub(crate) fn letter_of(bytes: &[u8]) -> Option<(StepKey, TenantId, String)> {
    let key = decode(bytes)?;
    let text = String::from_utf8_lossy(bytes.get(SIZE..)?).into_owned();
    let (tenant, reason) = text.split_once(' ')?;
    Some((key, TenantId(tenant.parse().ok()?), reason.to_owned()))
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
    fn a_tenant_comes_back() {
        let key = StepKey {
            run: RunId(3),
            step: Ordinal(4),
        };
        let value = encode(key);
        assert_eq!(tenant(&value), TenantId::DEFAULT);
        assert_eq!(tenant(&[&value[..], b"57"].concat()), TenantId(57));
        let other = letter(key, TenantId(57), "no such run");
        let expected = (key, TenantId(57), "no such run".to_owned());
        assert_eq!(letter_of(&other), Some(expected));
        let first = letter(key, TenantId::DEFAULT, "no such run");
        assert_eq!(&first[SIZE..], b"no such run");
    }

    #[test]
    fn an_id_comes_back() {
        let newest = Place(1_526_919_030_474, 55);
        assert_eq!(place(&id(newest)), Some(newest));
        assert!(newest > Place(1_526_919_030_474, 9));
        assert_eq!(place(&Value::from("12")), None);
    }
}
