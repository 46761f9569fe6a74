//! Ids that nobody can guess: anybody in the federation can send an IQ result to a component.

use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use compact_str::CompactString;

/// Makes the ids of one component in one process.
#[derive(Debug)]
pub(crate) struct Ids {
    // SipHash keyed by the system's random numbers is a pseudo-random function: 128 bits of it
    // cannot be guessed from the ids seen so far, and no generator has to be depended on.
    keys: [RandomState; 2],
    next: AtomicU64,
    instance: CompactString,
}

impl Ids {
    pub(crate) fn new() -> Self {
        let keys = [RandomState::new(), RandomState::new()];
        let mut instance = CompactString::default();
        // Writing to a string does not fail.
        let _ = write!(instance, "{:08x}", keys[0].hash_one("instance") >> 32);
        Self {
            keys,
            next: AtomicU64::new(0),
            instance,
        }
    }

    /// Tells this process from every other that is mounted on the same JID.
    pub(crate) fn instance(&self) -> &str {
        &self.instance
    }

    /// Instance, and 96 bits that cannot be guessed.
    pub(crate) fn fresh(&self) -> CompactString {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut id = CompactString::with_capacity(33);
        let _ = write!(
            id,
            "{}-{:016x}{:08x}",
            self.instance,
            self.keys[0].hash_one(number),
            self.keys[1].hash_one(number) >> 32
        );
        id
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_differ_and_name_their_instance() {
        let ids = Ids::new();
        let made: HashSet<_> = (0..1000).map(|_| ids.fresh()).collect();
        assert_eq!(made.len(), 1000);
        assert!(
            made.iter()
                .all(|id| id.starts_with(ids.instance()) && id.len() == 33)
        );
        assert_ne!(Ids::new().instance(), ids.instance());
    }
}
