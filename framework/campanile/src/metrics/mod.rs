//! Metrics of a component: counters since its start and gauges of its queues.
//!
//! Read them with [`MetricsHandle`](crate::component::MetricsHandle). The metrics of a module are
//! [`Metric`]s.

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
        /// A snapshot of all counters.
        ///
        /// Counters are loaded one by one, so the snapshot is not atomic.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)+
        }

        /// The live counters and gauges of a component.
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
            /// Returns the name and value of every counter.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)+].into_iter()
            }
        }
    };
}

counters! {
    /// Stanzas accepted for handling: handled, running or queued.
    taken,
    /// Stanzas that were well-formed but rejected: unknown type, no id, no payload.
    malformed,
    /// Stanzas beyond the limits on size or depth, and those that are too large to be sent back.
    oversize,
    /// Stanzas for another domain, or without a usable sender. They are never answered.
    stray,
    /// Stanzas with an address that is not a valid JID, because of characters newer than Unicode
    /// 3.2. They are handled, or answered with `jid-malformed`.
    raw_addresses,
    /// IQ results and errors without a matching request, forgeries included.
    unsolicited,
    /// IQ results and errors forwarded to another process on the same JID.
    forwarded,
    /// Messages that matched a request's collector but exceeded its limits.
    uncollected,
    /// Unknown top-level elements of the stream.
    unknown,
    /// Stanzas rejected because the queues were full.
    shed,
    /// Errors for rejected messages that were not sent, because the sender had received one within
    /// the last second.
    shed_silently,
    /// Stanzas rejected during a graceful shutdown.
    late,
    /// Requests, messages and presence received after the component had closed its side of the
    /// stream. They are not answered.
    after_close,
    /// Handlers that panicked.
    panics,
    /// Handlers and layers that failed with an internal error.
    faults,
    /// Handlers that timed out.
    timeouts,
    /// Background tasks of modules that failed or panicked; they were started again.
    task_failures,
    /// Replies that could not be serialized and were replaced by `internal-server-error`.
    unwritable,
    /// Replies that were dropped because they were too old for the next stream.
    stale,
    /// Stanzas written to a stream.
    sent,
    /// Stanzas sent with confirmation that the server is known to have accepted.
    confirmed,
    /// Stanzas written again to another stream, because the connection was lost before they were
    /// confirmed.
    resent,
    /// Poisoned stanzas: given up because they make the server close the stream.
    poisoned,
    /// Ad-hoc commands rejected because there were too many sessions.
    sessions_refused,
    /// Subscriptions that were not stored because there were too many.
    subscriptions_refused,
    /// Streams opened, including the handshake.
    connected,
    /// Keepalive pings that completed a round trip through the server.
    round_trips,
}

/// A monotonic counter.
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

/// The outcomes of the component's own IQ requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Requests {
    /// Requests that received a result.
    pub result: u64,
    /// Requests that received an error.
    pub error: u64,
    /// Requests that timed out or were dropped by their caller.
    pub unanswered: u64,
    /// Requests that failed because the connection was lost.
    pub disconnected: u64,
    /// Response times, errors included.
    pub latency: Histogram,
}

/// The live counters behind [`Requests`].
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
