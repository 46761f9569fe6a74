//! The deserializer over JSON values, which knows the path of each value.

use std::path::Path;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::Value;

use super::error::ReadError;
use super::fault::Segment;
use super::file_path::{FilePath, bytes};
use super::placeholder::Placeholder;

/// The context of all values in one pass.
#[derive(Clone, Copy)]
pub(super) struct Context<'c> {
    pub(super) folder: &'c Path,
    /// Paths of the values to leave out.
    pub(super) left_out: &'c [Vec<Segment>],
    /// Paths of missing keys that get a placeholder.
    pub(super) filled: &'c [Vec<Segment>],
}

/// The path of a value, as a list that grows with the call stack.
pub(super) enum Place<'p> {
    Root,
    Key(&'p Place<'p>, &'p str),
    Index(&'p Place<'p>, usize),
}

/// One value.
#[derive(Clone, Copy)]
pub(super) struct Node<'de, 'p> {
    value: &'de Value,
    place: &'p Place<'p>,
    context: Context<'p>,
}

impl Context<'_> {
    fn leaves_out(&self, place: &Place<'_>) -> bool {
        self.left_out.iter().any(|path| place.is(path))
    }

    fn fills(&self, place: &Place<'_>) -> bool {
        self.filled.iter().any(|path| place.is(path))
    }
}

impl Place<'_> {
    fn is(&self, path: &[Segment]) -> bool {
        match (self, path.split_last()) {
            (Place::Root, None) => true,
            (Place::Key(parent, key), Some((Segment::Key(last), rest))) => {
                key == last && parent.is(rest)
            }
            (Place::Index(parent, index), Some((Segment::Index(last), rest))) => {
                index == last && parent.is(rest)
            }
            _ => false,
        }
    }
}

impl<'de, 'p> Node<'de, 'p> {
    pub(super) fn new(value: &'de Value, place: &'p Place<'p>, context: Context<'p>) -> Self {
        Self {
            value,
            place,
            context,
        }
    }

    fn items(self) -> Items<'de, 'p> {
        let items = self.value.as_array().map(Vec::as_slice).unwrap_or_default();
        Items {
            rest: items.iter().enumerate(),
            place: self.place,
            context: self.context,
        }
    }

    fn members(
        self,
        members: &'de serde_json::Map<String, Value>,
        fields: &'static [&'static str],
    ) -> Members<'de, 'p> {
        Members {
            rest: members.iter(),
            fields: fields.iter(),
            value: None,
            place: self.place,
            context: self.context,
        }
    }
}

impl<'de> Deserializer<'de> for Node<'de, '_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => visitor.visit_u64(number),
                (_, Some(number), _) => visitor.visit_i64(number),
                (.., number) => visitor.visit_f64(number.unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(_) => visitor.visit_seq(self.items()),
            Value::Object(members) => visitor.visit_map(self.members(members, &[])),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        if self.value.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match self.value {
            Value::String(path) if name == FilePath::NAME => {
                let path = self.context.folder.join(path);
                match path.to_str() {
                    Some(path) => visitor.visit_str(path),
                    None => visitor.visit_byte_buf(bytes(path)),
                }
            }
            _ => visitor.visit_newtype_struct(self),
        }
    }

    /// Accepts tables only: a derived implementation would also take the fields from a list.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match self.value {
            Value::Object(members) => visitor.visit_map(self.members(members, fields)),
            Value::Array(_) => Err(ReadError::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match self.value {
            Value::String(text) => {
                let variant: StrDeserializer<'_, ReadError> = text.as_str().into_deserializer();
                visitor.visit_enum(variant)
            }
            Value::Object(members) => {
                visitor.visit_enum(MapAccessDeserializer::new(self.members(members, &[])))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

struct Items<'de, 'p> {
    rest: std::iter::Enumerate<std::slice::Iter<'de, Value>>,
    place: &'p Place<'p>,
    context: Context<'p>,
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        for (index, value) in self.rest.by_ref() {
            let place = Place::Index(self.place, index);
            if self.context.leaves_out(&place) {
                continue;
            }
            return seed
                .deserialize(Node::new(value, &place, self.context))
                .map(Some)
                .map_err(|error| error.below(Segment::Index(index)));
        }
        Ok(None)
    }
}

struct Members<'de, 'p> {
    rest: serde_json::map::Iter<'de>,
    /// The fields that have not been filled yet, if the table becomes a struct.
    fields: std::slice::Iter<'static, &'static str>,
    /// The key whose value comes next; without a value, it gets a placeholder.
    value: Option<(&'de str, Option<&'de Value>)>,
    place: &'p Place<'p>,
    context: Context<'p>,
}

impl<'de> MapAccess<'de> for Members<'de, '_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        let place = self.place;
        let context = self.context;
        let given = self
            .rest
            .find(|(key, _)| !context.leaves_out(&Place::Key(place, key)))
            .map(|(key, value)| (key.as_str(), Some(value)));
        self.value = given.or_else(|| {
            let is_filled = |field: &&&str| context.fills(&Place::Key(place, field));
            self.fields.find(is_filled).map(|field| (*field, None))
        });
        let Some((key, _)) = self.value else {
            return Ok(None);
        };
        let deserializer: StrDeserializer<'_, ReadError> = key.into_deserializer();
        seed.deserialize(deserializer)
            .map(Some)
            .map_err(|error| error.at_key(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let (key, value) = self
            .value
            .take()
            .ok_or_else(|| ReadError::custom("a value without a key"))?;
        let place = Place::Key(self.place, key);
        let read = match value {
            Some(value) => seed.deserialize(Node::new(value, &place, self.context)),
            None => seed.deserialize(Placeholder),
        };
        read.map_err(|error| error.below(Segment::Key(key.to_owned())))
    }
}
