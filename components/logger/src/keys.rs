//! The key of a store: what makes ids opaque and erased JIDs unreadable.
//!
//! An id is the place of an entry, encrypted: stable, without an index of its own, and nobody can
//! guess another one or learn from it how much is stored (XEP-0313 §3: unpredictable and unique).
//! The cipher is a Feistel network of four rounds over HMAC-SHA-256, which is a strong permutation
//! (Luby and Rackoff); half of the block is zeros, by which a made-up id is known.

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

/// How long a key is, in bytes.
pub(crate) const KEY_LEN: usize = 32;

/// The secret of one store. It is made with the store and stays in it.
#[derive(Clone)]
pub(crate) struct Keys {
    ids: hmac::Key,
    jids: hmac::Key,
}

impl Keys {
    /// Fresh bytes for a new store; `None` when the system has no randomness to give.
    pub(crate) fn generate() -> Option<[u8; KEY_LEN]> {
        let mut bytes = [0; KEY_LEN];
        SystemRandom::new().fill(&mut bytes).ok()?;
        Some(bytes)
    }

    pub(crate) fn new(secret: &[u8]) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let derive = |purpose: &str| {
            hmac::Key::new(
                hmac::HMAC_SHA256,
                hmac::sign(&root, purpose.as_bytes()).as_ref(),
            )
        };
        Self {
            ids: derive("ids"),
            jids: derive("jids"),
        }
    }

    /// The id of the entry at this place.
    pub(crate) fn id(&self, place: i64) -> String {
        let mut left = 0;
        let mut right = place.cast_unsigned();
        for round in 0..4 {
            (left, right) = (right, left ^ self.round(round, right));
        }
        format!("{left:016x}{right:016x}")
    }

    /// The place that an id stands for, if it is one of ours.
    pub(crate) fn place(&self, id: &str) -> Option<i64> {
        let half = |range| u64::from_str_radix(id.get(range)?, 16).ok();
        let lower = id
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if id.len() != 32 || !lower {
            return None;
        }
        let mut left = half(0..16)?;
        let mut right = half(16..32)?;
        for round in (0..4).rev() {
            (left, right) = (right ^ self.round(round, left), left);
        }
        (left == 0).then(|| right.cast_signed())
    }

    /// What stands for a JID that was erased.
    pub(crate) fn hash(&self, jid: &str) -> String {
        let tag = hmac::sign(&self.jids, jid.as_bytes());
        tag.as_ref()
            .iter()
            .take(16)
            .fold(String::from("#"), |text, byte| format!("{text}{byte:02x}"))
    }

    /// The beginning of that, as a number.
    pub(crate) fn short_hash(&self, jid: &str) -> i64 {
        let tag = hmac::sign(&self.jids, jid.as_bytes());
        tag.as_ref()
            .iter()
            .take(8)
            .fold(0_i64, |value, byte| value << 8 | i64::from(*byte))
    }

    fn round(&self, round: u8, half: u64) -> u64 {
        let mut block = [round; 9];
        block[1..].copy_from_slice(&half.to_be_bytes());
        let tag = hmac::sign(&self.ids, &block);
        tag.as_ref()
            .iter()
            .take(8)
            .fold(0, |value, byte| value << 8 | u64::from(*byte))
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_leads_back_and_a_made_up_one_does_not() {
        let keys = Keys::new(b"secret");
        for place in [0, 1, -1, 1_790_000_000_000_000, i64::MAX, i64::MIN] {
            let id = keys.id(place);
            assert_eq!((id.len(), keys.place(&id)), (32, Some(place)), "{id}");
        }
        let id = keys.id(7);
        let forged = id.replace(['0', '1', '2', '3'], "4");
        for bad in [
            "",
            "x",
            &forged,
            &id.to_uppercase(),
            &format!("{id}0"),
            "é".repeat(16).as_str(),
        ] {
            assert!(bad == id || keys.place(bad).is_none(), "{bad}");
        }
        assert_ne!(Keys::new(b"other").id(7), id);
    }

    #[test]
    fn an_erased_jid_has_the_same_hash_each_time() {
        let keys = Keys::new(b"secret");
        assert_eq!(keys.hash("alice@localhost"), keys.hash("alice@localhost"));
        assert_ne!(
            keys.hash("alice@localhost"),
            Keys::new(b"other").hash("alice@localhost")
        );
        assert!(!format!("{keys:?}").contains('3'));
    }
}
