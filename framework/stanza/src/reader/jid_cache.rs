//! The addresses that a stream has carried lately.
//!
//! Stanzas come from the same senders again and go to the same few recipients, and preparing an
//! address with stringprep takes longer than finding and copying it.

use std::fmt;

use compact_str::CompactString;
use jid::Jid;

use crate::stanza::Address;

/// The number of addresses that are kept. Each hash has one place, so that an address is found or
/// replaced in the same time whatever addresses a sender invents.
const SLOTS: usize = 256;
/// The number of addresses that are not kept: a reader of a single stanza needs no slots.
const FIRST: usize = 4;
/// Longer addresses are not kept.
const MAX_LENGTH: usize = 128;

/// Valid addresses, as they were written and as they are after preparation.
#[derive(Default)]
pub(super) struct JidCache {
    slots: Vec<Option<(CompactString, Jid)>>,
    /// The number of addresses read before there were slots.
    first: usize,
}

impl JidCache {
    /// Reads an address; an invalid one counts as missing.
    pub(super) fn read(&mut self, text: &str) -> Address {
        if text.len() > MAX_LENGTH {
            return Address::read(text);
        }
        if self.slots.is_empty() {
            if self.first < FIRST {
                self.first += 1;
                return Address::read(text);
            }
            self.slots.resize(SLOTS, None);
        }
        let slot = &mut self.slots[hash(text.as_bytes())];
        if let Some((known, jid)) = slot
            && known == text
        {
            return Address {
                jid: Some(jid.clone()),
                raw: None,
            };
        }
        let address = Address::read(text);
        if let (Some(jid), None) = (&address.jid, &address.raw) {
            *slot = Some((text.into(), jid.clone()));
        }
        address
    }
}

/// Multiplies and mixes eight bytes at a time.
fn hash(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let words = words.iter().chain([&last]);
    let hash = words.fold(text.len() as u64, |hash, word| {
        let mixed = (hash ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 32)
    });
    hash as usize % SLOTS
}

impl fmt::Debug for JidCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.slots.iter().flatten().count();
        write!(f, "JidCache({kept})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_the_same_as_without_the_cache() {
        let mut cache = JidCache::default();
        let odd = [
            "",
            "@",
            "a@b/c",
            "A@B/C",
            "a@x/\u{1f514}",
            "\u{1f514}@x",
            "a b@x",
            "x",
        ];
        let many = (0..2000).map(|n| format!("User{}@host{}.example/R", n % 500, n % 7));
        let long = [format!("a@x/{}", "r".repeat(200))];
        let texts = odd.map(str::to_owned).into_iter().chain(many).chain(long);
        for text in texts.clone().chain(texts) {
            let cached = cache.read(&text);
            let expected = Address::read(&text);
            assert_eq!(cached.jid, expected.jid, "{text}");
            assert_eq!(cached.raw, expected.raw, "{text}");
        }
    }

    #[test]
    fn addresses_spread_over_the_slots() {
        let texts = (0..SLOTS).map(|n| format!("user{n}@localhost/r"));
        let used: std::collections::HashSet<_> = texts.map(|text| hash(text.as_bytes())).collect();
        // 1 − 1/e of them, for random places.
        assert!(used.len() > SLOTS / 2, "{}", used.len());
    }
}
