//! A map of fixed size, for keys that remote parties choose.

use std::hash::{BuildHasher, Hash, RandomState};

/// The number of entries in which a key may be stored. If all of them are in use, the least
/// recently used one is evicted.
const WAYS: usize = 8;

/// A map of fixed size. An evicted key starts again with the default value.
#[derive(Debug)]
pub(super) struct BoundedMap<V> {
    sets: Box<[[Entry<V>; WAYS]]>,
    /// Randomly seeded, so that remote parties cannot choose keys that collide.
    hasher: RandomState,
}

/// The hash of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(u64);

#[derive(Debug, Clone, Copy, Default)]
struct Entry<V> {
    /// `None` if the entry is unused.
    key: Option<Key>,
    value: V,
}

impl<V: Copy + Default> BoundedMap<V> {
    /// Creates a map for about this many keys.
    pub(super) fn new(places: usize) -> Self {
        let sets = (places / WAYS).next_power_of_two();
        Self {
            sets: vec![[Entry::default(); WAYS]; sets].into_boxed_slice(),
            hasher: RandomState::new(),
        }
    }

    pub(super) fn key(&self, key: impl Hash) -> Key {
        Key(self.hasher.hash_one(key))
    }

    /// Returns the value of a key. If the key is new and its set is full, the value with the least
    /// `used` is evicted.
    pub(super) fn get<T: Ord>(&mut self, key: Key, used: impl Fn(&V) -> T) -> &mut V {
        // The low bits select the set; the whole hash identifies the key within it.
        let at = usize::try_from(key.0 & (self.sets.len() as u64 - 1)).unwrap_or_default();
        let set = &mut self.sets[at];
        let known = set.iter().position(|place| place.key == Some(key));
        let at = known.unwrap_or_else(|| {
            let places = set.iter().enumerate();
            places
                .min_by_key(|(_, place)| place.key.map(|_| used(&place.value)))
                .map_or(0, |(at, _)| at)
        });
        let place = &mut set[at];
        if place.key != Some(key) {
            *place = Entry {
                key: Some(key),
                value: V::default(),
            };
        }
        &mut place.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn get_evicts_least_recently_used() {
        let mut table = BoundedMap::<u32>::new(8);
        for value in 1..=8 {
            let key = table.key(value);
            *table.get(key, |used| *used) = 10 * value;
        }
        let stranger = table.key("stranger");
        let first = table.key(1);
        let second = table.key(2);
        *table.get(stranger, |used| *used) = 99;
        assert_eq!(*table.get(second, |used| *used), 20);
        // The first key was evicted. It returns with the default value and evicts the second.
        assert_eq!(*table.get(first, |used| *used), 0);
    }
}
