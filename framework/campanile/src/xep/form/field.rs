//! One field of a form that is to be filled in.

use xmpp_parsers::data_forms::{Field as FieldElement, FieldType, Option_};

use super::FormError;

/// One field of a form that is to be filled in (XEP-0004 §3.3).
#[derive(Debug, Clone, PartialEq)]
pub struct Field(pub(super) FieldElement);

impl Field {
    pub(super) fn new(var: &str, kind: FieldType) -> Self {
        Self(FieldElement::new(var, kind))
    }

    /// A line of text.
    #[must_use]
    pub fn text(var: &str) -> Self {
        Self::new(var, FieldType::TextSingle)
    }

    /// Several lines of text.
    #[must_use]
    pub fn lines(var: &str) -> Self {
        Self::new(var, FieldType::TextMulti)
    }

    /// A line of text that clients do not show.
    #[must_use]
    pub fn secret(var: &str) -> Self {
        Self::new(var, FieldType::TextPrivate)
    }

    /// A box to tick.
    #[must_use]
    pub fn boolean(var: &str) -> Self {
        Self::new(var, FieldType::Boolean)
    }

    /// One of several [options](Field::option).
    #[must_use]
    pub fn choice(var: &str) -> Self {
        Self::new(var, FieldType::ListSingle)
    }

    /// Any number of several [options](Field::option).
    #[must_use]
    pub fn choices(var: &str) -> Self {
        Self::new(var, FieldType::ListMulti)
    }

    /// An address.
    #[must_use]
    pub fn jid(var: &str) -> Self {
        Self::new(var, FieldType::JidSingle)
    }

    /// Any number of addresses.
    #[must_use]
    pub fn jids(var: &str) -> Self {
        Self::new(var, FieldType::JidMulti)
    }

    /// A value that clients give back as it is, and do not show. It is no secret, and whoever sends
    /// another value back is refused.
    #[must_use]
    pub fn hidden(var: &str, value: impl Into<String>) -> Self {
        Self::new(var, FieldType::Hidden).value(value)
    }

    /// A text between the fields, such as a heading. It has no value.
    #[must_use]
    pub fn fixed(text: impl Into<String>) -> Self {
        Self(FieldElement {
            var: None,
            ..Self::new("", FieldType::Fixed).value(text).0
        })
    }

    /// Sets what clients show beside the field.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.0.label = Some(label.into());
        self
    }

    /// Sets an explanation.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.0.desc = Some(description.into());
        self
    }

    /// The form is not taken while this is empty.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.0.required = true;
        self
    }

    /// The field may stay empty.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.0.required = false;
        self
    }

    /// Adds an option to a choice, or labels the one of this value.
    #[must_use]
    pub fn option(mut self, value: impl Into<String>, label: impl Into<String>) -> Self {
        let value = value.into();
        let label = Some(label.into());
        match self
            .0
            .options
            .iter_mut()
            .find(|option| option.value == value)
        {
            Some(option) => option.label = label,
            None => self.0.options.push(Option_ { label, value }),
        }
        self
    }

    /// Adds a value that the field has before anybody fills it in.
    #[must_use]
    pub fn value(mut self, value: impl Into<String>) -> Self {
        self.0.values.push(value.into());
        self
    }

    /// Turns a line of text into another type that holds one: a jid, a secret, several lines.
    /// Options go with choices only.
    #[must_use]
    pub fn of_type(mut self, kind: FieldType) -> Self {
        if !matches!(kind, FieldType::ListSingle | FieldType::ListMulti) {
            self.0.options.clear();
        }
        self.0.type_ = kind;
        self
    }

    /// Its name in the form; `None` for a fixed text.
    #[must_use]
    pub fn var(&self) -> Option<&str> {
        self.0.var.as_deref()
    }

    /// Whether people fill it in.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.var.is_some() && !matches!(self.0.type_, FieldType::Fixed | FieldType::Hidden)
    }

    pub(crate) fn is_required(&self) -> bool {
        self.0.required
    }

    /// The values that it has before anybody fills it in.
    pub(crate) fn preset(&self) -> &[String] {
        &self.0.values
    }

    /// The values that somebody means by a text.
    pub(crate) fn values_of(&self, text: &str) -> Vec<String> {
        let one = |text: &str| vec![text.to_owned()];
        match (&self.0.type_, text.to_lowercase().as_str()) {
            (FieldType::Boolean, "yes" | "y" | "on") => one("1"),
            (FieldType::Boolean, "no" | "n" | "off") => one("0"),
            (FieldType::TextMulti, _) => text.lines().map(str::to_owned).collect(),
            (FieldType::ListMulti | FieldType::JidMulti, _) => {
                let parts = text
                    .split([',', ' ', '\n'])
                    .map(str::trim)
                    .filter(|part| !part.is_empty());
                parts.map(|part| self.option_meant(part)).collect()
            }
            (FieldType::ListSingle, _) => vec![self.option_meant(text)],
            _ => one(text),
        }
    }

    /// The option that is meant, whatever its case; the text itself when there is none.
    fn option_meant(&self, text: &str) -> String {
        let meant = self.0.options.iter().find(|option| {
            let label = option.label.as_deref().unwrap_or_default();
            option.value.eq_ignore_ascii_case(text) || label.eq_ignore_ascii_case(text)
        });
        meant.map_or_else(|| text.to_owned(), |option| option.value.clone())
    }

    /// Whether it may have more than one value.
    pub(super) fn takes_several(&self) -> bool {
        matches!(
            self.0.type_,
            FieldType::TextMulti | FieldType::ListMulti | FieldType::JidMulti
        )
    }

    /// Whether it being left out says something: nothing of the list, box not ticked.
    pub(super) fn may_be_left_out(&self) -> bool {
        self.takes_several() || self.0.type_ == FieldType::Boolean
    }

    /// Whether these values may be its own.
    pub(super) fn check(&self, values: &[String]) -> Result<(), FormError> {
        let Some(var) = self.var() else { return Ok(()) };
        self.check_values(values)
            .map_err(|why| FormError::field(var, why))
    }

    fn check_values(&self, values: &[String]) -> Result<(), String> {
        let blank = values.iter().all(String::is_empty);
        match self.0.type_ {
            FieldType::Fixed => return Ok(()),
            FieldType::Hidden if !self.0.values.is_empty() && self.0.values != values => {
                return Err("is not to be changed".to_owned());
            }
            _ if blank && self.0.required => return Err("is required".to_owned()),
            _ if blank => return Ok(()),
            _ if values.len() > 1 && !self.takes_several() && self.0.type_ != FieldType::Hidden => {
                return Err("has more than one value".to_owned());
            }
            _ => {}
        }
        values.iter().try_for_each(|value| self.check_value(value))
    }

    fn check_value(&self, value: &str) -> Result<(), String> {
        match self.0.type_ {
            FieldType::Boolean if !matches!(value.trim(), "0" | "1" | "true" | "false") => {
                Err(format!("cannot be {value:?}: true or false is wanted"))
            }
            FieldType::JidSingle | FieldType::JidMulti => match jid::Jid::new(value) {
                Ok(_) => Ok(()),
                Err(error) => Err(format!("cannot be {value:?}, which is no JID: {error}")),
            },
            FieldType::ListSingle | FieldType::ListMulti
                if !self.0.options.iter().any(|option| option.value == value) =>
            {
                let options: Vec<_> = self
                    .0
                    .options
                    .iter()
                    .map(|option| option.value.as_str())
                    .collect();
                Err(format!(
                    "cannot be {value:?}: it is one of {}",
                    options.join(", ")
                ))
            }
            _ => Ok(()),
        }
    }
}
