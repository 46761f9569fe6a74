//! The placeholder values of a recipient pattern or a chat command.

mod de;

use std::sync::Arc;

use serde::de::DeserializeOwned;

pub(crate) use self::de::PlaceholderError;

/// Placeholder values by name, in the order of the pattern. An omitted value is `None`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Placeholders(Vec<(Arc<str>, Option<String>)>);

impl Placeholders {
    pub(crate) fn push(&mut self, name: &Arc<str>, text: Option<String>) {
        self.0.push((Arc::clone(name), text));
    }

    pub(crate) fn to<T: DeserializeOwned>(&self) -> Result<T, PlaceholderError> {
        T::deserialize(de::Captures {
            pairs: &self.0,
            probing: false,
        })
    }

    /// Checks that a `T` can be deserialized from placeholders with these names. Errors that depend
    /// on the values are not detected.
    pub(crate) fn validate<T: DeserializeOwned>(names: &[Arc<str>]) -> Result<(), String> {
        let pairs: Vec<_> = names
            .iter()
            .map(|name| (Arc::clone(name), Some("1".to_owned())))
            .collect();
        match T::deserialize(de::Captures {
            pairs: &pairs,
            probing: true,
        }) {
            Err(PlaceholderError::Shape(why)) => Err(why),
            Ok(_) | Err(PlaceholderError::Text { .. }) => Ok(()),
        }
    }
}

/// The placeholder values of the recipient pattern.
#[derive(Debug)]
pub(crate) struct AddressPlaceholders(pub(crate) Placeholders);
