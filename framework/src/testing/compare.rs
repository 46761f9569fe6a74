//! Whether a stanza is the one that was wanted.

use std::fmt;

use jid::Jid;

use crate::host::Parcel;
use crate::stanza::Stanza;

/// A stanza as a test describes it: what it does not mention is not looked at.
pub(super) struct Wanted {
    stanza: Stanza,
}

impl Wanted {
    /// # Panics
    /// When the text is not a stanza.
    #[track_caller]
    pub(super) fn parse(xml: &str) -> Self {
        match Parcel::plain(xml) {
            Ok(stanza) => Self { stanza },
            Err(error) => panic!("what the test wants cannot be read: {error}\n  {xml}"),
        }
    }

    /// Kind, type and children are always compared, addresses and id where they are given.
    pub(super) fn is(&self, seen: &Stanza) -> bool {
        let wanted = &self.stanza;
        let address = |wanted: &Option<Jid>, seen: &Option<Jid>| wanted.is_none() || wanted == seen;
        wanted.kind == seen.kind
            && address(&wanted.from, &seen.from)
            && address(&wanted.to, &seen.to)
            && (wanted.id.is_none() || wanted.id == seen.id)
            && (wanted.lang.is_none() || wanted.lang == seen.lang)
            && content(wanted) == content(seen)
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stanza.to_xml())
    }
}

/// The children as trees, so that neither prefixes nor the order of attributes matter.
fn content(stanza: &Stanza) -> Vec<Option<minidom::Element>> {
    stanza.children().iter().map(|child| child.element().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(wanted: &str, seen: &str) -> bool {
        Wanted::parse(wanted).is(&Parcel::plain(seen).unwrap())
    }

    #[test]
    fn what_is_not_mentioned_is_not_looked_at() {
        let seen = "<message from='a@x/r' to='b@y' id='1' type='chat'><p:x xmlns:p='urn:x' b='1' a='2'/></message>";
        assert!(is("<message type='chat'><x xmlns='urn:x' a='2' b='1'/></message>", seen));
        assert!(is("<message type='chat' id='1' to='b@y'><x xmlns='urn:x' a='2' b='1'/></message>", seen));
        for other in [
            "<message><x xmlns='urn:x' a='2' b='1'/></message>",
            "<message type='chat'><x xmlns='urn:x' a='2'/></message>",
            "<message type='chat'><x xmlns='urn:y' a='2' b='1'/></message>",
            "<message type='chat' id='2'><x xmlns='urn:x' a='2' b='1'/></message>",
            "<message type='chat' from='a@x'><x xmlns='urn:x' a='2' b='1'/></message>",
            "<message type='chat'/>",
        ] {
            assert!(!is(other, seen), "{other}");
        }
    }
}
