//! Discovery of the fields of a struct, by running its `Deserialize` implementation against a stub
//! that records what is requested.

use serde::Deserializer;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use xmpp_parsers::data_forms::FieldType;

use super::transparent::transparent;
use super::{Field, FormError};

/// Returns a form field for each field of `T`, in order of declaration, or `None` if `T` is not a
/// struct with named fields.
pub(super) fn fields<T: DeserializeOwned>() -> Option<Vec<Field>> {
    let mut names = None;
    assert_stopped(&T::deserialize(Struct {
        names: &mut names,
        target: None,
    }));
    let names = names?;
    names.iter().map(|name| field::<T>(name)).collect()
}

/// Deserializes the struct up to this field and then stops, so that no values have to be invented.
fn field<T: DeserializeOwned>(name: &'static str) -> Option<Field> {
    let mut traits = FieldTraits::default();
    assert_stopped(&T::deserialize(Struct {
        names: &mut None,
        target: Some((name, &mut traits)),
    }));
    Some(traits.field(name))
}

/// Asserts that deserialization stopped; what it requested has been recorded by then.
fn assert_stopped<T>(read: &Result<T, FormError>) {
    debug_assert!(read.is_err(), "the stub has no values to deserialize");
}

/// The properties of a field's type, as far as they are known.
#[derive(Default)]
struct FieldTraits {
    kind: Option<FieldType>,
    options: &'static [&'static str],
    optional: bool,
    several: bool,
}

impl FieldTraits {
    fn field(self, name: &str) -> Field {
        let kind = match (self.kind, self.several) {
            (Some(FieldType::ListSingle), true) => FieldType::ListMulti,
            (_, true) => FieldType::TextMulti,
            (kind, false) => kind.unwrap_or(FieldType::TextSingle),
        };
        // An unchecked box and an empty list are valid input.
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
    FormError::custom("stopped after recording the type")
}

/// A stub for a form, passed to `Deserialize`.
struct Struct<'a> {
    names: &'a mut Option<&'static [&'static str]>,
    target: Option<(&'static str, &'a mut FieldTraits)>,
}

impl<'de> Deserializer<'de> for Struct<'_> {
    type Error = FormError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, FormError> {
        Err(stop())
    }

    transparent!(newtype, unit);

    fn deserialize_unit<V: Visitor<'de>>(self, _: V) -> Result<V::Value, FormError> {
        *self.names = Some(&[]);
        Err(stop())
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FormError> {
        *self.names = Some(names);
        match self.target {
            Some((name, traits)) => visitor.visit_map(Target {
                name: Some(name),
                traits,
            }),
            None => Err(stop()),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// The field whose type is recorded.
struct Target<'a> {
    name: Option<&'static str>,
    traits: &'a mut FieldTraits,
}

impl<'de> MapAccess<'de> for Target<'_> {
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
        seed.deserialize(Recorder(self.traits))
    }
}

impl<'de> SeqAccess<'de> for Recorder<'_> {
    type Error = FormError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, FormError> {
        seed.deserialize(Recorder(self.0)).map(Some)
    }
}

/// A stub for a value, which records the requested type.
struct Recorder<'a>(&'a mut FieldTraits);

impl<'de> Deserializer<'de> for Recorder<'_> {
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

    transparent!(newtype);

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
