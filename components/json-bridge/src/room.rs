//! Room for what waits for webhooks: by number and by bytes, and a quarter of both for one sender.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The room of all bots together. Cloning is cheap.
#[derive(Debug, Clone)]
pub(crate) struct Room(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: Amount,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    all: Amount,
    /// Those who hold some, so never more than messages that wait.
    senders: HashMap<Box<str>, Amount>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Amount {
    count: usize,
    bytes: usize,
}

/// What one message takes up, until this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    room: Room,
    sender: Box<str>,
    bytes: usize,
}

impl Room {
    pub(crate) fn new(count: usize, bytes: usize) -> Self {
        Self(Arc::new(Shared {
            most: Amount { count, bytes },
            held: Mutex::default(),
        }))
    }

    /// A place for one message of a bare JID; none where the bounds leave no room.
    pub(crate) fn take(&self, sender: &str, bytes: usize) -> Option<Place> {
        let mut held = self.held();
        let most = self.0.most;
        let own = held.senders.get(sender).copied().unwrap_or_default();
        // The first one of a sender may be larger than a quarter.
        let all = held.all.with(bytes);
        let own = if own.count == 0 {
            Amount::default()
        } else {
            own.with(bytes)
        };
        if !all.is_within(most) || !own.is_within(most.quarter()) {
            return None;
        }
        Some(self.hold(&mut held, sender, bytes))
    }

    /// A place whatever the bounds, for what was promised before.
    pub(crate) fn force(&self, sender: &str, bytes: usize) -> Place {
        self.hold(&mut self.held(), sender, bytes)
    }

    /// Messages that hold a place.
    pub(crate) fn count(&self) -> usize {
        self.held().all.count
    }

    /// Bytes of them.
    pub(crate) fn bytes(&self) -> usize {
        self.held().all.bytes
    }

    fn hold(&self, held: &mut Held, sender: &str, bytes: usize) -> Place {
        held.all = held.all.with(bytes);
        let own = held.senders.entry(sender.into()).or_default();
        *own = own.with(bytes);
        Place {
            room: self.clone(),
            sender: sender.into(),
            bytes,
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // No code that can panic runs under this lock.
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn is_within(self, most: Self) -> bool {
        self.count <= most.count && self.bytes <= most.bytes
    }

    fn quarter(self) -> Self {
        Self {
            count: self.count.div_ceil(4),
            bytes: self.bytes.div_ceil(4),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.room.held();
        held.all = held.all.without(self.bytes);
        let Some(own) = held.senders.get_mut(&self.sender) else {
            return;
        };
        *own = own.without(self.bytes);
        if own.count == 0 {
            held.senders.remove(&self.sender);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sender_has_a_quarter_and_all_have_the_whole() {
        let room = Room::new(8, 1000);
        let mut places: Vec<_> = (0..2).filter_map(|_| room.take("a@b", 10)).collect();
        assert_eq!((places.len(), room.take("a@b", 10).is_none()), (2, true));
        // A quarter of the bytes is 250; the first of a sender may have more.
        let large = room.take("c@b", 400).unwrap();
        assert!(room.take("c@b", 10).is_none() && room.take("d@b", 600).is_none());
        drop(large);
        places.extend(
            ["e", "f", "g", "h", "i", "j", "k"]
                .iter()
                .filter_map(|sender| room.take(sender, 10)),
        );
        assert_eq!((places.len(), room.count(), room.bytes()), (8, 8, 80));
        let forced = room.force("a@b", 10);
        assert_eq!(room.count(), 9);
        drop((places, forced));
        assert_eq!(
            (room.count(), room.bytes(), room.held().senders.len()),
            (0, 0, 0)
        );
    }
}
