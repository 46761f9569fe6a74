//! Gauges of a component, updated by the connection once a second so that no stanza pays for it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Marks that there is no stream.
const NEVER: u64 = u64::MAX;

/// A snapshot of what a component is holding, at most a second old.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gauges {
    /// Running handlers, deferred replies included.
    pub handlers: usize,
    /// Stanzas queued for a handler.
    pub waiting: usize,
    /// Bytes buffered for the socket.
    pub outbound_bytes: usize,
    /// The component's own stanzas queued for the connection.
    pub sending: usize,
    /// The component's own IQ requests without a response yet.
    pub requests: usize,
    /// Time since the last inbound stanza that proves the route to be live, or `None` if there is
    /// no stream.
    pub keepalive_age: Option<Duration>,
}

/// The live gauges that the connection updates.
#[derive(Debug)]
pub(crate) struct AtomicGauges {
    handlers: AtomicUsize,
    waiting: AtomicUsize,
    outbound_bytes: AtomicUsize,
    /// In milliseconds since `origin`.
    last_heard: AtomicU64,
    origin: OnceLock<Instant>,
}

impl Default for AtomicGauges {
    fn default() -> Self {
        Self {
            handlers: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            outbound_bytes: AtomicUsize::new(0),
            last_heard: AtomicU64::new(NEVER),
            origin: OnceLock::new(),
        }
    }
}

impl AtomicGauges {
    /// Records running handlers, queued stanzas and buffered bytes.
    pub(crate) fn set(&self, (handlers, waiting): (usize, usize), outbound_bytes: usize) {
        self.handlers.store(handlers, Ordering::Relaxed);
        self.waiting.store(waiting, Ordering::Relaxed);
        self.outbound_bytes.store(outbound_bytes, Ordering::Relaxed);
    }

    /// Records when the last stanza came in, or `None` if there is no stream.
    pub(crate) fn set_keepalive(&self, when: Option<Instant>) {
        let since = |when: Instant| {
            when.saturating_duration_since(*self.origin.get_or_init(|| when))
                .as_millis()
        };
        let last_heard = when.map_or(NEVER, |when| {
            u64::try_from(since(when)).unwrap_or(NEVER - 1)
        });
        self.last_heard.store(last_heard, Ordering::Relaxed);
    }

    pub(crate) fn read(&self, sending: usize, requests: usize) -> Gauges {
        let last_heard = self.last_heard.load(Ordering::Relaxed);
        let origin = self.origin.get().filter(|_| last_heard != NEVER);
        Gauges {
            handlers: self.handlers.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
            outbound_bytes: self.outbound_bytes.load(Ordering::Relaxed),
            sending,
            requests,
            keepalive_age: origin
                .map(|origin| (*origin + Duration::from_millis(last_heard)).elapsed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn keepalive_age_increases_with_time() {
        let gauges = AtomicGauges::default();
        assert_eq!(gauges.read(0, 0).keepalive_age, None);
        gauges.set_keepalive(Some(Instant::now()));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(
            gauges.read(0, 0).keepalive_age,
            Some(Duration::from_secs(3))
        );
        gauges.set_keepalive(Some(Instant::now()));
        gauges.set((2, 3), 4);
        let expected = Gauges {
            handlers: 2,
            waiting: 3,
            outbound_bytes: 4,
            sending: 5,
            requests: 6,
            keepalive_age: Some(Duration::ZERO),
        };
        assert_eq!(gauges.read(5, 6), expected);
        gauges.set_keepalive(None);
        assert_eq!(gauges.read(0, 0).keepalive_age, None);
    }
}
