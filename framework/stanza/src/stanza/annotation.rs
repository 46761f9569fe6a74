//! The elements that accompany the content of a message and are never content themselves.

/// Returns `true` for elements that say something about a message, but do not carry its content:
/// notifications of clients (chat states, receipts, markers), hints, and metadata added by servers.
///
/// A message with a body is never meant for the handler of such an element, and a message that
/// consists of them needs no error reply.
///
/// ```
/// use campanile_stanza::stanza::is_annotation;
///
/// assert!(is_annotation("http://jabber.org/protocol/chatstates", "active"));
/// assert!(!is_annotation("jabber:client", "body"));
/// ```
#[must_use]
pub fn is_annotation(namespace: &str, name: &str) -> bool {
    match namespace {
        // Notifications of clients: XEP-0085, XEP-0184, XEP-0333, and their predecessor XEP-0022.
        "http://jabber.org/protocol/chatstates"
        | "urn:xmpp:receipts"
        | "urn:xmpp:chat-markers:0"
        | "jabber:x:event"
        // XEP-0301: what has been typed so far, which the body of the same message repeats.
        | "urn:xmpp:rtt:0"
        // How a message is to be processed: XEP-0334, XEP-0079, XEP-0131, XEP-0033.
        | "urn:xmpp:hints"
        | "http://jabber.org/protocol/amp"
        | "http://jabber.org/protocol/shim"
        | "http://jabber.org/protocol/address"
        // About the sender: XEP-0172, XEP-0115, XEP-0421.
        | "http://jabber.org/protocol/nick"
        | "http://jabber.org/protocol/caps"
        | "urn:xmpp:occupant-id:0"
        // Added by servers: XEP-0203, XEP-0091, XEP-0359, and ejabberd's older form of the latter.
        | "urn:xmpp:delay"
        | "jabber:x:delay"
        | "urn:xmpp:sid:0"
        | "urn:xmpp:mam:tmp" => true,
        // XEP-0280 §6.1. The other elements of the namespace contain whole messages.
        "urn:xmpp:carbons:2" => name == "private",
        "jabber:client" => name == "thread",
        _ => false,
    }
}
