//! Serialization of the value of one form field.

use serde::Serialize;
use serde::ser::{
    Error, Impossible, SerializeSeq, SerializeTuple, SerializeTupleStruct, Serializer,
};
use xmpp_parsers::data_forms::FieldType;

use super::FormError;

/// The content of a field: its type, as far as it follows from the value, and its values. `None` if
/// the field is left out.
pub(super) type Content = Option<(FieldType, Vec<String>)>;

/// Serializer for the value of one field.
pub(super) struct Value;

fn text(text: &impl ToString) -> Result<Content, FormError> {
    let text = text.to_string();
    // XEP-0004 §3.3: the values of text-multi are its lines; other fields cannot hold line breaks.
    if text.contains('\n') {
        return Ok(Some((
            FieldType::TextMulti,
            text.lines().map(str::to_owned).collect(),
        )));
    }
    Ok(Some((FieldType::TextSingle, vec![text])))
}

/// Serializer for a list.
pub(super) struct Values(Vec<String>);

impl Values {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), FormError> {
        if let Some((_, values)) = value.serialize(Value)? {
            self.0.extend(values);
        }
        Ok(())
    }

    fn finish(self) -> Content {
        Some((FieldType::TextMulti, self.0))
    }
}

macro_rules! lists {
    ($($list:ident $push:ident;)+) => {$(
        impl $list for Values {
            type Ok = Content;
            type Error = FormError;

            fn $push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), FormError> {
                self.push(value)
            }

            fn end(self) -> Result<Content, FormError> {
                Ok(self.finish())
            }
        }
    )+};
}

lists! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
}

macro_rules! texts {
    ($($serialize:ident $value:ty;)+) => {$(
        fn $serialize(self, value: $value) -> Result<Content, FormError> {
            text(&value)
        }
    )+};
}

impl Serializer for Value {
    type Ok = Content;
    type Error = FormError;
    type SerializeSeq = Values;
    type SerializeTuple = Values;
    type SerializeTupleStruct = Values;
    type SerializeTupleVariant = Impossible<Content, FormError>;
    type SerializeMap = Impossible<Content, FormError>;
    type SerializeStruct = Impossible<Content, FormError>;
    type SerializeStructVariant = Impossible<Content, FormError>;

    texts! {
        serialize_i8 i8;
        serialize_i16 i16;
        serialize_i32 i32;
        serialize_i64 i64;
        serialize_i128 i128;
        serialize_u8 u8;
        serialize_u16 u16;
        serialize_u32 u32;
        serialize_u64 u64;
        serialize_u128 u128;
        serialize_f32 f32;
        serialize_f64 f64;
        serialize_char char;
        serialize_str &str;
    }

    fn serialize_bool(self, value: bool) -> Result<Content, FormError> {
        Ok(Some((
            FieldType::Boolean,
            vec![if value { "1" } else { "0" }.to_owned()],
        )))
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<Content, FormError> {
        Err(FormError::custom("byte arrays are not supported"))
    }

    fn serialize_none(self) -> Result<Content, FormError> {
        Ok(None)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Content, FormError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Content, FormError> {
        Ok(None)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Content, FormError> {
        Ok(None)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Content, FormError> {
        Ok(Some((FieldType::ListSingle, vec![variant.to_owned()])))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Content, FormError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Content, FormError> {
        Err(nested())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Values, FormError> {
        Ok(Values(Vec::new()))
    }

    fn serialize_tuple(self, _: usize) -> Result<Values, FormError> {
        Ok(Values(Vec::new()))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Values, FormError> {
        Ok(Values(Vec::new()))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, FormError> {
        Err(nested())
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, FormError> {
        Err(nested())
    }

    fn serialize_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStruct, FormError> {
        Err(nested())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, FormError> {
        Err(nested())
    }
}

fn nested() -> FormError {
    FormError::custom("form fields hold plain values only")
}
