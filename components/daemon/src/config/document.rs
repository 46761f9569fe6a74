//! The file as a document: JSON values for the settings types, and the position of each.

use std::ops::Range;

use campanile::serde_json::{Map, Number, Value};
use campanile::settings::Segment;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::Faults;
use super::secret::{self, SECRETS};

/// Parses the file; what cannot be parsed is left out.
pub(super) fn parse<'t>(text: &'t str, faults: &mut Faults<'_>) -> Spanned<DeTable<'t>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let (cause, remedy) = words(text, span.start, error.message());
        faults.push_broken(&span, format!("invalid TOML: {cause}"), remedy);
    }
    table
}

/// Returns cause and remedy of a syntax error. Values are not quoted, since they may be secrets.
fn words(text: &str, at: usize, message: &str) -> (String, String) {
    if let Some(key) = unquoted(text, at) {
        return (
            format!("the value of `{key}` has no quotation marks"),
            format!("put it in quotation marks: {key} = \"…\""),
        );
    }
    let remedy = if message == "duplicate key" {
        "write each key and each table once"
    } else {
        "see https://toml.io; strings need quotation marks"
    };
    (message.to_owned(), remedy.to_owned())
}

/// Returns the key of a line whose value is a text without quotation marks.
fn unquoted(text: &str, at: usize) -> Option<&str> {
    let start = text.get(..at)?.rfind('\n').map_or(0, |end| end + 1);
    let line = text.get(start..)?.lines().next()?;
    let (key, value) = line.split_once('=')?;
    let key = key.trim();
    let value = value.trim();
    let is_bare = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_text = value.starts_with(|c: char| c.is_alphabetic() || c == '/')
        || value.starts_with(|c: char| c.is_ascii_digit()) && value.contains([':', '/', '@']);
    let is_word = ["true", "false", "inf", "nan"].contains(&value);
    (is_text && !is_word && !key.is_empty() && key.chars().all(is_bare)).then_some(key)
}

/// A parsed file.
pub(super) struct Document<'t> {
    text: &'t str,
    root: &'t DeTable<'t>,
}

/// Values of a file, converted to JSON.
pub(super) struct Values {
    pub(super) root: Map<String, Value>,
    /// Paths of values that could not be converted, each reported with its fault.
    pub(super) left_out: Vec<Vec<Segment>>,
}

/// A key and its value in the file.
#[derive(Clone, Copy)]
pub(super) struct Entry<'t> {
    /// `None` for an element of a list.
    key: Option<&'t Spanned<std::borrow::Cow<'t, str>>>,
    value: &'t Spanned<DeValue<'t>>,
}

impl<'t> Document<'t> {
    pub(super) fn new(text: &'t str, root: &'t DeTable<'t>) -> Self {
        Self { text, root }
    }

    /// Returns the position of a value; that of a table is its header.
    pub(super) fn span(&self, path: &[Segment]) -> Range<usize> {
        let Some(entry) = self.find(path) else {
            return 0..0;
        };
        let value = entry.value.span();
        let is_inline = self.text.as_bytes().get(value.start) == Some(&b'{');
        match (entry.value.get_ref(), entry.key) {
            (DeValue::Table(_), Some(key)) if !is_inline => key.span(),
            _ => value,
        }
    }

    /// Returns the position of the key at the end of a path.
    pub(super) fn key_span(&self, path: &[Segment]) -> Range<usize> {
        let key = self.find(path).and_then(|entry| entry.key);
        key.map_or_else(|| self.span(path), Spanned::span)
    }

    /// Converts the file to JSON, with all secrets resolved.
    pub(super) fn values(&self, faults: &mut Faults<'_>) -> Values {
        let mut converter = Converter {
            faults,
            path: Vec::new(),
            left_out: Vec::new(),
        };
        Values {
            root: converter.table(self.root),
            left_out: converter.left_out,
        }
    }

    fn find(&self, path: &[Segment]) -> Option<Entry<'t>> {
        let (first, rest) = path.split_first()?;
        let Segment::Key(key) = first else {
            return None;
        };
        let mut entry = member(self.root, key)?;
        for segment in rest {
            entry = match (segment, entry.value.get_ref()) {
                (Segment::Key(key), DeValue::Table(table)) => member(table, key)?,
                (Segment::Index(index), DeValue::Array(items)) => Entry {
                    key: None,
                    value: items.get(*index)?,
                },
                _ => return None,
            };
        }
        Some(entry)
    }
}

/// Returns the entry of a key; that of a secret may have any of its four keys.
fn member<'t>(table: &'t DeTable<'t>, key: &str) -> Option<Entry<'t>> {
    let entry = |key: &str| {
        let (key, value) = table.get_key_value(key)?;
        Some(Entry {
            key: Some(key),
            value,
        })
    };
    entry(key).or_else(|| {
        let sources = SECRETS.iter().find(|sources| sources[0] == key)?;
        sources.iter().find_map(|key| entry(key))
    })
}

/// Converts tables to JSON.
struct Converter<'c, 'f> {
    faults: &'c mut Faults<'f>,
    path: Vec<Segment>,
    left_out: Vec<Vec<Segment>>,
}

impl Converter<'_, '_> {
    fn table(&mut self, table: &DeTable<'_>) -> Map<String, Value> {
        let mut members = Map::new();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if !SECRETS.iter().any(|sources| sources.contains(&name)) {
                let value = self.below(Segment::Key(name.to_owned()), |it| it.value(value));
                members.extend(value.map(|value| (name.to_owned(), value)));
            }
        }
        for sources in &SECRETS {
            if sources.iter().any(|key| table.contains_key(*key)) {
                let read = |it: &mut Self| {
                    let secret = secret::read(table, sources, it.faults);
                    it.kept(secret.map(Value::String))
                };
                let name = sources[0].to_owned();
                let secret = self.below(Segment::Key(name.clone()), read);
                members.extend(secret.map(|secret| (name, secret)));
            }
        }
        members
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let converted = match value.get_ref() {
            DeValue::String(text) => Some(text.as_ref().into()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .ok()
                .map(Value::from),
            DeValue::Float(number) => number
                .as_str()
                .parse()
                .ok()
                .and_then(Number::from_f64)
                .map(Value::Number),
            DeValue::Boolean(flag) => Some((*flag).into()),
            DeValue::Datetime(time) => Some(time.to_string().into()),
            DeValue::Array(items) => return Some(self.list(items)),
            DeValue::Table(table) => return Some(Value::Object(self.table(table))),
        };
        if converted.is_none() {
            let key = self.path.iter().rev().find_map(|segment| match segment {
                Segment::Key(key) => Some(key.as_str()),
                Segment::Index(_) => None,
            });
            let cause = format!("`{}` has a number out of range", key.unwrap_or_default());
            self.faults
                .push(&value.span(), cause, "write a smaller number");
        }
        self.kept(converted)
    }

    fn list(&mut self, items: &[Spanned<DeValue<'_>>]) -> Value {
        let convert = |(index, item)| {
            // Indexes must stay the same.
            self.below(Segment::Index(index), |it| it.value(item))
                .unwrap_or_default()
        };
        items.iter().enumerate().map(convert).collect()
    }

    fn below<T>(&mut self, segment: Segment, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(segment);
        let read = read(self);
        self.path.pop();
        read
    }

    /// Remembers the path of a value that could not be converted.
    fn kept<T>(&mut self, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.left_out.push(self.path.clone());
        }
        value
    }
}
