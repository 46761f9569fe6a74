//! Errors in forms.

use std::error::Error;
use std::fmt;

use crate::error::{Condition, StanzaError};

/// An error in a form, or in one of its fields.
///
/// Returned by a handler, it sends the peer not-acceptable with an English text that names the
/// field. In an [ad-hoc command](crate::adhoc), the user can correct the form and submit it again.
///
/// ```
/// use campanile::form::FormError;
///
/// let error = FormError::field("day", "must not be in the past");
/// assert_eq!(error.to_string(), "field \"day\" must not be in the past");
/// ```
#[derive(Debug, Clone)]
pub struct FormError {
    field: Option<String>,
    reason: String,
    stanza_error: Box<StanzaError>,
}

impl FormError {
    /// Creates an error about the whole form. The text completes a sentence that starts with
    /// "form".
    pub fn new(reason: impl Into<String>) -> Self {
        Self::build(None, reason.into())
    }

    /// Creates an error about one field. The text completes a sentence that starts with the name of
    /// the field, as in `"must not be in the past"`.
    pub fn field(var: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::build(Some(var.into()), reason.into())
    }

    /// Returns the name of the field, or `None` if the error is about the whole form.
    #[must_use]
    pub fn var(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// Sets the field, unless the error already names one.
    pub(super) fn at(self, var: &str) -> Self {
        if self.field.is_some() {
            self
        } else {
            Self::field(var, self.reason)
        }
    }

    fn build(field: Option<String>, reason: String) -> Self {
        let stanza_error = StanzaError::new(Condition::NotAcceptable)
            .with_text(text(field.as_deref(), &reason))
            .with_lang("en");
        Self {
            field,
            reason,
            stanza_error: Box::new(stanza_error),
        }
    }
}

fn text(field: Option<&str>, reason: &str) -> String {
    match field {
        Some(field) => format!("field {field:?} {reason}"),
        None => format!("form {reason}"),
    }
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(self.field.as_deref(), &self.reason))
    }
}

impl Error for FormError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.stanza_error)
    }
}

impl serde::de::Error for FormError {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::new(format!("is invalid: {reason}"))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::field(field, "is missing")
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::field(field, "is given twice")
    }

    fn unknown_field(field: &str, _expected: &'static [&'static str]) -> Self {
        Self::field(field, "is unknown")
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!(
            "must be one of {}, not {variant:?}",
            expected.join(", ")
        ))
    }
}

impl serde::ser::Error for FormError {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::new(format!("cannot be serialized: {reason}"))
    }
}
