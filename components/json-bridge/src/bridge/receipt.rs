//! Delivery receipts (XEP-0184).

use campanile::minidom::Element;
use campanile::stanza::{Kind, MessageType, Stanza};

/// Returns the delivery receipt (XEP-0184), if the sender has requested one.
pub(super) fn receipt(stanza: &Stanza) -> Option<Stanza> {
    const NS: &str = "urn:xmpp:receipts";
    let asked = matches!(
        stanza.kind(),
        Kind::Message(MessageType::Chat | MessageType::Normal | MessageType::Headline)
    );
    stanza.children().find(NS, "request").filter(|_| asked)?;
    let received: Element = format!("<received xmlns='{NS}'/>").parse().ok()?;
    let mut received = received;
    let name = campanile::xso::exports::rxml::NcName::try_from("id").ok()?;
    received.attrs_mut().insert(
        campanile::xso::exports::rxml::Namespace::NONE,
        name,
        stanza.id()?.to_owned(),
    );
    Stanza::new(stanza.kind()).with_child(&received).ok()
}
