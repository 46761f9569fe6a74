//! Stream errors, and the other ways in which a stream ends or never begins.

use std::fmt;

use crate::reader::StreamElement;
use crate::stanza::Child;

/// Namespace of the conditions of stream errors (RFC 6120 §4.9.2).
const CONDITIONS: &str = "urn:ietf:params:xml:ns:xmpp-streams";

/// A stream error that the server sent (RFC 6120 §4.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamError {
    /// Name of the defined condition, such as `conflict`.
    pub condition: String,
    /// The server's words, where it has any. They come from outside: escape them where they are
    /// shown.
    pub text: Option<String>,
}

impl StreamError {
    /// Reads the condition and the text of a `<stream:error/>` element.
    ///
    /// An element without a defined condition becomes `undefined-condition`.
    #[must_use]
    pub fn read(error: &StreamElement) -> Self {
        let ours = |child: &Child<'_>| child.namespace() == CONDITIONS;
        let condition = error
            .children
            .iter()
            .find(|child| ours(child) && child.name() != "text");
        let text = error
            .children
            .find(CONDITIONS, "text")
            .map(|text| text.text().into_owned());
        Self {
            condition: condition
                .map_or("undefined-condition", |child| child.name())
                .to_owned(),
            text,
        }
    }
}

impl StreamError {
    /// Returns `true` if the condition blames a stanza that was sent on this stream.
    #[must_use]
    pub fn is_about_a_stanza(&self) -> bool {
        // `invalid-xml` is what RFC 6120 §4.9.3.11 has for what the schema does not allow.
        matches!(
            self.condition.as_str(),
            "not-well-formed" | "policy-violation" | "invalid-from" | "invalid-xml"
        )
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.condition)?;
        match &self.text {
            // Debug escapes what must not reach a terminal or a log line as it is.
            Some(text) => write!(f, " ({text:?})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for StreamError {}
