//! Serialization of structs to form fields.

use serde::Serialize;
use serde::ser::{Error, Impossible, SerializeMap, SerializeStruct, Serializer};
use xmpp_parsers::data_forms::Field;

use super::FormError;
use super::field_value::Value;

/// Serializes a struct or a map to fields. `None` values are left out.
///
/// # Errors
/// If a value cannot be represented in a field, such as a nested struct.
pub(crate) fn write<T: Serialize + ?Sized>(value: &T) -> Result<Vec<Field>, FormError> {
    value.serialize(Outer)
}

/// Serializer for the struct.
struct Outer;

/// The fields written so far.
struct Written {
    fields: Vec<Field>,
    key: String,
}

impl Written {
    fn new() -> Self {
        Self {
            fields: Vec::new(),
            key: String::new(),
        }
    }

    fn push<T: Serialize + ?Sized>(&mut self, var: &str, value: &T) -> Result<(), FormError> {
        let Some((kind, values)) = value.serialize(Value).map_err(|error| error.at(var))? else {
            return Ok(());
        };
        let mut field = Field::new(var, kind);
        field.values = values;
        self.fields.push(field);
        Ok(())
    }
}

impl SerializeStruct for Written {
    type Ok = Vec<Field>;
    type Error = FormError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        var: &'static str,
        value: &T,
    ) -> Result<(), FormError> {
        self.push(var, value)
    }

    fn end(self) -> Result<Vec<Field>, FormError> {
        Ok(self.fields)
    }
}

impl SerializeMap for Written {
    type Ok = Vec<Field>;
    type Error = FormError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), FormError> {
        let (_, values) = key
            .serialize(Value)?
            .ok_or_else(|| FormError::new("has a field without a name"))?;
        self.key = values.concat();
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), FormError> {
        let var = std::mem::take(&mut self.key);
        self.push(&var, value)
    }

    fn end(self) -> Result<Vec<Field>, FormError> {
        Ok(self.fields)
    }
}

fn not_a_struct<T>() -> Result<T, FormError> {
    Err(FormError::custom("only structs and maps have fields"))
}

macro_rules! unsupported {
    ($($serialize:ident $value:ty;)+) => {$(
        fn $serialize(self, _: $value) -> Result<Vec<Field>, FormError> {
            not_a_struct()
        }
    )+};
}

impl Serializer for Outer {
    type Ok = Vec<Field>;
    type Error = FormError;
    type SerializeSeq = Impossible<Vec<Field>, FormError>;
    type SerializeTuple = Impossible<Vec<Field>, FormError>;
    type SerializeTupleStruct = Impossible<Vec<Field>, FormError>;
    type SerializeTupleVariant = Impossible<Vec<Field>, FormError>;
    type SerializeMap = Written;
    type SerializeStruct = Written;
    type SerializeStructVariant = Impossible<Vec<Field>, FormError>;

    unsupported! {
        serialize_bool bool;
        serialize_i8 i8;
        serialize_i16 i16;
        serialize_i32 i32;
        serialize_i64 i64;
        serialize_u8 u8;
        serialize_u16 u16;
        serialize_u32 u32;
        serialize_u64 u64;
        serialize_f32 f32;
        serialize_f64 f64;
        serialize_char char;
        serialize_str &str;
        serialize_bytes &[u8];
    }

    fn serialize_none(self) -> Result<Vec<Field>, FormError> {
        Ok(Vec::new())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Vec<Field>, FormError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Vec<Field>, FormError> {
        Ok(Vec::new())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Vec<Field>, FormError> {
        Ok(Vec::new())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
    ) -> Result<Vec<Field>, FormError> {
        not_a_struct()
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Vec<Field>, FormError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Vec<Field>, FormError> {
        not_a_struct()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, FormError> {
        not_a_struct()
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, FormError> {
        not_a_struct()
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, FormError> {
        not_a_struct()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, FormError> {
        not_a_struct()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Written, FormError> {
        Ok(Written::new())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Written, FormError> {
        Ok(Written::new())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, FormError> {
        not_a_struct()
    }
}
