//! What a component has counted since it started, and what waits in it now.

mod cause;
mod gauges;
mod histogram;
mod metric;

use std::sync::atomic::{AtomicU64, Ordering};

pub use self::cause::Cause;
pub(crate) use self::cause::Causes;
pub(crate) use self::gauges::AtomicGauges;
pub use self::gauges::Gauges;
pub use self::histogram::{AtomicHistogram, Histogram};
pub use self::metric::{Metric, MetricValue};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// A reading of all counters.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)+
        }

        /// The counters themselves; each is read on its own, so a reading is no moment in time.
        #[derive(Debug, Default)]
        pub(crate) struct Registry {
            $(pub(crate) $name: Counter,)+
            pub(crate) causes: Causes,
            pub(crate) gauges: AtomicGauges,
        }

        impl Registry {
            pub(crate) fn read(&self) -> Counters {
                Counters { $($name: self.$name.get(),)+ }
            }
        }

        impl Counters {
            /// Name and value of every counter.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)+].into_iter()
            }
        }
    };
}

counters! {
    /// Stanzas that reached a handler or wait for one.
    taken,
    /// Stanzas that were well-formed and still refused: unknown type, no id, no payload.
    malformed,
    /// Stanzas beyond the bounds on size or depth.
    oversize,
    /// Stanzas for another domain, or without a usable sender: never answered.
    stray,
    /// IQ results and errors that nobody waited for, forgeries among them.
    unsolicited,
    /// IQ results and errors that belong to another process on the same JID, and were handed over
    /// to it.
    forwarded,
    /// Messages that a request of ours had asked for and had no room for.
    uncollected,
    /// Top-level elements that a component's stream does not know.
    unknown,
    /// Stanzas beyond the bounds on what waits.
    shed,
    /// Errors for shed messages that were not sent, because the sender got one a moment ago.
    shed_silently,
    /// Requests that came while the component was stopping.
    late,
    /// Requests, messages and presence that came after the component had closed its side, and are
    /// owed nothing.
    after_close,
    /// Handlers that panicked.
    panics,
    /// Handlers and layers that failed with an error of ours.
    faults,
    /// Handlers that did not answer in time.
    timeouts,
    /// Answers that could not be written, and became internal-server-error.
    unwritable,
    /// Answers that were too old for the next stream.
    stale,
    /// Stanzas written to a stream.
    sent,
    /// Stanzas that the server is known to have taken, of those for which that was asked.
    confirmed,
    /// Stanzas written to one more stream, because the one before broke before the server was known
    /// to have taken them.
    resent,
    /// Stanzas over which the server ends streams: they were given up.
    poisoned,
    /// Ad-hoc commands that were not begun, because there were too many sessions.
    sessions_refused,
    /// Subscriptions that were not kept, because there were too many.
    subscriptions_refused,
    /// Streams opened, handshake included.
    connected,
    /// Pings to ourselves that came back.
    round_trips,
}

/// One counter.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn inc(&self) {
        self.add(1);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What became of the IQ requests that a component made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Requests {
    /// Requests with a result.
    pub result: u64,
    /// Requests that were refused.
    pub error: u64,
    /// Requests without an answer in time, or that nobody waited for any longer.
    pub unanswered: u64,
    /// Requests that failed with their link.
    pub disconnected: u64,
    /// How long answers took, errors among them.
    pub latency: Histogram,
}

/// The same while it is counted.
#[derive(Debug, Default)]
pub(crate) struct RequestCounters {
    pub(crate) result: Counter,
    pub(crate) error: Counter,
    pub(crate) unanswered: Counter,
    pub(crate) disconnected: Counter,
    pub(crate) latency: AtomicHistogram,
}

impl RequestCounters {
    pub(crate) fn read(&self) -> Requests {
        Requests {
            result: self.result.get(),
            error: self.error.get(),
            unanswered: self.unanswered.get(),
            disconnected: self.disconnected.get(),
            latency: self.latency.snapshot(),
        }
    }
}
