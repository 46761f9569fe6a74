//! Top-level elements of a stream that are not stanzas.

use std::borrow::Cow;

use crate::stanza::Children;

/// A top-level element that is not a stanza, such as `<handshake/>` or `<stream:error/>`.
#[derive(Debug)]
pub struct StreamElement {
    /// The namespace of the element.
    pub namespace: String,
    /// The local name of the element.
    pub name: String,
    /// The child elements.
    pub children: Children,
    /// The attributes without a prefix.
    pub(super) attributes: Vec<(String, String)>,
}

impl StreamElement {
    /// Returns the value of an attribute without a prefix.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the character data directly in the element, with references resolved.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        self.children.text()
    }
}
