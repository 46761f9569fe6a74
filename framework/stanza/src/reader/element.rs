//! Reading one element from a string, without a stream around it.

use super::{COMPONENT, Event, ReadError, Reader, ReaderLimits, STREAMS};
use crate::stanza::Stanza;
use crate::xml::CLIENT;

/// Elements in strings come from programs and tests, not from the network: the limits are wide.
const LIMITS: ReaderLimits = ReaderLimits {
    max_stanza: 64 * 1024 * 1024,
    max_depth: 1024,
};

/// The reason why a string is not one stanza or one element.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ElementError {
    /// The XML is not well-formed, or not allowed in a stream.
    Read(ReadError),
    /// The text does not begin with `<` and end with `>`.
    NotAnElement,
    /// The element has no end tag.
    Incomplete,
    /// More XML follows the element.
    TrailingData,
    /// The element is not `iq`, `message` or `presence`.
    NotAStanza,
    /// RFC 6120 does not allow the stanza.
    Rejected(super::StanzaDefect),
}

impl std::fmt::Display for ElementError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read(error) => write!(f, "{error}"),
            Self::NotAnElement => f.write_str("not an element: expected `<` … `>`"),
            Self::Incomplete => f.write_str("the element does not end"),
            Self::TrailingData => f.write_str("more data follows the element"),
            Self::NotAStanza => f.write_str("not an iq, message or presence"),
            Self::Rejected(defect) => write!(f, "not a valid stanza: {defect}"),
        }
    }
}

impl std::error::Error for ElementError {}

impl From<ReadError> for ElementError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// Reads one element as if it stood at the top of a component's stream, whose namespace it inherits
/// unless it declares one.
///
/// # Errors
/// Returns [`ElementError`] if the text is anything but one well-formed element.
pub fn read_element(xml: &str) -> Result<Event, ElementError> {
    read(xml, COMPONENT, LIMITS)
}

impl Stanza {
    /// Parses one stanza from XML in `jabber:client`, declared or inherited.
    ///
    /// ```
    /// use campanile_stanza::stanza::Stanza;
    ///
    /// let message = Stanza::parse("<message to='bot.localhost'><body>hi</body></message>")?;
    /// assert_eq!(message.to().map(|to| to.as_str()), Some("bot.localhost"));
    /// # Ok::<_, campanile_stanza::reader::ElementError>(())
    /// ```
    ///
    /// # Errors
    /// Returns [`ElementError`] if the text is not one valid stanza.
    pub fn parse(xml: &str) -> Result<Self, ElementError> {
        Self::parse_within(xml, LIMITS)
    }

    /// Parses one stanza within limits, for XML that comes from outside.
    ///
    /// # Errors
    /// Returns [`ElementError`] if the text is not one valid stanza within the limits.
    pub fn parse_within(xml: &str, limits: ReaderLimits) -> Result<Self, ElementError> {
        match read(xml, CLIENT, limits)? {
            Event::Stanza(stanza) => Ok(stanza),
            Event::Rejected(rejected) => Err(ElementError::Rejected(rejected.defect())),
            _ => Err(ElementError::NotAStanza),
        }
    }
}

fn read(xml: &str, namespace: &str, limits: ReaderLimits) -> Result<Event, ElementError> {
    let xml = xml.trim_matches([' ', '\t', '\n', '\r']);
    // The reader, made for streams, skips white space and stray text around stanzas.
    if !(xml.starts_with('<') && xml.ends_with('>')) {
        return Err(ElementError::NotAnElement);
    }
    let mut reader = Reader::new(limits);
    let header = format!("<stream:stream xmlns='{namespace}' xmlns:stream='{STREAMS}' id='1'>");
    reader.buffer().extend_from_slice(header.as_bytes());
    reader.next()?;
    reader.buffer().extend_from_slice(xml.as_bytes());
    let event = reader.next()?.ok_or(ElementError::Incomplete)?;
    if reader.pending() > 0 || reader.next()?.is_some() {
        return Err(ElementError::TrailingData);
    }
    match event {
        Event::Close => Err(ElementError::NotAnElement),
        event => Ok(event),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanza_with_or_without_namespace_is_parsed() {
        for namespace in ["", " xmlns='jabber:client'"] {
            let xml = format!("<message{namespace} id='1'><body>a &gt; b</body></message>");
            let stanza = Stanza::parse(&xml).unwrap();
            assert_eq!(stanza.id(), Some("1"), "{namespace}");
            assert_eq!(stanza.children().as_bytes(), b"<body>a &gt; b</body>");
        }
    }

    #[test]
    fn text_other_than_one_stanza_is_an_error() {
        for (xml, error) in [
            ("hello", ElementError::NotAnElement),
            (
                "</message>",
                ElementError::Read(ReadError::NotWellFormed("")),
            ),
            ("<message>", ElementError::Incomplete),
            ("<message/><message/>", ElementError::TrailingData),
            ("<other/>", ElementError::NotAStanza),
            (
                "<iq type='get'><a xmlns='urn:a'/></iq>",
                ElementError::Rejected(super::super::StanzaDefect::MissingId),
            ),
        ] {
            let found = Stanza::parse(xml).unwrap_err();
            assert_eq!(
                std::mem::discriminant(&found),
                std::mem::discriminant(&error),
                "{xml}: {found}"
            );
        }
    }
}
