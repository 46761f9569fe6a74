//! Subscriptions that are forgotten with the process.

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
use crate::error::BoxError;

/// Subscriptions that are forgotten with the process: for tests, and for bots that nobody has to
/// find again.
#[derive(Debug, Default)]
pub struct MemoryStore {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    pairs: BTreeMap<SubscriptionKey, Subscription>,
    /// How many pairs each peer and each domain of peers has.
    counts: HashMap<String, usize>,
}

impl MemoryStore {
    /// An empty store.
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

    fn has_room(&self, pair: &SubscriptionKey, bounds: &SubscriptionLimits) -> bool {
        let (peer, domain) = keys(pair);
        bounds.admit(self.count(&peer), self.count(&domain), self.pairs.len())
    }

    fn insert(&mut self, pair: &SubscriptionKey, subscription: Subscription) {
        if self.pairs.insert(pair.clone(), subscription).is_none() {
            let (peer, domain) = keys(pair);
            *self.counts.entry(peer).or_default() += 1;
            *self.counts.entry(domain).or_default() += 1;
        }
    }

    fn remove(&mut self, pair: &SubscriptionKey) {
        if self.pairs.remove(pair).is_none() {
            return;
        }
        let (peer, domain) = keys(pair);
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

/// A peer and its domain, told apart although a peer may be a domain.
fn keys(pair: &SubscriptionKey) -> (String, String) {
    (pair.peer.to_string(), format!("@{}", pair.peer.domain()))
}

#[async_trait]
impl SubscriptionStore for MemoryStore {
    async fn get(&self, pair: &SubscriptionKey) -> Result<Subscription, BoxError> {
        Ok(self.table().pairs.get(pair).copied().unwrap_or_default())
    }

    async fn put(
        &self,
        pair: &SubscriptionKey,
        change: CompareAndSwap,
        bounds: &SubscriptionLimits,
    ) -> Result<PutOutcome, BoxError> {
        let mut table = self.table();
        let known = table.pairs.get(pair).copied();
        if known.unwrap_or_default() != change.before {
            return Ok(PutOutcome::Conflict);
        }
        if change.after.is_none() {
            table.remove(pair);
            return Ok(PutOutcome::Stored);
        }
        if known.is_none() && !table.has_room(pair, bounds) {
            return Ok(PutOutcome::Full);
        }
        table.insert(pair, change.after);
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
        let pairs = table
            .pairs
            .range::<SubscriptionKey, _>((from, Bound::Unbounded));
        let of_own = pairs
            .skip_while(|(pair, _)| own.is_some_and(|own| pair.own < *own))
            .take_while(|(pair, _)| own.is_none_or(|own| pair.own == *own));
        Ok(of_own
            .take(most)
            .map(|(pair, subscription)| (pair.clone(), *subscription))
            .collect())
    }
}
