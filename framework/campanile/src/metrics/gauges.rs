//! What waits in a component, looked at once a second by the link itself: no stanza pays for it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Not mounted: there is no proof of anything.
const NEVER: u64 = u64::MAX;

/// What waits in a component now, at most a second old.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gauges {
    /// Handlers that run, answers that are owed for later included.
    pub handlers: usize,
    /// Stanzas that wait for a handler.
    pub waiting: usize,
    /// Bytes that wait for the socket.
    pub outbound_bytes: usize,
    /// Stanzas of our own that wait to be taken over by the connection.
    pub sending: usize,
    /// IQ requests of our own without an answer yet.
    pub requests: usize,
    /// How long ago something last came in that only a live route brings; `None` while there is no
    /// stream.
    pub keepalive_age: Option<Duration>,
}

/// What the link sees of it.
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
    /// Notes how much runs, waits and is to be written.
    pub(crate) fn set(&self, (handlers, waiting): (usize, usize), outbound_bytes: usize) {
        self.handlers.store(handlers, Ordering::Relaxed);
        self.waiting.store(waiting, Ordering::Relaxed);
        self.outbound_bytes.store(outbound_bytes, Ordering::Relaxed);
    }

    /// Notes when something last came in; `None`: there is no stream.
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
    async fn a_proof_grows_older() {
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
