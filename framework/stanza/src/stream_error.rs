//! Stream errors: the reason why a peer closes the stream.

use std::fmt;

use crate::reader::StreamElement;
use crate::stanza::Child;

/// The namespace of stream error conditions (RFC 6120 §4.9.2).
const CONDITIONS: &str = "urn:ietf:params:xml:ns:xmpp-streams";

/// A stream error sent by the server (RFC 6120 §4.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamError {
    /// The name of the defined condition, such as `conflict`.
    pub condition: String,
    /// The server's text, if it sent one. It is untrusted: escape it before displaying it.
    pub text: Option<String>,
}

impl StreamError {
    /// Reads the condition and the text of a `<stream:error/>` element.
    ///
    /// An element without a defined condition becomes `undefined-condition`.
    #[must_use]
    pub fn read(error: &StreamElement) -> Self {
        let is_condition = |child: &Child<'_>| child.namespace() == CONDITIONS;
        let condition = error
            .children
            .iter()
            .find(|child| is_condition(child) && child.name() != "text");
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

    /// Returns `true` if the peer objects to a stanza that was sent to it.
    #[must_use]
    pub fn is_about_a_stanza(&self) -> bool {
        // RFC 6120 §4.9.3.11: `invalid-xml` is for XML that the schema does not allow.
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
            // `Debug` escapes characters that must not reach a terminal or a log line.
            Some(text) => write!(f, " ({text:?})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for StreamError {}
