//! Quota on messages that wait for webhooks, by count and by bytes.
//!
//! One sender may use a quarter of each.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

/// The quota shared by all bots. Cloning is cheap.
#[derive(Debug, Clone)]
pub(crate) struct Quota(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: Amount,
    in_use: Mutex<InUse>,
}

#[derive(Debug, Default)]
struct InUse {
    all: Amount,
    /// Senders with at least one permit, so there are never more of them than waiting messages.
    senders: HashMap<Box<str>, Amount>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Amount {
    count: usize,
    bytes: usize,
}

/// The share of the quota that one message uses, released on drop.
#[derive(Debug)]
pub(crate) struct Permit {
    quota: Quota,
    sender: Box<str>,
    bytes: usize,
}

impl Quota {
    pub(crate) fn new(count: usize, bytes: usize) -> Self {
        Self(Arc::new(Shared {
            limit: Amount { count, bytes },
            in_use: Mutex::default(),
        }))
    }

    /// Acquires a permit for one message of a bare JID, or returns `None` if the quota is used up.
    pub(crate) fn try_acquire(&self, sender: &str, bytes: usize) -> Option<Permit> {
        let mut in_use = self.in_use();
        let limit = self.0.limit;
        let own = in_use.senders.get(sender).copied().unwrap_or_default();
        // The first message of a sender may be larger than a quarter.
        let all = in_use.all.with(bytes);
        let own = if own.count == 0 {
            Amount::default()
        } else {
            own.with(bytes)
        };
        if !all.is_within(limit) || !own.is_within(limit.quarter()) {
            return None;
        }
        Some(self.acquire(&mut in_use, sender, bytes))
    }

    /// Acquires a permit regardless of the quota, for messages that were accepted earlier.
    pub(crate) fn acquire_unchecked(&self, sender: &str, bytes: usize) -> Permit {
        self.acquire(&mut self.in_use(), sender, bytes)
    }

    /// Returns the number of messages that hold a permit.
    pub(crate) fn count(&self) -> usize {
        self.in_use().all.count
    }

    /// Returns the number of bytes in use.
    pub(crate) fn bytes(&self) -> usize {
        self.in_use().all.bytes
    }

    fn acquire(&self, in_use: &mut InUse, sender: &str, bytes: usize) -> Permit {
        in_use.all = in_use.all.with(bytes);
        let own = in_use.senders.entry(sender.into()).or_default();
        *own = own.with(bytes);
        Permit {
            quota: self.clone(),
            sender: sender.into(),
            bytes,
        }
    }

    fn in_use(&self) -> MutexGuard<'_, InUse> {
        // No code that can panic runs while this lock is held.
        self.0.in_use.lock()
    }
}

impl Amount {
    fn with(self, bytes: usize) -> Self {
        Self {
            count: self.count + 1,
            bytes: self.bytes + bytes,
        }
    }

    fn without(self, bytes: usize) -> Self {
        Self {
            count: self.count.saturating_sub(1),
            bytes: self.bytes.saturating_sub(bytes),
        }
    }

    fn is_within(self, limit: Self) -> bool {
        self.count <= limit.count && self.bytes <= limit.bytes
    }

    fn quarter(self) -> Self {
        Self {
            count: self.count.div_ceil(4),
            bytes: self.bytes.div_ceil(4),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut in_use = self.quota.in_use();
        in_use.all = in_use.all.without(self.bytes);
        let Some(own) = in_use.senders.get_mut(&self.sender) else {
            return;
        };
        *own = own.without(self.bytes);
        if own.count == 0 {
            in_use.senders.remove(&self.sender);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sender_gets_a_quarter_and_all_share_the_total() {
        let quota = Quota::new(8, 1000);
        let mut permits: Vec<_> = (0..2)
            .filter_map(|_| quota.try_acquire("a@b", 10))
            .collect();
        assert_eq!(
            (permits.len(), quota.try_acquire("a@b", 10).is_none()),
            (2, true)
        );
        // A quarter of the bytes is 250; the first message of a sender may be larger.
        let large = quota.try_acquire("c@b", 400).unwrap();
        assert!(quota.try_acquire("c@b", 10).is_none() && quota.try_acquire("d@b", 600).is_none());
        drop(large);
        permits.extend(
            ["e", "f", "g", "h", "i", "j", "k"]
                .iter()
                .filter_map(|sender| quota.try_acquire(sender, 10)),
        );
        assert_eq!((permits.len(), quota.count(), quota.bytes()), (8, 8, 80));
        let forced = quota.acquire_unchecked("a@b", 10);
        assert_eq!(quota.count(), 9);
        drop((permits, forced));
        assert_eq!(
            (quota.count(), quota.bytes(), quota.in_use().senders.len()),
            (0, 0, 0)
        );
    }
}
