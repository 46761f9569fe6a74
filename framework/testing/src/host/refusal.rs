//! Stream and stanza errors with the exact wording of Prosody 0.12.

use jid::Jid;
use minidom::Element;

use campanile::error::{Condition, ErrorType, StanzaError};
use campanile_stanza::xml;

pub(super) const CLOSE: &str = "</stream:stream>";

/// Stream header sent with an error if none was sent yet: with a version, and with an empty id.
pub(super) const EMPTY_HEADER: &str = "<?xml version='1.0'?><stream:stream \
    xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' \
    version='1.0' id=''>";

/// Returns a stream error followed by the closing tag (RFC 6120 §4.9).
pub(super) fn stream_error(condition: &str, text: Option<&str>) -> String {
    const NAMESPACE: &str = "urn:ietf:params:xml:ns:xmpp-streams";
    // May come from the host's user, and must be a valid name; `undefined-condition` is one.
    let name = !condition.is_empty()
        && condition
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b == b'-');
    let condition = if name {
        condition
    } else {
        "undefined-condition"
    };
    let text = text.map_or_else(String::new, |text| {
        format!("<text xmlns='{NAMESPACE}'>{}</text>", escaped(text))
    });
    format!("<stream:error><{condition} xmlns='{NAMESPACE}'/>{text}</stream:error>{CLOSE}")
}

pub(super) fn host_unknown(domain: &str) -> String {
    let text = format!("{domain} does not match any configured external components");
    EMPTY_HEADER.to_owned() + &stream_error("host-unknown", Some(&text))
}

pub(super) fn no_to() -> String {
    EMPTY_HEADER.to_owned()
        + &stream_error(
            "improper-addressing",
            Some("A 'to' attribute is required on stream headers"),
        )
}

pub(super) fn wrong_secret() -> String {
    stream_error(
        "not-authorized",
        Some("Given token does not match calculated token"),
    )
}

pub(super) fn conflict() -> String {
    stream_error("conflict", Some("Component already connected"))
}

pub(super) fn replaced() -> String {
    stream_error("conflict", Some("Replaced by a new connection"))
}

pub(super) fn foreign_sender(from: Option<&Jid>, domain: &str) -> String {
    let from = from.map_or("(none)", Jid::as_str);
    let text =
        format!("Component tried to send from address <{from}> which is not in domain <{domain}>");
    stream_error("invalid-from", Some(&text))
}

/// Returns the error for a component that is not connected.
pub(super) fn offline(recipient: &Jid) -> StanzaError {
    let error = StanzaError::new(Condition::RemoteServerTimeout)
        .with_type(ErrorType::Wait)
        .with_text("Component unavailable")
        .with_lang("en");
    let domain = super::domain_of(recipient);
    let error = if *recipient == domain {
        error
    } else {
        error.with_by(domain)
    };
    let detail = Element::builder("not-connected", "xmpp:prosody.im/protocol/component").build();
    error.clone().with_application(&detail).unwrap_or(error)
}

pub(super) fn no_recipient() -> StanzaError {
    StanzaError::new(Condition::BadRequest)
        .with_text("Components MUST specify a 'to' address on stanzas")
        .with_lang("en")
}

fn escaped(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let text: String = text
        .chars()
        .filter(|&c| xml::forbidden_char(c.encode_utf8(&mut [0; 4])).is_none())
        .collect();
    xml::push_text(&mut out, &text);
    // Prosody escapes quotes in text too.
    String::from_utf8_lossy(&out)
        .replace('\'', "&apos;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_errors_match_prosody() {
        let wanted = "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
            xmlns:stream='http://etherx.jabber.org/streams' version='1.0' id=''><stream:error>\
            <improper-addressing xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
            <text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>A &apos;to&apos; attribute is \
            required on stream headers</text></stream:error></stream:stream>";
        assert_eq!(no_to(), wanted);
        assert_eq!(
            stream_error("not a name", Some("<\u{1}>")),
            "<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
             <text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>&lt;&gt;</text></stream:error>\
             </stream:stream>"
        );
    }

    #[test]
    fn offline_error_names_component_unless_addressed_directly() {
        let error = |jid: &str| {
            String::from_utf8(
                offline(&Jid::new(jid).unwrap())
                    .to_children()
                    .as_bytes()
                    .to_vec(),
            )
            .unwrap()
        };
        let wanted = "<error type='wait' by='echo.localhost'><remote-server-timeout \
            xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
            <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>Component \
            unavailable</text>\
            <not-connected xmlns='xmpp:prosody.im/protocol/component'/></error>";
        assert_eq!(error("bot@echo.localhost/r"), wanted);
        assert!(error("echo.localhost").starts_with("<error type='wait'><remote-server-timeout "));
    }
}
