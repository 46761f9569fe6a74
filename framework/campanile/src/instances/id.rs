//! Ids of stanzas and sessions, which name the instance that created them.
//!
//! They are unguessable, because anyone in the federation can send an IQ result to a component.

use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use compact_str::CompactString;

/// Random bytes in the id of an instance.
const INSTANCE: usize = 4;
/// Random bytes in an id, behind the instance.
const RANDOM: usize = 12;
/// Random bytes fetched from the operating system at a time, so that most ids cost no system call.
const POOL: usize = 64 * RANDOM;

/// Makes the ids of one component in one process.
#[derive(Debug)]
pub(crate) struct Ids {
    pool: Mutex<Pool>,
    instance: CompactString,
}

/// Random bytes that no id has used yet.
struct Pool {
    bytes: [u8; POOL],
    used: usize,
}

impl Ids {
    pub(crate) fn new() -> Self {
        let mut pool = Pool {
            bytes: [0; POOL],
            used: POOL,
        };
        let mut instance = CompactString::default();
        push_hex(&mut instance, &pool.take()[..INSTANCE]);
        Self {
            pool: Mutex::new(pool),
            instance,
        }
    }

    /// Returns the id of this process, unique among the processes connected with the same JID.
    pub(crate) fn instance(&self) -> &str {
        &self.instance
    }

    /// Returns `true` if this instance may have created an id. It compares the beginning only, at
    /// the cost of a few instructions for each response.
    pub(crate) fn is_own(&self, id: &str) -> bool {
        id.starts_with(self.instance())
    }

    /// Returns a new id: the instance, a hyphen and 96 unguessable bits.
    pub(crate) fn fresh(&self) -> CompactString {
        // No code that can panic with a broken pool runs under this lock.
        let random = self
            .pool
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let mut id = CompactString::with_capacity(self.instance.len() + 1 + 2 * RANDOM);
        id.push_str(&self.instance);
        id.push('-');
        push_hex(&mut id, &random);
        id
    }
}

impl Pool {
    #[allow(
        clippy::expect_used,
        reason = "an id that can be guessed lets anybody forge responses; Linux has random numbers \
            from its start"
    )]
    fn take(&mut self) -> [u8; RANDOM] {
        if self.used + RANDOM > POOL {
            getrandom::fill(&mut self.bytes).expect("the operating system has no random numbers");
            self.used = 0;
        }
        let mut random = [0; RANDOM];
        random.copy_from_slice(&self.bytes[self.used..self.used + RANDOM]);
        // A copy of memory must not tell the ids that are still in use.
        self.bytes[self.used..self.used + RANDOM].fill(0);
        self.used += RANDOM;
        random
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pool(…)")
    }
}

/// Returns the instance that created this id, or `None` if the id has another form.
pub(super) fn instance_of(id: &str) -> Option<&str> {
    let (instance, rest) = id.split_once('-')?;
    let hex = |text: &str| {
        text.bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let has_lengths = instance.len() == 2 * INSTANCE && rest.len() == 2 * RANDOM;
    (has_lengths && hex(instance) && hex(rest)).then_some(instance)
}

fn push_hex(text: &mut CompactString, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_contain_their_instance() {
        let ids = Ids::new();
        let made: HashSet<_> = (0..1000).map(|_| ids.fresh()).collect();
        assert_eq!(made.len(), 1000);
        assert!(
            made.iter()
                .all(|id| id.starts_with(ids.instance()) && id.len() == 33)
        );
        assert_ne!(Ids::new().instance(), ids.instance());
    }

    #[test]
    fn id_contains_its_instance() {
        let ids = Ids::new();
        assert_eq!(instance_of(&ids.fresh()), Some(ids.instance()));
        for other in [
            "",
            "1",
            "purple7f3a",
            "a-b",
            &format!("{}-ping", ids.fresh()),
        ] {
            assert_eq!(instance_of(other), None, "{other}");
        }
    }
}
