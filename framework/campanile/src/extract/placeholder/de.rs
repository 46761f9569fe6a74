//! A serde deserializer for placeholder values.

use std::fmt;
use std::sync::Arc;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

/// An error while deserializing placeholder values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PlaceholderError {
    /// A value is invalid, because of what the sender wrote.
    Text { name: Option<Arc<str>>, why: String },
    /// The pattern does not have the placeholders that the handler extracts. This is a programming
    /// error.
    Shape(String),
}

impl fmt::Display for PlaceholderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text {
                name: Some(name),
                why,
            } => write!(f, "{name}: {why}"),
            Self::Text { name: None, why } | Self::Shape(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for PlaceholderError {}

impl Error for PlaceholderError {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Self::Text {
            name: None,
            why: why.to_string(),
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Shape(format!("the pattern has no placeholder {{{field}}}"))
    }
}

type Pair = (Arc<str>, Option<String>);

/// All values, as a sequence, a map, or a single value.
pub(super) struct Captures<'a> {
    pub(super) pairs: &'a [Pair],
    /// `true` during validation at start-up, when there are no values yet and placeholders of any
    /// type must deserialize.
    pub(super) probing: bool,
}

/// One value.
#[derive(Clone, Copy)]
struct Capture<'a> {
    pair: &'a Pair,
    probing: bool,
}

type DeResult<T> = Result<T, PlaceholderError>;

impl<'a> Captures<'a> {
    fn next(&mut self) -> Option<Capture<'a>> {
        let (pair, rest) = self.pairs.split_first()?;
        self.pairs = rest;
        Some(Capture {
            pair,
            probing: self.probing,
        })
    }

    fn single(&self) -> DeResult<Capture<'a>> {
        match self.pairs {
            [pair] => Ok(Capture {
                pair,
                probing: self.probing,
            }),
            pairs => Err(PlaceholderError::Shape(format!(
                "the pattern has {}, but the handler extracts a single value",
                number(pairs.len())
            ))),
        }
    }
}

macro_rules! forward_to_single {
    ($($method:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> DeResult<V::Value> {
            self.single()?.$method(visitor)
        }
    )+};
}

impl<'de> Deserializer<'de> for Captures<'_> {
    type Error = PlaceholderError;

    forward_to_single! {
        deserialize_any deserialize_bool deserialize_char deserialize_str deserialize_string
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_bytes deserialize_byte_buf
        deserialize_identifier deserialize_option
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> DeResult<V::Value> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> DeResult<V::Value> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> DeResult<V::Value> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> DeResult<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> DeResult<V::Value> {
        visitor.visit_seq(Sequence(self))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, wanted: usize, visitor: V) -> DeResult<V::Value> {
        if self.pairs.len() != wanted {
            let available = number(self.pairs.len());
            let why =
                format!("the pattern has {available}, but the handler extracts {wanted} values");
            return Err(PlaceholderError::Shape(why));
        }
        visitor.visit_seq(Sequence(self))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        wanted: usize,
        visitor: V,
    ) -> DeResult<V::Value> {
        self.deserialize_tuple(wanted, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> DeResult<V::Value> {
        visitor.visit_map(NamedMap {
            rest: self,
            value: None,
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> DeResult<V::Value> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> DeResult<V::Value> {
        self.single()?.deserialize_enum(name, variants, visitor)
    }
}

impl<'a> Capture<'a> {
    fn text(self) -> DeResult<&'a str> {
        self.pair
            .1
            .as_deref()
            .ok_or_else(|| self.error("is missing"))
    }

    fn error(self, why: impl fmt::Display) -> PlaceholderError {
        PlaceholderError::Text {
            name: Some(Arc::clone(&self.pair.0)),
            why: why.to_string(),
        }
    }

    /// Adds the name of the placeholder to the error.
    fn named<T>(self, outcome: DeResult<T>) -> DeResult<T> {
        outcome.map_err(|error| match error {
            PlaceholderError::Text { name: None, why } => self.error(why),
            named => named,
        })
    }
}

macro_rules! parsed {
    ($($method:ident $visit:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> DeResult<V::Value> {
            let value = self.text()?.parse().map_err(|error| self.error(error))?;
            self.named(visitor.$visit(value))
        }
    )+};
}

impl<'de> Deserializer<'de> for Capture<'_> {
    type Error = PlaceholderError;

    parsed! {
        deserialize_char visit_char
        deserialize_i8 visit_i8
        deserialize_i16 visit_i16
        deserialize_i32 visit_i32
        deserialize_i64 visit_i64
        deserialize_i128 visit_i128
        deserialize_u8 visit_u8
        deserialize_u16 visit_u16
        deserialize_u32 visit_u32
        deserialize_u64 visit_u64
        deserialize_u128 visit_u128
        deserialize_f32 visit_f32
        deserialize_f64 visit_f64
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> DeResult<V::Value> {
        self.named(visitor.visit_str(self.text()?))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> DeResult<V::Value> {
        let value = if self.probing {
            true
        } else {
            self.text()?.parse().map_err(|error| self.error(error))?
        };
        self.named(visitor.visit_bool(value))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> DeResult<V::Value> {
        if self.pair.1.is_some() && !self.probing {
            visitor.visit_some(self)
        } else {
            visitor.visit_none()
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> DeResult<V::Value> {
        self.named(visitor.visit_newtype_struct(self))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> DeResult<V::Value> {
        let text = self.text()?;
        if self.probing {
            // During validation, any variant will do. If it has fields, that is an error of the
            // value, not of the shape.
            let first = variants.first().ok_or_else(|| self.error("none"))?;
            return visitor
                .visit_enum(UnitVariant(first))
                .map_err(|error| self.error(error));
        }
        // Phone keyboards capitalize the first letter, so variants are matched case-insensitively.
        let variant = variants
            .iter()
            .find(|variant| variant.eq_ignore_ascii_case(text));
        let Some(variant) = variant else {
            return Err(self.error(format!("expected one of {}", variants.join(", "))));
        };
        self.named(visitor.visit_enum(UnitVariant(variant)))
    }

    forward_to_deserialize_any! {
        str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
        ignored_any
    }
}

struct Sequence<'a>(Captures<'a>);

impl<'de> SeqAccess<'de> for Sequence<'_> {
    type Error = PlaceholderError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> DeResult<Option<T::Value>> {
        self.0
            .next()
            .map(|one| one.named(seed.deserialize(one)))
            .transpose()
    }
}

struct NamedMap<'a> {
    rest: Captures<'a>,
    value: Option<Capture<'a>>,
}

impl<'de> MapAccess<'de> for NamedMap<'_> {
    type Error = PlaceholderError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> DeResult<Option<K::Value>> {
        self.value = self.rest.next();
        let Some(one) = self.value else {
            return Ok(None);
        };
        let key: StrDeserializer<'_, PlaceholderError> = (*one.pair.0).into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> DeResult<V::Value> {
        let one = self
            .value
            .take()
            .ok_or_else(|| PlaceholderError::Shape("a value without a name".to_owned()))?;
        one.named(seed.deserialize(one))
    }
}

/// A variant without fields.
struct UnitVariant(&'static str);

impl<'de> EnumAccess<'de> for UnitVariant {
    type Error = PlaceholderError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> DeResult<(V::Value, Self)> {
        let name: StrDeserializer<'_, PlaceholderError> = self.0.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for UnitVariant {
    type Error = PlaceholderError;

    fn unit_variant(self) -> DeResult<()> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _seed: T) -> DeResult<T::Value> {
        Err(with_fields())
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, _visitor: V) -> DeResult<V::Value> {
        Err(with_fields())
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> DeResult<V::Value> {
        Err(with_fields())
    }
}

fn number(placeholders: usize) -> String {
    format!(
        "{placeholders} placeholder{}",
        if placeholders == 1 { "" } else { "s" }
    )
}

fn with_fields() -> PlaceholderError {
    PlaceholderError::Shape("a placeholder cannot be a variant that has fields".to_owned())
}
