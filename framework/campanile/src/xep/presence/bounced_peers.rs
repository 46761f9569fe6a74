//! Peers that have returned presence as an error.

use std::collections::{HashSet, VecDeque};

use super::SubscriptionKey;

/// Maximum number of entries. Beyond it, the oldest is dropped, and its peer gets presence again.
const MOST: usize = 10_000;

/// Subscriptions whose peer gets no presence until it subscribes or probes again.
#[derive(Debug, Default)]
pub(super) struct BouncedPeers {
    keys: HashSet<SubscriptionKey>,
    order: VecDeque<SubscriptionKey>,
}

impl BouncedPeers {
    pub(super) fn add(&mut self, key: SubscriptionKey) {
        if !self.keys.insert(key.clone()) {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > MOST
            && let Some(first) = self.order.pop_front()
        {
            self.keys.remove(&first);
        }
    }

    pub(super) fn remove(&mut self, key: &SubscriptionKey) {
        if self.keys.remove(key) {
            self.order.retain(|known| known != key);
        }
    }

    pub(super) fn contains(&self, key: &SubscriptionKey) -> bool {
        self.keys.contains(key)
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_entry_is_dropped_when_full() {
        let key = |number: usize| SubscriptionKey {
            own: "b.localhost".parse().unwrap(),
            peer: format!("u{number}@example.org").parse().unwrap(),
        };
        let mut bounced_peers = BouncedPeers::default();
        (0..=MOST).for_each(|number| bounced_peers.add(key(number)));
        bounced_peers.add(key(5));
        assert_eq!(bounced_peers.len(), MOST);
        assert!(!bounced_peers.contains(&key(0)) && bounced_peers.contains(&key(5)));
        bounced_peers.remove(&key(5));
        assert!(!bounced_peers.contains(&key(5)));
        assert_eq!(bounced_peers.order.len(), MOST - 1);
    }
}
