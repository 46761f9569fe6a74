//! Subscriptions in memory.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jid::BareJid;

use super::{
    CompareAndSwap, PutOutcome, Subscription, SubscriptionKey, SubscriptionLimits,
    SubscriptionStore,
};
use crate::address::canonical;
use crate::error::BoxError;

/// A subscription store in memory, for tests and for bots that need no lasting contacts.
///
/// All subscriptions are lost when the process ends.
#[derive(Debug, Default)]
pub struct MemoryStore {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    subscriptions: BTreeMap<SubscriptionKey, Subscription>,
    /// Number of subscriptions per peer and per domain.
    counts: HashMap<String, usize>,
}

impl MemoryStore {
    /// Creates an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // No code that can panic runs under this lock.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn count(&self, key: &str) -> usize {
        self.counts.get(key).copied().unwrap_or_default()
    }

    fn has_room(&self, key: &SubscriptionKey, bounds: &SubscriptionLimits) -> bool {
        let (peer, domain) = count_keys(key);
        bounds.admit(
            self.count(&peer),
            self.count(&domain),
            self.subscriptions.len(),
        )
    }

    fn insert(&mut self, key: &SubscriptionKey, subscription: Subscription) {
        if self
            .subscriptions
            .insert(key.clone(), subscription)
            .is_none()
        {
            let (peer, domain) = count_keys(key);
            *self.counts.entry(peer).or_default() += 1;
            *self.counts.entry(domain).or_default() += 1;
        }
    }

    fn remove(&mut self, key: &SubscriptionKey) {
        if self.subscriptions.remove(key).is_none() {
            return;
        }
        let (peer, domain) = count_keys(key);
        self.release(peer);
        self.release(domain);
    }

    fn release(&mut self, key: String) {
        if let Entry::Occupied(mut count) = self.counts.entry(key) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// Returns the keys under which a peer and its domain are counted. They differ even if the peer is
/// a domain.
fn count_keys(key: &SubscriptionKey) -> (String, String) {
    let domain = canonical(key.peer.domain().as_str());
    (
        canonical(key.peer.as_str()).into_owned(),
        format!("@{domain}"),
    )
}

#[async_trait]
impl SubscriptionStore for MemoryStore {
    async fn get(&self, key: &SubscriptionKey) -> Result<Subscription, BoxError> {
        Ok(self
            .table()
            .subscriptions
            .get(key)
            .copied()
            .unwrap_or_default())
    }

    async fn put(
        &self,
        key: &SubscriptionKey,
        change: CompareAndSwap,
        bounds: &SubscriptionLimits,
    ) -> Result<PutOutcome, BoxError> {
        let mut table = self.table();
        let known = table.subscriptions.get(key).copied();
        if known.unwrap_or_default() != change.before {
            return Ok(PutOutcome::Conflict);
        }
        if change.after.is_none() {
            table.remove(key);
            return Ok(PutOutcome::Stored);
        }
        if known.is_none() && !table.has_room(key, bounds) {
            return Ok(PutOutcome::Full);
        }
        table.insert(key, change.after);
        Ok(PutOutcome::Stored)
    }

    async fn list(
        &self,
        own: Option<&BareJid>,
        after: Option<&SubscriptionKey>,
        most: usize,
    ) -> Result<Vec<(SubscriptionKey, Subscription)>, BoxError> {
        let table = self.table();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let entries = table
            .subscriptions
            .range::<SubscriptionKey, _>((from, Bound::Unbounded));
        let of_own = entries
            .skip_while(|(key, _)| own.is_some_and(|own| key.own < *own))
            .take_while(|(key, _)| own.is_none_or(|own| key.own == *own));
        Ok(of_own
            .take(most)
            .map(|(key, subscription)| (key.clone(), *subscription))
            .collect())
    }
}
