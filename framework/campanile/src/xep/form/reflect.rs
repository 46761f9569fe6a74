//! The fields of a struct, found by asking serde for them: a struct that can be read knows its
//! form.

use serde::Deserializer;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use xmpp_parsers::data_forms::FieldType;

use super::{Field, FormError};

/// A field for each one of the struct, in their order; `None` when `T` is no struct with named
/// fields.
pub(super) fn fields<T: DeserializeOwned>() -> Option<Vec<Field>> {
    let mut names = None;
    stopped(&T::deserialize(Struct {
        names: &mut names,
        look_at: None,
    }));
    let names = names?;
    names.iter().map(|name| field::<T>(name)).collect()
}

/// The struct is read up to the one field, and no further: no value has to be made up.
fn field<T: DeserializeOwned>(name: &'static str) -> Option<Field> {
    let mut seen = Seen::default();
    stopped(&T::deserialize(Struct {
        names: &mut None,
        look_at: Some((name, &mut seen)),
    }));
    Some(seen.field(name))
}

/// What was wanted has been noted down by now.
fn stopped<T>(read: &Result<T, FormError>) {
    debug_assert!(read.is_err(), "nothing can be read where no value is");
}

/// What is known of a field's type.
#[derive(Default)]
struct Seen {
    kind: Option<FieldType>,
    options: &'static [&'static str],
    optional: bool,
    several: bool,
}

impl Seen {
    fn field(self, name: &str) -> Field {
        let kind = match (self.kind, self.several) {
            (Some(FieldType::ListSingle), true) => FieldType::ListMulti,
            (_, true) => FieldType::TextMulti,
            (kind, false) => kind.unwrap_or(FieldType::TextSingle),
        };
        // A box that is not ticked and a list of nothing are answers, too.
        let required = !self.optional && !self.several && kind != FieldType::Boolean;
        let field = self
            .options
            .iter()
            .fold(Field::new(name, kind), |field, option| {
                field.option(*option, *option)
            });
        if required { field.required() } else { field }
    }
}

fn stop() -> FormError {
    FormError::custom("nothing more has to be read")
}

/// Stands in for a form.
struct Struct<'a> {
    names: &'a mut Option<&'static [&'static str]>,
    look_at: Option<(&'static str, &'a mut Seen)>,
}

impl<'de> Deserializer<'de> for Struct<'_> {
    type Error = FormError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, FormError> {
        Err(stop())
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, FormError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, _: V) -> Result<V::Value, FormError> {
        *self.names = Some(&[]);
        Err(stop())
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, FormError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FormError> {
        *self.names = Some(names);
        match self.look_at {
            Some((name, seen)) => visitor.visit_map(One {
                name: Some(name),
                seen,
            }),
            None => Err(stop()),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// The one field that is looked at.
struct One<'a> {
    name: Option<&'static str>,
    seen: &'a mut Seen,
}

impl<'de> MapAccess<'de> for One<'_> {
    type Error = FormError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, FormError> {
        self.name
            .take()
            .map(|name| seed.deserialize(StrDeserializer::new(name)))
            .transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, FormError> {
        seed.deserialize(Look(self.seen))
    }
}

impl<'de> SeqAccess<'de> for Look<'_> {
    type Error = FormError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, FormError> {
        seed.deserialize(Look(self.0)).map(Some)
    }
}

/// Stands in for a value, and notes what was asked of it.
struct Look<'a>(&'a mut Seen);

impl<'de> Deserializer<'de> for Look<'_> {
    type Error = FormError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, FormError> {
        self.0.kind = Some(FieldType::TextSingle);
        Err(stop())
    }

    fn deserialize_bool<V: Visitor<'de>>(self, _: V) -> Result<V::Value, FormError> {
        self.0.kind = Some(FieldType::Boolean);
        Err(stop())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
        self.0.optional = true;
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, FormError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
        self.0.several = true;
        visitor.visit_seq(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, FormError> {
        self.0.kind = Some(FieldType::ListSingle);
        self.0.options = variants;
        Err(stop())
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct tuple tuple_struct map struct identifier ignored_any
    }
}
