//! Deserialization of form fields.

use serde::Deserializer;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
};
use serde::de::{VariantAccess, Visitor};
use serde::forward_to_deserialize_any;
use xmpp_parsers::data_forms::{Field, FieldType};

use super::transparent::transparent;
use super::{FORM_TYPE, FormError};

/// Deserializes fields into a struct, or into a map with field names as keys.
///
/// The fields are not checked against a definition; see
/// [`Definition::read`](super::Definition::read).
///
/// # Errors
/// If a field is missing, or cannot be deserialized as its type.
pub fn read<T: DeserializeOwned>(fields: &[Field]) -> Result<T, FormError> {
    T::deserialize(Fields {
        rest: fields.iter(),
        value: None,
    })
}

/// The fields as a map from names to values.
struct Fields<'a> {
    rest: std::slice::Iter<'a, Field>,
    value: Option<(&'a str, &'a [String])>,
}

impl<'de> Deserializer<'de> for Fields<'_> {
    type Error = FormError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
        visitor.visit_map(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
        visitor.visit_unit()
    }

    transparent!(newtype, unit);

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = FormError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, FormError> {
        // XEP-0004 §3.3: fixed fields are static text. XEP-0068: FORM_TYPE identifies the form and
        // is not one of its values.
        let values = |field: &&Field| {
            field.type_ != FieldType::Fixed && field.var.as_deref() != Some(FORM_TYPE)
        };
        let Some(field) = self.rest.by_ref().find(values) else {
            return Ok(None);
        };
        let var = field.var.as_deref().unwrap_or_default();
        self.value = Some((var, &field.values));
        seed.deserialize(StrDeserializer::new(var)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, FormError> {
        let (var, values) = self.value.take().unwrap_or_default();
        seed.deserialize(Values(values))
            .map_err(|error| error.at(var))
    }
}

/// The values of one field.
#[derive(Clone, Copy)]
struct Values<'a>(&'a [String]);

impl<'a> Values<'a> {
    /// Returns `true` if the field is empty. Clients send an empty value as often as none.
    fn is_blank(self) -> bool {
        self.0.iter().all(String::is_empty)
    }

    /// Returns the only value.
    fn single(self) -> Result<&'a str, FormError> {
        match self.0 {
            [] => Err(FormError::new("has no value")),
            [value] => Ok(value),
            _ => Err(FormError::new("has more than one value")),
        }
    }

    /// Joins the lines of a text.
    fn text(self) -> String {
        self.0.join("\n")
    }

    fn parsed<T: std::str::FromStr>(self, wanted: &str) -> Result<T, FormError> {
        let value = self.single()?.trim();
        value.parse().map_err(|_| match value {
            "" => FormError::new(format!("must be {wanted}, but is empty")),
            value => FormError::new(format!("must be {wanted}, not {value:?}")),
        })
    }
}

macro_rules! numbers {
    ($($deserialize:ident $visit:ident $number:ty, $wanted:literal;)+) => {$(
        fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
            visitor.$visit(self.parsed::<$number>($wanted)?)
        }
    )+};
}

impl<'de> Deserializer<'de> for Values<'_> {
    type Error = FormError;

    numbers! {
        deserialize_i8 visit_i8 i8, "a whole number";
        deserialize_i16 visit_i16 i16, "a whole number";
        deserialize_i32 visit_i32 i32, "a whole number";
        deserialize_i64 visit_i64 i64, "a whole number";
        deserialize_i128 visit_i128 i128, "a whole number";
        deserialize_u8 visit_u8 u8, "a non-negative whole number";
        deserialize_u16 visit_u16 u16, "a non-negative whole number";
        deserialize_u32 visit_u32 u32, "a non-negative whole number";
        deserialize_u64 visit_u64 u64, "a non-negative whole number";
        deserialize_u128 visit_u128 u128, "a non-negative whole number";
        deserialize_f32 visit_f32 f32, "a number";
        deserialize_f64 visit_f64 f64, "a number";
        deserialize_char visit_char char, "a single character";
    }

    /// Handles requests without a type, as made by maps and flattened structs.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
        if self.0.len() > 1 {
            self.deserialize_seq(visitor)
        } else {
            visitor.visit_string(self.text())
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
        // XEP-0004 §3.3; an unchecked box may be sent without a value.
        match self.0 {
            [] => visitor.visit_bool(false),
            _ => match self.single()?.trim() {
                "1" | "true" => visitor.visit_bool(true),
                "0" | "false" | "" => visitor.visit_bool(false),
                other => Err(FormError::new(format!(
                    "must be true or false, not {other:?}"
                ))),
            },
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
        visitor.visit_string(self.text())
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
        visitor.visit_string(self.text())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
        if self.is_blank() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
        visitor.visit_unit()
    }

    transparent!(newtype, unit);

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
        let values = if self.is_blank() { &[] } else { self.0 };
        visitor.visit_seq(Each(values))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, FormError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, FormError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FormError> {
        visitor.visit_enum(Choice(self.single()?))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { bytes byte_buf map struct identifier }
}

/// The values of a multi-value field as a sequence.
struct Each<'a>(&'a [String]);

impl<'de> SeqAccess<'de> for Each<'_> {
    type Error = FormError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, FormError> {
        let Some((first, rest)) = self.0.split_first() else {
            return Ok(None);
        };
        self.0 = rest;
        seed.deserialize(Values(std::slice::from_ref(first)))
            .map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// The selected option, as an enum variant without data.
struct Choice<'a>(&'a str);

impl<'de> EnumAccess<'de> for Choice<'_> {
    type Error = FormError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), FormError> {
        let variant = seed.deserialize(IntoDeserializer::<FormError>::into_deserializer(self.0))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'_> {
    type Error = FormError;

    fn unit_variant(self) -> Result<(), FormError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, FormError> {
        Err(self.variant_with_data())
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, FormError> {
        Err(self.variant_with_data())
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, FormError> {
        Err(self.variant_with_data())
    }
}

impl Choice<'_> {
    fn variant_with_data(&self) -> FormError {
        FormError::new(format!(
            "cannot be {:?}: form fields cannot hold enum variants with data",
            self.0
        ))
    }
}
