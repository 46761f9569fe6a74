//! Why JSON is no stanza, or a stanza no JSON.

use std::fmt;

/// JSON that cannot become a stanza: which field, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    field: String,
    why: String,
    syntax: bool,
}

impl Fault {
    /// Text that is no JSON at all, or XML that is none.
    pub(crate) fn syntax(field: impl Into<String>, why: impl fmt::Display) -> Self {
        Self {
            field: field.into(),
            why: why.to_string(),
            syntax: true,
        }
    }

    /// A field that cannot be what it is.
    pub(crate) fn field(field: impl Into<String>, why: impl fmt::Display) -> Self {
        Self {
            field: field.into(),
            why: why.to_string(),
            syntax: false,
        }
    }

    /// The path of the field, such as `payload.data`; empty for the whole.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.field
    }

    /// What is wrong with it.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }

    /// The text itself is broken, and not what it says.
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

/// A stanza that has no JSON: it holds a container (XEP-0335) whose JSON is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmappable(pub(super) String);

impl fmt::Display for Unmappable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the JSON within is unusable: {}", self.0)
    }
}

impl std::error::Error for Unmappable {}
