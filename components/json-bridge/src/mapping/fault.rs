//! Errors of the conversion between stanzas and JSON.

use std::fmt;

/// An error in JSON or XML that cannot be converted into a stanza.
///
/// Names the offending field and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    field: String,
    why: String,
    syntax: bool,
}

impl Fault {
    /// Creates a fault for text that is not well-formed JSON or XML.
    pub(crate) fn syntax(field: impl Into<String>, why: impl fmt::Display) -> Self {
        Self {
            field: field.into(),
            why: why.to_string(),
            syntax: true,
        }
    }

    /// Creates a fault for a field with an invalid value.
    pub(crate) fn field(field: impl Into<String>, why: impl fmt::Display) -> Self {
        Self {
            field: field.into(),
            why: why.to_string(),
            syntax: false,
        }
    }

    /// Returns the path of the field, such as `payload.data`. It is empty if the fault concerns the
    /// whole input.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.field
    }

    /// Returns the reason.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }

    /// Returns `true` if the input is not well-formed, as opposed to having an invalid value.
    #[must_use]
    pub const fn is_syntax(&self) -> bool {
        self.syntax
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => f.write_str(&self.why),
            field => write!(f, "{field}: {}", self.why),
        }
    }
}

impl std::error::Error for Fault {}

/// An error: the stanza cannot be converted because it contains invalid JSON (XEP-0335).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmappable(pub(super) String);

impl fmt::Display for Unmappable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid JSON in the stanza: {}", self.0)
    }
}

impl std::error::Error for Unmappable {}
