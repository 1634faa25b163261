//! Weights of queues as a setting.

use std::collections::BTreeMap;

use toml::de::DeValue;

use crate::value::{Kind, Value};

/// The largest weight.
const MOST: u32 = 1000;

/// Weights by the names of queues, each written as `NAME=WEIGHT`.
///
/// The last `=` counts, and each entry has one, so that a name may hold any character.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weights(pub BTreeMap<String, u32>);

impl Weights {
    fn of(entries: Vec<String>) -> Result<Self, String> {
        let mut weights = BTreeMap::new();
        for entry in entries {
            let parts = entry.rsplit_once('=').map(|(n, w)| (n.trim(), w.trim()));
            let parts = parts.and_then(|(name, weight)| Some((name, weight.parse().ok()?)));
            let Some((name, weight)) =
                parts.filter(|(name, weight)| !name.is_empty() && *weight <= MOST)
            else {
                return Err(format!(
                    "`{entry}` is not of the form NAME=WEIGHT with a weight from 0 to {MOST}, such as default=3"
                ));
            };
            if weights.insert(name.to_owned(), weight).is_some() {
                return Err(format!("the queue `{name}` has two weights: leave one out"));
            }
        }
        Ok(Self(weights))
    }
}

impl Value for Weights {
    const KIND: Kind = Kind::List;

    fn parse(text: &str) -> Result<Self, String> {
        Vec::<String>::parse(text).and_then(Self::of)
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        Vec::<String>::from_toml(value).and_then(Self::of)
    }

    fn show(&self) -> String {
        let entries = self
            .0
            .iter()
            .map(|(name, weight)| format!("{name}={weight}"));
        entries.collect::<Vec<_>>().show()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_read_and_shown() {
        let weights = Weights::parse("default=3, bulk = 0,a=b=1000").unwrap();
        let expected = [("a=b", 1000), ("bulk", 0), ("default", 3)];
        assert!(
            weights
                .0
                .iter()
                .map(|(name, weight)| (&**name, *weight))
                .eq(expected)
        );
        assert_eq!(weights.show(), r#"["a=b=1000", "bulk=0", "default=3"]"#);
        assert_eq!(Weights::parse("").unwrap(), Weights::default());
    }

    #[test]
    fn wrong_weights_are_refused_with_what_to_write() {
        for wrong in [
            "default",
            "=3",
            "default=",
            "default=-1",
            "default=1001",
            "default=1.5",
        ] {
            let error = Weights::parse(wrong).unwrap_err();
            assert!(error.contains("NAME=WEIGHT"), "{wrong}: {error}");
        }
        let error = Weights::parse("a=1,a=2").unwrap_err();
        assert!(error.contains("two weights"), "{error}");
    }
}
