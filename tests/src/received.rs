//! A stanza that a person received.

use minidom::Element;

/// As text and parsed, always in `jabber:client`.
#[derive(Debug, Clone)]
pub struct Received {
    /// As it was told to us.
    pub xml: String,
    /// The same, parsed.
    pub stanza: Element,
}

/// The namespace of stanzas between client and server.
pub const CLIENT: &str = "jabber:client";
/// The namespace of the conditions of stanza errors.
pub const CONDITIONS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

impl Received {
    /// Parses it.
    pub fn new(xml: String) -> Self {
        let stanza = xml
            .parse()
            .unwrap_or_else(|error| panic!("not XML: {error}: {xml}"));
        Self { xml, stanza }
    }

    /// Whether it is a `message`, `presence` or `iq`.
    pub fn is(&self, kind: &str) -> bool {
        self.stanza.name() == kind
    }

    /// An attribute of the stanza; an empty text when it is absent.
    pub fn attr<'a>(&'a self, name: &'a str) -> &'a str {
        self.stanza.attr(name).unwrap_or_default()
    }

    /// The text of its body.
    pub fn body(&self) -> Option<String> {
        self.child("body", CLIENT).map(Element::text)
    }

    /// A child by name and namespace.
    pub fn child(&self, name: &str, namespace: &str) -> Option<&Element> {
        self.stanza.get_child(name, namespace)
    }

    /// Type and condition of its error, as `cancel/service-unavailable`.
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
