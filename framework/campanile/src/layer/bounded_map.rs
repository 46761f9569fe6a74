//! Values by key, in a table that never grows: keys come from strangers.

use std::hash::{BuildHasher, Hash, RandomState};

/// How many places a key may be in. When all are taken, the most idle makes room.
const WAYS: usize = 8;

/// A table of fixed size. What is forgotten begins anew.
#[derive(Debug)]
pub(super) struct BoundedMap<V> {
    sets: Box<[[Entry<V>; WAYS]]>,
    /// With secrets of its own, so that nobody can choose keys that fall together.
    hasher: RandomState,
}

/// A key, as the table knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(u64);

#[derive(Debug, Clone, Copy, Default)]
struct Entry<V> {
    /// `None` is a place that nobody has used.
    key: Option<Key>,
    value: V,
}

impl<V: Copy + Default> BoundedMap<V> {
    /// A table for about so many keys.
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

    /// The value of a key. When it is new and there is no room, the value with the least `used` is
    /// forgotten.
    pub(super) fn get<T: Ord>(&mut self, key: Key, used: impl Fn(&V) -> T) -> &mut V {
        // The low bits choose the set, all of them tell the keys within it apart.
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
    fn the_most_idle_makes_room() {
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
        // The first was forgotten; it comes back empty, and in place of the second.
        assert_eq!(*table.get(first, |used| *used), 0);
    }
}
