//! Received stanzas.

use minidom::Element;

/// A received stanza, as text and parsed, always in `jabber:client`.
#[derive(Debug, Clone)]
pub struct Received {
    /// Text of the stanza.
    pub xml: String,
    /// Parsed stanza.
    pub stanza: Element,
}

/// Namespace of stanzas between client and server.
pub const CLIENT: &str = "jabber:client";
/// Namespace of the conditions of stanza errors.
pub const CONDITIONS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

impl Received {
    /// Parses a stanza.
    pub fn new(xml: String) -> Self {
        let stanza = xml
            .parse()
            .unwrap_or_else(|error| panic!("not XML: {error}: {xml}"));
        Self { xml, stanza }
    }

    /// Returns `true` if the stanza is of this kind: `message`, `presence` or `iq`.
    pub fn is(&self, kind: &str) -> bool {
        self.stanza.name() == kind
    }

    /// Returns an attribute of the stanza, or an empty string if it is missing.
    pub fn attr<'a>(&'a self, name: &'a str) -> &'a str {
        self.stanza.attr(name).unwrap_or_default()
    }

    /// Returns the text of the body.
    pub fn body(&self) -> Option<String> {
        self.child("body", CLIENT).map(Element::text)
    }

    /// Returns a child by name and namespace.
    pub fn child(&self, name: &str, namespace: &str) -> Option<&Element> {
        self.stanza.get_child(name, namespace)
    }

    /// Returns type and condition of the error, such as `cancel/service-unavailable`.
    pub fn error(&self) -> Option<String> {
        let error = self.child("error", CLIENT)?;
        let condition = error
            .children()
            .find(|child| child.ns() == CONDITIONS && child.name() != "text")?;
        Some(format!("{}/{}", error.attr("type")?, condition.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_includes_type_and_condition() {
        let received = Received::new(
            "<iq xmlns='jabber:client' type='error' id='1'><error type='cancel'>\
             <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>no</text>\
             <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
                .to_owned(),
        );
        assert_eq!(
            received.error().as_deref(),
            Some("cancel/service-unavailable")
        );
        assert_eq!((received.attr("id"), received.attr("from")), ("1", ""));
    }
}
