//! Checks two round trips: stanzas that the reader accepts, parsed into elements and serialized
//! again, are equal according to rxml; and any text that can be serialized is read back unchanged.
#![no_main]
#![allow(
    dead_code,
    reason = "the modules are shared with the tests of the reader"
)]

#[path = "../../tests/reader/seen.rs"]
mod seen;
#[path = "../../tests/reader/tree.rs"]
mod tree;

use campanile_stanza::jid::BareJid;
use campanile_stanza::reader::{Event, ReaderLimits};
use campanile_stanza::stanza::{Kind, MessageType, Stanza, WriteError};
use libfuzzer_sys::fuzz_target;

use crate::seen::{HEADER, events};
use crate::tree::{Content, End, Tree, is_within_rxml, normal_line_ends, rxml};

fuzz_target!(|bytes: &[u8]| {
    let stream = [HEADER.as_bytes(), bytes].concat();
    for event in events(ReaderLimits::default(), [&stream[..]]).0 {
        if let Event::Stanza(stanza) = event {
            round_trip_stanza(&stanza);
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        round_trip_text(text);
    }
});

/// Converts a stanza into an element and back. Text directly in a stanza, which no schema allows,
/// may be lost.
fn round_trip_stanza(stanza: &Stanza) {
    let Ok(element) = stanza.to_element() else {
        return;
    };
    let again = match Stanza::try_from(&element) {
        // XML 1.0 has more names and namespaces than servers accept.
        Err(WriteError::Name(_) | WriteError::Namespace(_)) => return,
        again => again.expect("a stanza that was read can be serialized"),
    };
    if is_within_rxml(stanza.to_xml().as_bytes()) {
        assert_eq!(
            comparable(parsed(&again)),
            comparable(parsed(stanza)),
            "{again:?}"
        );
    }
}

/// Removes the text and the addresses: normalizing a domain twice may change it again (`(E)` from
/// U+1F114).
fn comparable(tree: Tree) -> Tree {
    let content = tree
        .content
        .into_iter()
        .filter(|content| matches!(content, Content::Element(_)))
        .collect();
    let mut attributes = tree.attributes;
    attributes.retain(|(_, name), _| name != "from" && name != "to");
    Tree {
        content,
        attributes,
        ..tree
    }
}

fn round_trip_text(text: &str) {
    let empty = || {
        Stanza::new(Kind::Message(MessageType::Chat))
            .with_from(address("a@x"))
            .with_to(address("b@y"))
    };
    let Ok(message) = empty().with_text("body", text) else {
        let legal = |c: char| {
            matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}')
                || matches!(c, '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
        };
        assert!(!text.chars().all(legal), "rejected: {text:?}");
        return;
    };
    assert_eq!(
        parsed(&message)
            .elements()
            .next()
            .map(Tree::text)
            .as_deref(),
        Some(text)
    );
    // The same characters in an attribute, where quotes and white space are special.
    let attribute = message.with_id(text);
    let seen = parsed(&attribute).attribute("id").map(str::to_owned);
    assert_eq!(seen.as_deref(), attribute.id(), "{attribute:?}");
}

fn parsed(stanza: &Stanza) -> Tree {
    let xml = stanza.to_xml();
    let document = rxml(&normal_line_ends(
        format!("<stream xmlns='jabber:client'>{xml}</stream>").as_bytes(),
    ));
    assert_eq!(
        (document.end, document.tops.len()),
        (End::Closed, 1),
        "not well-formed: {xml}"
    );
    document.tops.into_iter().next().expect("one element")
}

fn address(jid: &str) -> BareJid {
    BareJid::new(jid).expect("a JID")
}
