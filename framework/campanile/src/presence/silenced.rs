//! Peers that have sent our presence back.

use std::collections::{HashSet, VecDeque};

use super::Pair;

/// How many are kept in mind. Of more, the first is forgotten, and gets our presence once more.
const MOST: usize = 10_000;

/// Pairs whose peer is sent no presence until it is heard of.
#[derive(Debug, Default)]
pub(super) struct Silenced {
    pairs: HashSet<Pair>,
    order: VecDeque<Pair>,
}

impl Silenced {
    pub(super) fn add(&mut self, pair: Pair) {
        if !self.pairs.insert(pair.clone()) {
            return;
        }
        self.order.push_back(pair);
        if self.order.len() > MOST
            && let Some(first) = self.order.pop_front()
        {
            self.pairs.remove(&first);
        }
    }

    pub(super) fn remove(&mut self, pair: &Pair) {
        if self.pairs.remove(pair) {
            self.order.retain(|known| known != pair);
        }
    }

    pub(super) fn contains(&self, pair: &Pair) -> bool {
        self.pairs.contains(pair)
    }

    pub(super) fn len(&self) -> usize {
        self.pairs.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_makes_room() {
        let pair = |number: usize| Pair {
            own: "b.localhost".parse().unwrap(),
            peer: format!("u{number}@example.org").parse().unwrap(),
        };
        let mut silenced = Silenced::default();
        (0..=MOST).for_each(|number| silenced.add(pair(number)));
        silenced.add(pair(5));
        assert_eq!(silenced.len(), MOST);
        assert!(!silenced.contains(&pair(0)) && silenced.contains(&pair(5)));
        silenced.remove(&pair(5));
        assert!(!silenced.contains(&pair(5)));
        assert_eq!(silenced.order.len(), MOST - 1);
    }
}
