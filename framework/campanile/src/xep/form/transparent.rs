//! Deserialization of unit and newtype structs, which in a form are as if they were their content.

/// Expands to the methods of a `Deserializer` for newtype structs, and with `unit` for unit structs
/// as well.
macro_rules! transparent {
    (newtype) => {
        fn deserialize_newtype_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            visitor: V,
        ) -> Result<V::Value, FormError> {
            visitor.visit_newtype_struct(self)
        }
    };
    (newtype, unit) => {
        transparent!(newtype);

        fn deserialize_unit_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            visitor: V,
        ) -> Result<V::Value, FormError> {
            self.deserialize_unit(visitor)
        }
    };
}

pub(super) use transparent;
