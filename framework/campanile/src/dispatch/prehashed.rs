//! Maps whose keys cannot be chosen by a remote sender: keyed hashes and task ids.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A hash map that does not hash its keys a second time.
pub(super) type PrehashedMap<K, V> = HashMap<K, V, BuildHasherDefault<Spread>>;

/// A hasher that spreads a number over all bits: hash maps use the highest and the lowest ones.
#[derive(Debug, Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, key: u64) {
        // Knuth, TAOCP 3, 6.4: the golden ratio.
        let spread = (self.0 ^ key).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = spread ^ (spread >> 32);
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(byte.into()));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn consecutive_numbers_differ_in_highest_and_lowest_bits() {
        let hash = |key| {
            let mut spread = Spread::default();
            spread.write_u64(key);
            spread.finish()
        };
        let hashes: Vec<_> = (0..128).map(hash).collect();
        let highest: HashSet<_> = hashes.iter().map(|hash| hash >> 57).collect();
        let lowest: HashSet<_> = hashes.iter().map(|hash| hash & 127).collect();
        assert!(
            highest.len() > 64 && lowest.len() > 64,
            "{} {}",
            highest.len(),
            lowest.len()
        );
    }
}
