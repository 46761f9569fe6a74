//! Peers that have sent our presence back.

use std::collections::{HashSet, VecDeque};

use super::SubscriptionKey;

/// How many are kept in mind. Of more, the first is forgotten, and gets our presence once more.
const MOST: usize = 10_000;

/// Pairs whose peer is sent no presence until it is heard of.
#[derive(Debug, Default)]
pub(super) struct BouncedPeers {
    pairs: HashSet<SubscriptionKey>,
    order: VecDeque<SubscriptionKey>,
}

impl BouncedPeers {
    pub(super) fn add(&mut self, pair: SubscriptionKey) {
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

    pub(super) fn remove(&mut self, pair: &SubscriptionKey) {
        if self.pairs.remove(pair) {
            self.order.retain(|known| known != pair);
        }
    }

    pub(super) fn contains(&self, pair: &SubscriptionKey) -> bool {
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
        let pair = |number: usize| SubscriptionKey {
            own: "b.localhost".parse().unwrap(),
            peer: format!("u{number}@example.org").parse().unwrap(),
        };
        let mut bounced_peers = BouncedPeers::default();
        (0..=MOST).for_each(|number| bounced_peers.add(pair(number)));
        bounced_peers.add(pair(5));
        assert_eq!(bounced_peers.len(), MOST);
        assert!(!bounced_peers.contains(&pair(0)) && bounced_peers.contains(&pair(5)));
        bounced_peers.remove(&pair(5));
        assert!(!bounced_peers.contains(&pair(5)));
        assert_eq!(bounced_peers.order.len(), MOST - 1);
    }
}
