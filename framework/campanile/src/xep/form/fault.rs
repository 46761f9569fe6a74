//! What is wrong with a form.

use std::error::Error;
use std::fmt;

use crate::error::{Condition, StanzaError};

/// A form, or one field of it, is not as it must be.
///
/// Returned from a handler, it tells the peer so: not-acceptable, with a text that names the field.
#[derive(Debug, Clone)]
pub struct FormError {
    field: Option<String>,
    why: String,
    told: Box<StanzaError>,
}

impl FormError {
    /// Something about the whole form.
    pub fn new(why: impl Into<String>) -> Self {
        Self::build(None, why.into())
    }

    /// Something about one field, as in `"must not lie in the past"`.
    pub fn field(var: impl Into<String>, why: impl Into<String>) -> Self {
        Self::build(Some(var.into()), why.into())
    }

    /// The field that is wrong, by its `var`; `None` when it is about the whole form.
    #[must_use]
    pub fn var(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// The same, about this field where it is about none yet.
    pub(super) fn at(self, var: &str) -> Self {
        if self.field.is_some() {
            self
        } else {
            Self::field(var, self.why)
        }
    }

    fn build(field: Option<String>, why: String) -> Self {
        let told =
            StanzaError::new(Condition::NotAcceptable).with_text(text(field.as_deref(), &why));
        Self {
            field,
            why,
            told: Box::new(told),
        }
    }
}

fn text(field: Option<&str>, why: &str) -> String {
    match field {
        Some(field) => format!("the field {field:?} {why}"),
        None => format!("the form {why}"),
    }
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(self.field.as_deref(), &self.why))
    }
}

impl Error for FormError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.told)
    }
}

impl serde::de::Error for FormError {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Self::new(format!("is not as it must be: {why}"))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::field(field, "is missing")
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::field(field, "is there twice")
    }

    fn unknown_field(field: &str, _expected: &'static [&'static str]) -> Self {
        Self::field(field, "is not known")
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!(
            "cannot be {variant:?}: it is one of {}",
            expected.join(", ")
        ))
    }
}

impl serde::ser::Error for FormError {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Self::new(format!("cannot be written: {why}"))
    }
}
