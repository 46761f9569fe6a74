//! Tables whose keys can be equal in several spellings.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::fields::invalid;

/// Reads a table with keys of the operator's choice, such as localparts.
///
/// For `#[serde(deserialize_with = "…")]`. Two keys can be equal once they are normalized; a map of
/// serde would silently keep the last one.
///
/// # Errors
/// If the value is not a table, a key or value is invalid, or two keys are equal.
pub fn unique<'de, D, K, V>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord + fmt::Display,
    V: Deserialize<'de>,
{
    deserializer.deserialize_map(Unique(PhantomData))
}

struct Unique<K, V>(PhantomData<(K, V)>);

impl<'de, K, V> Visitor<'de> for Unique<K, V>
where
    K: Deserialize<'de> + Ord + fmt::Display,
    V: Deserialize<'de>,
{
    type Value = BTreeMap<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut all = BTreeMap::new();
        while let Some((key, value)) = entries.next_entry::<K, V>()? {
            if all.contains_key(&key) {
                return Err(invalid(
                    format_args!("the table has two keys for {key}"),
                    "keep one of them; upper and lower case make no difference",
                ));
            }
            all.insert(key, value);
        }
        Ok(all)
    }
}
