//! The secret key of a store, which makes entry IDs opaque and hashes erased JIDs.
//!
//! An ID is the encrypted place of an entry. It is stable, needs no index, cannot be guessed, and
//! does not reveal how much is stored (XEP-0313 §3: unpredictable and unique). The cipher is a
//! Feistel network of four rounds over HMAC-SHA-256, a strong pseudorandom permutation (Luby and
//! Rackoff). Half of the plaintext block is zeros, which exposes forged IDs.

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

/// The length of a key in bytes.
pub(crate) const KEY_LEN: usize = 32;

/// The keys of one store, derived from a secret that is generated with the store and kept in it.
#[derive(Clone)]
pub(crate) struct Keys {
    ids: hmac::Key,
    jids: hmac::Key,
}

impl Keys {
    /// Generates the secret of a new store. Returns `None` if the system's random number generator
    /// fails.
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

    /// Returns the ID of the entry at a place.
    pub(crate) fn id(&self, place: i64) -> String {
        let mut left = 0;
        let mut right = place.cast_unsigned();
        for round in 0..4 {
            (left, right) = (right, left ^ self.round(round, right));
        }
        format!("{left:016x}{right:016x}")
    }

    /// Returns the place that an ID encodes, or `None` if this store did not issue the ID.
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

    /// Returns the pseudonym of an erased JID.
    pub(crate) fn hash(&self, jid: &str) -> String {
        let tag = hmac::sign(&self.jids, jid.as_bytes());
        tag.as_ref()
            .iter()
            .take(16)
            .fold(String::from("#"), |text, byte| format!("{text}{byte:02x}"))
    }

    /// Returns the first 64 bits of that hash.
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
    fn ids_round_trip_and_forged_ids_are_rejected() {
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
    fn erased_jid_hash_is_stable() {
        let keys = Keys::new(b"secret");
        assert_eq!(keys.hash("alice@localhost"), keys.hash("alice@localhost"));
        assert_ne!(
            keys.hash("alice@localhost"),
            Keys::new(b"other").hash("alice@localhost")
        );
        assert!(!format!("{keys:?}").contains('3'));
    }
}
