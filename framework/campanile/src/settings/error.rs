//! The error of the deserializer.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

use super::fault::{HAS_NO, Kind, Segment, SettingsFault};

/// One error, with the path in reverse while the call stack unwinds.
#[derive(Debug)]
pub(super) struct ReadError(SettingsFault);

impl ReadError {
    fn new(cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self(SettingsFault {
            path: Vec::new(),
            cause: cause.into(),
            remedy: Some(remedy.into()),
            known: None,
            kind: Kind::Value,
        })
    }

    pub(super) fn below(mut self, segment: Segment) -> Self {
        self.0.path.push(segment);
        self
    }

    /// Adds the key that could not be read.
    pub(super) fn at_key(mut self, key: &str) -> Self {
        // An unknown key is in the path already.
        if self.0.kind != Kind::Key {
            self.0.kind = Kind::Key;
            self.0.path.push(Segment::Key(key.to_owned()));
        }
        self
    }

    pub(super) fn into_fault(self) -> SettingsFault {
        let mut fault = self.0;
        fault.path.reverse();
        fault
    }
}

impl Error for ReadError {
    /// Accepts a message of two lines: the cause and the remedy.
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        let mut error = match message.split_once('\n') {
            Some((cause, remedy)) => Self::new(cause, remedy),
            None => Self::new(message, "see the documentation of this key"),
        };
        if error.0.cause.starts_with(HAS_NO) {
            error.0.kind = Kind::Missing;
        }
        error
    }

    /// Never quotes the value, which may be a secret.
    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        let cause = format!("the value cannot be {}", kind(found));
        Self::new(cause, format!("write {}", plain(&wanted.to_string())))
    }

    fn invalid_value(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        let cause = match found {
            // Numbers are no secrets.
            Unexpected::Unsigned(number) => format!("the value cannot be {number}"),
            Unexpected::Signed(number) => format!("the value cannot be {number}"),
            Unexpected::Float(number) => format!("the value cannot be {number}"),
            other => format!("the value cannot be {}", kind(other)),
        };
        Self::new(cause, format!("write {}", plain(&wanted.to_string())))
    }

    fn invalid_length(length: usize, wanted: &dyn Expected) -> Self {
        let cause = format!("the value cannot have {length} elements");
        Self::new(cause, format!("write {}", plain(&wanted.to_string())))
    }

    fn unknown_variant(_: &str, known: &'static [&'static str]) -> Self {
        Self::new("the value is not a known word", choice(known))
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        Self(SettingsFault {
            path: vec![Segment::Key(key.to_owned())],
            cause: format!("unknown key {key:?}"),
            remedy: None,
            known: Some(known),
            kind: Kind::Key,
        })
    }

    fn missing_field(key: &'static str) -> Self {
        let mut error = Self::new(format!("{HAS_NO}{key}"), format!("add {key} = …"));
        error.0.kind = Kind::Missing;
        error
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for ReadError {}

/// Returns the kind of a value, in the words of configuration files.
fn kind(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Char(_) | Unexpected::Str(_) => "a string",
        Unexpected::Seq => "a list",
        Unexpected::Map | Unexpected::StructVariant => "a table",
        Unexpected::Unit | Unexpected::Option => "empty",
        _ => "of this kind",
    }
}

/// Translates the expectations that serde writes for Rust types.
fn plain(wanted: &str) -> &str {
    match wanted {
        "a string" | "string" | "str" => "a string in quotation marks",
        "a boolean" | "bool" => "true or false",
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize" | "isize" => {
            "a whole number"
        }
        "f32" | "f64" => "a number",
        "a sequence" => "a list",
        "a map" => "a table",
        _ if wanted.starts_with("struct ") || wanted.starts_with("unit struct ") => "a table",
        _ if wanted.starts_with("enum ") => "one of the words that this key knows",
        _ => wanted,
    }
}

/// Lists words for a remedy: `write "a", "b" or "c"`.
fn choice(known: &[&str]) -> String {
    let quoted: Vec<String> = known.iter().map(|word| format!("{word:?}")).collect();
    match quoted.split_last() {
        Some((last, [])) => format!("write {last}"),
        Some((last, others)) => format!("write {} or {last}", others.join(", ")),
        None => "remove this key".to_owned(),
    }
}
