//! A serde deserializer for settings, which reports the path of an invalid value.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{DeserializeOwned, Visitor};
use serde::de::{
    DeserializeSeed, Deserializer, Error, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected,
};
use serde::forward_to_deserialize_any;
use serde_json::Value;

/// An invalid setting, with its path.
#[derive(Debug)]
pub(super) struct SettingsError {
    /// The keys that lead to the setting, the innermost first.
    pub(super) path: Vec<String>,
    pub(super) why: String,
    /// The known keys, if a key is unknown.
    pub(super) known: Option<&'static [&'static str]>,
}

/// Deserializes settings.
pub(super) fn read<T: DeserializeOwned>(settings: &Value) -> Result<T, SettingsError> {
    T::deserialize(Settings(settings))
}

impl SettingsError {
    fn new(why: impl fmt::Display) -> Self {
        Self {
            path: Vec::new(),
            why: why.to_string(),
            known: None,
        }
    }

    fn below(mut self, key: &str) -> Self {
        self.path.push(key.to_owned());
        self
    }
}

impl Error for SettingsError {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Self::new(why)
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::new(format_args!(
            "invalid type: {}, expected {wanted}",
            Redacted(found)
        ))
    }

    fn invalid_value(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::new(format_args!(
            "invalid value: {}, expected {wanted}",
            Redacted(found)
        ))
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        Self {
            path: vec![key.to_owned()],
            why: format!("unknown key {key:?}"),
            known: Some(known),
        }
    }
}

/// Describes a value without quoting its text, which may be a secret.
struct Redacted<'a>(Unexpected<'a>);

impl fmt::Display for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Unexpected::Str(_) => f.write_str("a string"),
            other => other.fmt(f),
        }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        match self.known {
            None => Ok(()),
            Some([]) => f.write_str("; no keys are expected"),
            Some(known) => write!(f, "; expected one of {}", known.join(", ")),
        }
    }
}

impl std::error::Error for SettingsError {}

/// One value.
#[derive(Clone, Copy)]
struct Settings<'a>(&'a Value);

impl<'de> Deserializer<'de> for Settings<'de> {
    type Error = SettingsError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingsError> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => visitor.visit_u64(number),
                (_, Some(number), _) => visitor.visit_i64(number),
                (.., number) => visitor.visit_f64(number.unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(items) => visitor.visit_seq(Items(items.iter())),
            Value::Object(members) => visitor.visit_map(Members {
                rest: members.iter(),
                value: None,
            }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingsError> {
        if self.0.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, SettingsError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SettingsError> {
        match self.0 {
            Value::String(text) => {
                let variant: StrDeserializer<'_, SettingsError> = text.as_str().into_deserializer();
                visitor.visit_enum(variant)
            }
            Value::Object(members) => visitor.visit_enum(MapAccessDeserializer::new(Members {
                rest: members.iter(),
                value: None,
            })),
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct Items<'a>(std::slice::Iter<'a, Value>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = SettingsError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, SettingsError> {
        self.0
            .next()
            .map(|value| seed.deserialize(Settings(value)))
            .transpose()
    }
}

struct Members<'a> {
    rest: serde_json::map::Iter<'a>,
    value: Option<(&'a String, &'a Value)>,
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = SettingsError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, SettingsError> {
        self.value = self.rest.next();
        let Some((key, _)) = self.value else {
            return Ok(None);
        };
        let key: StrDeserializer<'_, SettingsError> = key.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, SettingsError> {
        let (key, value) = self
            .value
            .take()
            .ok_or_else(|| SettingsError::new("a value without a key"))?;
        seed.deserialize(Settings(value))
            .map_err(|error| error.below(key))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Shop {
        name: String,
        #[serde(default)]
        open: Option<bool>,
        shelves: Vec<Shelf>,
        door: Door,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Shelf {
        height: f64,
        count: i16,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Door {
        Wide,
        Locked { key: u8 },
    }

    #[test]
    fn read_deserializes_all_serde_types() {
        let settings = json!({
            "name": "tea", "open": true, "shelves": [{ "height": 1, "count": -2 }, { "height": 1.5, "count": 3 }],
            "door": { "locked": { "key": 7 } },
        });
        let shelves = vec![
            Shelf {
                height: 1.0,
                count: -2,
            },
            Shelf {
                height: 1.5,
                count: 3,
            },
        ];
        let wanted = Shop {
            name: "tea".into(),
            open: Some(true),
            shelves,
            door: Door::Locked { key: 7 },
        };
        assert_eq!(read::<Shop>(&settings).unwrap(), wanted);
        let settings = json!({ "name": "tea", "shelves": [], "door": "wide" });
        assert_eq!(read::<Shop>(&settings).unwrap().door, Door::Wide);
        let again: Value = read(&settings).unwrap();
        assert_eq!(again, settings);
    }

    #[test]
    fn errors_report_the_path() {
        let rows = [
            (
                json!({ "nam": "tea" }),
                "nam",
                "unknown key \"nam\"; expected one of name, open, shelves, door",
            ),
            (
                json!({ "shelves": [{ "heigth": 1 }] }),
                "shelves/heigth",
                "unknown key \"heigth\"; expected one of height, count",
            ),
            (
                json!({ "shelves": [{ "height": "hunter2" }] }),
                "shelves/height",
                "invalid type: a string, expected f64",
            ),
            (
                json!({ "door": { "locked": { "key": 300 } } }),
                "door/locked/key",
                "invalid value: integer `300`, expected u8",
            ),
            (json!({ "name": "tea" }), "", "missing field `shelves`"),
            (
                json!({ "door": 1 }),
                "door",
                "invalid type: integer `1`, expected enum Door",
            ),
        ];
        for (settings, place, why) in rows {
            let error = read::<Shop>(&settings).unwrap_err();
            let path: Vec<_> = error.path.iter().rev().map(String::as_str).collect();
            assert_eq!(
                (path.join("/").as_str(), error.to_string().as_str()),
                (place, why)
            );
        }
    }
}
