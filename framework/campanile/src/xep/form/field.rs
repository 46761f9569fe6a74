//! Fields of form definitions.

use xmpp_parsers::data_forms::{Field as FieldElement, FieldType, Option_};

use super::FormError;

/// A field of a form definition (XEP-0004 §3.3).
///
/// ```
/// use campanile::form::{Definition, Field};
///
/// let form = Definition::new()
///     .field(Field::text("name").label("Your name").required())
///     .field(Field::choice("size").option("s", "Small").option("l", "Large").value("s"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Field(pub(super) FieldElement);

impl Field {
    pub(super) fn new(var: &str, kind: FieldType) -> Self {
        Self(FieldElement::new(var, kind))
    }

    /// Creates a field for one line of text (text-single).
    #[must_use]
    pub fn text(var: &str) -> Self {
        Self::new(var, FieldType::TextSingle)
    }

    /// Creates a field for several lines of text (text-multi).
    #[must_use]
    pub fn lines(var: &str) -> Self {
        Self::new(var, FieldType::TextMulti)
    }

    /// Creates a field for a line of text that clients hide during input, such as a password
    /// (text-private).
    #[must_use]
    pub fn secret(var: &str) -> Self {
        Self::new(var, FieldType::TextPrivate)
    }

    /// Creates a check box (boolean).
    #[must_use]
    pub fn boolean(var: &str) -> Self {
        Self::new(var, FieldType::Boolean)
    }

    /// Creates a choice of one of several [options](Field::option) (list-single).
    #[must_use]
    pub fn choice(var: &str) -> Self {
        Self::new(var, FieldType::ListSingle)
    }

    /// Creates a choice of any number of [options](Field::option) (list-multi).
    #[must_use]
    pub fn choices(var: &str) -> Self {
        Self::new(var, FieldType::ListMulti)
    }

    /// Creates a field for a JID (jid-single).
    #[must_use]
    pub fn jid(var: &str) -> Self {
        Self::new(var, FieldType::JidSingle)
    }

    /// Creates a field for any number of JIDs (jid-multi).
    #[must_use]
    pub fn jids(var: &str) -> Self {
        Self::new(var, FieldType::JidMulti)
    }

    /// Creates a field that clients do not show and send back unchanged (hidden).
    ///
    /// The value is visible to the user's client, so it must not be a secret. A form with a
    /// different value is rejected.
    #[must_use]
    pub fn hidden(var: &str, value: impl Into<String>) -> Self {
        Self::new(var, FieldType::Hidden).value(value)
    }

    /// Creates a static text between the fields, such as a heading (fixed). It has no value.
    #[must_use]
    pub fn fixed(text: impl Into<String>) -> Self {
        Self(FieldElement {
            var: None,
            ..Self::new("", FieldType::Fixed).value(text).0
        })
    }

    /// Sets the label that clients show beside the field.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.0.label = Some(label.into());
        self
    }

    /// Sets a description, which clients show as a hint or tooltip.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.0.desc = Some(description.into());
        self
    }

    /// Makes the field required: a form without a value for it is rejected.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.0.required = true;
        self
    }

    /// Makes the field optional.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.0.required = false;
        self
    }

    /// Adds an option to a choice, or changes the label of the option with this value.
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

    /// Adds a preset value.
    #[must_use]
    pub fn value(mut self, value: impl Into<String>) -> Self {
        self.0.values.push(value.into());
        self
    }

    /// Changes the type of the field, for example from text to JID. Options are removed unless the
    /// new type is a choice.
    #[must_use]
    pub fn of_type(mut self, kind: FieldType) -> Self {
        if !matches!(kind, FieldType::ListSingle | FieldType::ListMulti) {
            self.0.options.clear();
        }
        self.0.type_ = kind;
        self
    }

    /// Returns the name of the field, or `None` for a static text.
    #[must_use]
    pub fn var(&self) -> Option<&str> {
        self.0.var.as_deref()
    }

    /// Returns `true` if the field takes input from users.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.var.is_some() && !matches!(self.0.type_, FieldType::Fixed | FieldType::Hidden)
    }

    pub(crate) fn is_required(&self) -> bool {
        self.0.required
    }

    /// Returns the preset values.
    pub(crate) fn preset(&self) -> &[String] {
        &self.0.values
    }

    /// Converts text from a chat to values of this field.
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
                parts.map(|part| self.matching_option(part)).collect()
            }
            (FieldType::ListSingle, _) => vec![self.matching_option(text)],
            _ => one(text),
        }
    }

    /// Returns the option whose value or label matches, ignoring case, or else the text itself.
    fn matching_option(&self, text: &str) -> String {
        let matching = self.0.options.iter().find(|option| {
            let label = option.label.as_deref().unwrap_or_default();
            option.value.eq_ignore_ascii_case(text) || label.eq_ignore_ascii_case(text)
        });
        matching.map_or_else(|| text.to_owned(), |option| option.value.clone())
    }

    /// Returns `true` if the field may have more than one value.
    pub(super) fn takes_several(&self) -> bool {
        matches!(
            self.0.type_,
            FieldType::TextMulti | FieldType::ListMulti | FieldType::JidMulti
        )
    }

    /// Returns `true` if a missing field has a meaning: an empty list, or an unchecked box.
    pub(super) fn may_be_left_out(&self) -> bool {
        self.takes_several() || self.0.type_ == FieldType::Boolean
    }

    /// Checks values against the rules of this field.
    pub(super) fn check(&self, values: &[String]) -> Result<(), FormError> {
        let Some(var) = self.var() else { return Ok(()) };
        self.check_values(values)
            .map_err(|reason| FormError::field(var, reason))
    }

    fn check_values(&self, values: &[String]) -> Result<(), String> {
        let blank = values.iter().all(String::is_empty);
        match self.0.type_ {
            FieldType::Fixed => return Ok(()),
            FieldType::Hidden if !self.0.values.is_empty() && self.0.values != values => {
                return Err("must not be changed".to_owned());
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
                Err(format!("must be true or false, not {value:?}"))
            }
            FieldType::JidSingle | FieldType::JidMulti => match jid::Jid::new(value) {
                Ok(_) => Ok(()),
                Err(error) => Err(format!("must be a JID, not {value:?}: {error}")),
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
                    "must be one of {}, not {value:?}",
                    options.join(", ")
                ))
            }
            _ => Ok(()),
        }
    }
}
