//! Tables by keys that no stranger chooses: hashes that are keyed already, and numbers of ours.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A table that spends no keyed hash on its keys.
pub(super) type PrehashedMap<K, V> = HashMap<K, V, BuildHasherDefault<Spread>>;

/// Spreads a number over all bits: a table looks at the highest and at the lowest ones.
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
    fn numbers_in_a_row_differ_in_their_highest_and_lowest_bits() {
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
