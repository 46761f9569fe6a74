//! Faults of settings, with their paths.

use std::fmt;

/// One fault of settings: its path, its cause and a remedy.
///
/// `Display` writes them as one line for a log. A program that knows the positions of values in a
/// file shows the parts instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsFault {
    pub(super) path: Vec<Segment>,
    pub(super) cause: String,
    pub(super) remedy: Option<String>,
    pub(super) known: Option<&'static [&'static str]>,
    pub(super) kind: Kind,
}

/// The subject of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A value, or a table as a whole.
    Value,
    /// The key at the end of the path.
    Key,
    /// A key that the table at the path lacks.
    Missing,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// A key of a table.
    Key(String),
    /// An index of a list, counted from 0.
    Index(usize),
}

/// The beginning of a cause that names a missing key.
pub(super) const HAS_NO: &str = "the table has no ";

impl SettingsFault {
    /// Returns the path of the value, or of the table that lacks a key. Empty for the settings as a
    /// whole.
    #[must_use]
    pub fn path(&self) -> &[Segment] {
        &self.path
    }

    /// Returns `true` if the key at the end of the path is at fault, rather than its value.
    #[must_use]
    pub fn is_key(&self) -> bool {
        self.kind == Kind::Key
    }

    /// Returns the known keys of the table if a key is unknown.
    #[must_use]
    pub fn known(&self) -> Option<&'static [&'static str]> {
        self.known
    }

    /// Returns the cause, with `table` as the name of the table.
    #[must_use]
    pub fn cause(&self, table: &str) -> String {
        if self.known.is_some() {
            return format!("{} in {table}", self.cause);
        }
        if let Some(rest) = self.cause.strip_prefix("the table") {
            return format!("{table}{rest}");
        }
        match self.cause.strip_prefix("the value") {
            Some(rest) => format!("{}{rest}", self.subject(table)),
            None => self.cause.clone(),
        }
    }

    /// Returns the remedy, as an imperative. Unknown keys have none; see [`known`](Self::known).
    #[must_use]
    pub fn remedy(&self) -> Option<&str> {
        self.remedy.as_deref()
    }

    /// Returns the key that the table at the path lacks.
    #[must_use]
    pub fn missing(&self) -> Option<&str> {
        match self.kind {
            Kind::Missing => self.cause.strip_prefix(HAS_NO),
            _ => None,
        }
    }

    /// Returns the innermost key in backticks, or the name of the table.
    fn subject(&self, table: &str) -> String {
        let key = self.path.iter().rev().find_map(|segment| match segment {
            Segment::Key(key) => Some(key),
            Segment::Index(_) => None,
        });
        key.map_or_else(|| table.to_owned(), |key| format!("`{key}`"))
    }
}

impl fmt::Display for SettingsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, segment) in self.path.iter().enumerate() {
            match segment {
                Segment::Key(key) if count == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        if !self.path.is_empty() {
            f.write_str(": ")?;
        }
        f.write_str(&self.cause("the table"))?;
        match (&self.remedy, self.known) {
            (Some(remedy), _) => write!(f, "; {remedy}"),
            (None, Some([])) => f.write_str("; the table has no keys"),
            (None, Some(known)) => write!(f, "; use one of {}", known.join(", ")),
            (None, None) => Ok(()),
        }
    }
}

impl std::error::Error for SettingsFault {}
