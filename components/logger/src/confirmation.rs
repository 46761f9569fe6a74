//! Words by which a user confirms an erasure.
//!
//! A word is derived from the key of the store, the user and the time. It needs no memory, and any
//! of several instances on one JID can check it.

use campanile::jid::BareJid;

use crate::keys::Keys;
use crate::store::now;

/// A word is valid for the rest of such an interval and for the next one: 5 to 10 min.
const INTERVAL_MICROS: i64 = 300_000_000;

/// Returns the word of a user.
pub(crate) fn word(keys: &Keys, user: &BareJid) -> String {
    at(keys, user, interval())
}

/// Returns `true` if this is the word of a user, and has not expired.
pub(crate) fn is_valid(keys: &Keys, user: &BareJid, word: &str) -> bool {
    let now = interval();
    [now, now - 1]
        .iter()
        .any(|time| at(keys, user, *time) == word)
}

fn interval() -> i64 {
    now().div_euclid(INTERVAL_MICROS)
}

/// Four digits suffice: a word guards against mistakes, as users can only erase their own entries.
fn at(keys: &Keys, user: &BareJid, interval: i64) -> String {
    let hash = keys.short_hash(&format!("erase {interval} {user}"));
    format!("{:04}", hash.unsigned_abs() % 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_is_valid_for_its_user_and_expires() {
        let keys = Keys::new(b"secret");
        let alice = BareJid::new("alice@localhost").unwrap();
        let bob = BareJid::new("bob@localhost").unwrap();
        assert!(is_valid(&keys, &alice, &word(&keys, &alice)));
        assert!(!is_valid(&keys, &bob, &word(&keys, &alice)));
        assert!(is_valid(&keys, &alice, &at(&keys, &alice, interval() - 1)));
        assert!(!is_valid(&keys, &alice, &at(&keys, &alice, interval() - 2)));
        assert!(!is_valid(&keys, &alice, ""));
    }
}
