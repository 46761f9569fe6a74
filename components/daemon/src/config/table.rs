//! Tables and values of the file, with their positions.

use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use campanile::serde_json::{self, Number};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::Faults;
use super::nearest::remedy;
use super::unit;

/// A table that records which keys were read, so that the rest can be reported as unknown.
pub(super) struct Table<'t> {
    /// Its name in messages: `[[component]]`, `[component.limits]`.
    pub(super) name: String,
    pub(super) span: Range<usize>,
    entries: &'t DeTable<'t>,
    known: Vec<&'static str>,
    /// Keys that are reported elsewhere and never suggested.
    settled: Vec<&'static str>,
}

/// A value and its key.
pub(super) struct Value<'t> {
    pub(super) key: String,
    pub(super) span: Range<usize>,
    /// Position of the key.
    pub(super) key_span: Range<usize>,
    inner: &'t DeValue<'t>,
}

impl<'t> Table<'t> {
    pub(super) fn new(
        name: impl Into<String>,
        span: Range<usize>,
        entries: &'t DeTable<'t>,
    ) -> Self {
        Self {
            name: name.into(),
            span,
            entries,
            known: Vec::new(),
            settled: Vec::new(),
        }
    }

    /// Returns the value of a key, and marks the key as known.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value<'t>> {
        if !self.knows(key) {
            self.known.push(key);
        }
        let (name, value) = self.entries.get_key_value(key)?;
        Some(Value::new(key, name.span(), value))
    }

    /// Returns `true` if a key was read before.
    pub(super) fn knows(&self, key: &str) -> bool {
        self.known.contains(&key)
    }

    /// Returns `true` if a key is present, and marks it as known.
    pub(super) fn has(&mut self, key: &'static str) -> bool {
        self.take(key).is_some()
    }

    /// Reports a key with a specific message if it is present.
    pub(super) fn refuse(
        &mut self,
        key: &'static str,
        what: &str,
        remedy: &str,
        faults: &mut Faults<'_>,
    ) {
        if let Some((name, _)) = self.entries.get_key_value(key) {
            faults.push(&name.span(), what, remedy);
            self.settled.push(key);
        }
    }

    /// Returns every entry of a table whose keys are names chosen by the operator.
    pub(super) fn all(self) -> impl Iterator<Item = Value<'t>> {
        let value = |(name, value): (
            &'t Spanned<std::borrow::Cow<'t, str>>,
            &'t Spanned<DeValue<'t>>,
        )| { Value::new(name.get_ref().as_ref(), name.span(), value) };
        self.entries.iter().map(value)
    }

    /// Reads an optional table below this one.
    pub(super) fn table(
        &mut self,
        key: &'static str,
        name: &str,
        faults: &mut Faults<'_>,
    ) -> Option<Table<'t>> {
        self.take(key)?.table(name, faults)
    }

    /// Reports every key that was not read.
    pub(super) fn finish(self, faults: &mut Faults<'_>) {
        let asked = |key: &str| self.known.contains(&key) || self.settled.contains(&key);
        for key in self.entries.keys().filter(|key| !asked(key.get_ref())) {
            let name = key.get_ref();
            faults.push(
                &key.span(),
                format!("unknown key {name:?} in {}", self.name),
                remedy(name, &self.known),
            );
        }
    }
}

impl<'t> Value<'t> {
    fn new(
        key: impl Into<String>,
        key_span: Range<usize>,
        value: &'t Spanned<DeValue<'t>>,
    ) -> Self {
        Self {
            key: key.into(),
            span: value.span(),
            key_span,
            inner: value.get_ref(),
        }
    }

    pub(super) fn text(&self, faults: &mut Faults<'_>) -> Option<&'t str> {
        let DeValue::String(text) = self.inner else {
            return self.mismatch("a string in quotation marks", faults);
        };
        Some(text)
    }

    /// Returns `true` for the value `false` in place of a table.
    pub(super) fn is_off(&self) -> bool {
        matches!(self.inner, DeValue::Boolean(false))
    }

    /// Returns `true` for exactly this string.
    pub(super) fn is_text(&self, text: &str) -> bool {
        matches!(self.inner, DeValue::String(given) if given == text)
    }

    pub(super) fn flag(&self, faults: &mut Faults<'_>) -> Option<bool> {
        let DeValue::Boolean(flag) = self.inner else {
            return self.mismatch("true or false", faults);
        };
        Some(*flag)
    }

    pub(super) fn is_table(&self) -> bool {
        matches!(self.inner, DeValue::Table(_))
    }

    pub(super) fn table(&self, name: &str, faults: &mut Faults<'_>) -> Option<Table<'t>> {
        let DeValue::Table(entries) = self.inner else {
            let wanted = if name.starts_with('[') {
                format!("{name} on a line of its own")
            } else {
                "a table".to_owned()
            };
            return self.mismatch(&wanted, faults);
        };
        Some(Table::new(name, self.key_span.clone(), entries))
    }

    pub(super) fn list(&self, of: &str, faults: &mut Faults<'_>) -> Option<Vec<Value<'t>>> {
        let DeValue::Array(items) = self.inner else {
            return self.mismatch(&format!("a list of {of}"), faults);
        };
        Some(
            items
                .iter()
                .map(|item| Value::new(self.key.clone(), item.span(), item))
                .collect(),
        )
    }

    pub(super) fn duration(
        &self,
        range: RangeInclusive<Duration>,
        faults: &mut Faults<'_>,
    ) -> Option<Duration> {
        let parsed = match self.inner {
            DeValue::String(text) => unit::duration(text),
            _ => None,
        };
        let Some(duration) = parsed else {
            return self.unreadable(
                "a duration with its unit, such as \"500ms\", \"30s\", \"5m\" or \"1h\"",
                faults,
            );
        };
        if !range.contains(&duration) {
            let low = unit::show_duration(*range.start());
            let high = unit::show_duration(*range.end());
            return self.outside(&low, &high, faults);
        }
        Some(duration)
    }

    pub(super) fn size(
        &self,
        range: RangeInclusive<usize>,
        faults: &mut Faults<'_>,
    ) -> Option<usize> {
        let parsed = match self.inner {
            DeValue::String(text) => unit::size(text),
            _ => self.whole(),
        };
        let Some(size) = parsed else {
            return self.unreadable("a size, such as 65536, \"64KiB\" or \"1MiB\"", faults);
        };
        if !range.contains(&size) {
            return self.outside(
                &unit::show_size(*range.start()),
                &unit::show_size(*range.end()),
                faults,
            );
        }
        Some(size)
    }

    pub(super) fn count(
        &self,
        range: RangeInclusive<usize>,
        faults: &mut Faults<'_>,
    ) -> Option<usize> {
        let Some(count) = self.whole() else {
            return self.unreadable("a whole number", faults);
        };
        if !range.contains(&count) {
            return self.outside(&range.start().to_string(), &range.end().to_string(), faults);
        }
        Some(count)
    }

    /// Converts the value to JSON, for modules that read their settings with serde.
    pub(super) fn json(&self, faults: &mut Faults<'_>) -> Option<serde_json::Value> {
        let json = json(self.inner);
        if json.is_none() {
            faults.push(
                &self.span,
                format!("`{}` has a number out of range", self.key),
                "write a smaller number",
            );
        }
        json
    }

    /// Returns the position of the last key of a path, or of the last one that exists.
    pub(super) fn place(&self, path: &[&str]) -> Range<usize> {
        let mut span = self.key_span.clone();
        let mut inner = self.inner;
        for key in path {
            // In a list, the first table with this key.
            let found = tables(inner)
                .into_iter()
                .find_map(|table| table.get_key_value(*key));
            let Some((key, value)) = found else { break };
            (span, inner) = (key.span(), value.get_ref());
        }
        span
    }

    fn whole(&self) -> Option<usize> {
        let DeValue::Integer(number) = self.inner else {
            return None;
        };
        usize::from_str_radix(number.as_str(), number.radix()).ok()
    }

    fn outside<T>(&self, low: &str, high: &str, faults: &mut Faults<'_>) -> Option<T> {
        faults.push(
            &self.span,
            format!("`{}` is out of range", self.key),
            format!("write a value from {low} to {high}"),
        );
        None
    }

    /// Reports a number, duration or size that cannot be parsed. Such values are never secrets, so
    /// they are quoted.
    fn unreadable<T>(&self, wanted: &str, faults: &mut Faults<'_>) -> Option<T> {
        let found = match self.inner {
            DeValue::String(text) => format!("{text:?}"),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            _ => return self.mismatch(wanted, faults),
        };
        faults.push(
            &self.span,
            format!("`{}` cannot be {found}", self.key),
            format!("write {wanted}"),
        );
        None
    }

    /// Reports a value of the wrong type. Never quotes the value, which may be a secret.
    fn mismatch<T>(&self, wanted: &str, faults: &mut Faults<'_>) -> Option<T> {
        let found = match self.inner {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        faults.push(
            &self.span,
            format!("`{}` cannot be {found}", self.key),
            format!("write {wanted}"),
        );
        None
    }
}

/// Converts a value to JSON. Returns `None` if a number is out of range.
fn json(value: &DeValue<'_>) -> Option<serde_json::Value> {
    Some(match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .ok()?
            .into(),
        DeValue::Float(number) => Number::from_f64(number.as_str().parse().ok()?)?.into(),
        DeValue::Boolean(flag) => (*flag).into(),
        DeValue::Datetime(time) => time.to_string().into(),
        DeValue::Array(items) => items
            .iter()
            .map(|item| json(item.get_ref()))
            .collect::<Option<Vec<_>>>()?
            .into(),
        DeValue::Table(table) => {
            let mut members = serde_json::Map::new();
            for (key, value) in table {
                members.insert(key.get_ref().to_string(), json(value.get_ref())?);
            }
            members.into()
        }
    })
}

/// Returns a table, or the tables of a list.
fn tables<'t>(value: &'t DeValue<'t>) -> Vec<&'t DeTable<'t>> {
    match value {
        DeValue::Table(table) => vec![table],
        DeValue::Array(items) => items
            .iter()
            .flat_map(|item| tables(item.get_ref()))
            .collect(),
        _ => Vec::new(),
    }
}
