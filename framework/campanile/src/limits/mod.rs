//! All limits of a component in one place.

mod setters;

use std::time::Duration;

use serde::Deserialize;

use crate::settings;

const MAX_COUNT: u64 = 1_000_000;
const MIN_BUFFER: u64 = 1 << 16;
const MAX_BUFFER: u64 = 1 << 30;
// RFC 6120 §13.12: a stanza of 10,000 bytes must be accepted.
const MIN_STANZA: u64 = 10_000;
const MAX_STANZA: u64 = 1 << 28;
/// Disco with a form is five levels deep; beyond a thousand the payload parsers would overflow the
/// stack.
const MAX_DEPTH: u64 = 1000;

// Durations in milliseconds.
/// Shortest timeout: long enough to be met.
const MIN_TIMEOUT: u64 = 100;
/// Shortest interval that does not strain a server.
const SECOND: u64 = 1000;
/// Longest duration: short enough for a failure to be noticed.
const DAY: u64 = 86_400_000;
/// Longest duration of limits that were not deserialized, as good as forever.
pub(crate) const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// The limits of one component.
///
/// The defaults suit a server on the same machine or the same network. Each field has a setter,
/// which names the range of useful values; the ranges are enforced for limits that are
/// deserialized, as by a [`SettingsReader`](crate::settings::SettingsReader).
///
/// ```
/// use std::time::Duration;
///
/// use campanile::Limits;
///
/// let limits = Limits::default()
///     .with_in_flight(64)
///     .with_iq_timeout(Duration::from_secs(10));
/// assert_eq!(limits.in_flight, 64);
/// ```
///
/// # Queue
///
/// Handlers and queues: memory, concurrency, and the time that work may take:
/// [`in_flight`](Self::in_flight), [`waiting`](Self::waiting),
/// [`waiting_bytes`](Self::waiting_bytes), [`outbound`](Self::outbound),
/// [`unconfirmed`](Self::unconfirmed), [`unconfirmed_bytes`](Self::unconfirmed_bytes),
/// [`unconfirmed_age`](Self::unconfirmed_age), [`handler_timeout`](Self::handler_timeout),
/// [`slow_handler`](Self::slow_handler), [`shutdown_grace`](Self::shutdown_grace).
///
/// # Stanza
///
/// Sizes of single stanzas: [`max_stanza_in`](Self::max_stanza_in),
/// [`max_stanza_out`](Self::max_stanza_out), [`max_depth`](Self::max_depth).
///
/// # IQ
///
/// The component's own IQ requests: [`max_pending_iqs`](Self::max_pending_iqs),
/// [`iq_timeout`](Self::iq_timeout), [`max_collected`](Self::max_collected),
/// [`max_collected_bytes`](Self::max_collected_bytes).
///
/// # Keepalive
///
/// Detection of dead connections: [`keepalive`](Self::keepalive),
/// [`keepalive_deadline`](Self::keepalive_deadline), [`write_stall`](Self::write_stall).
///
/// # Retry
///
/// Connecting, and reconnecting after a failure: [`connect_timeout`](Self::connect_timeout),
/// [`reply_max_age`](Self::reply_max_age), [`back_off`](Self::back_off),
/// [`slow_retry`](Self::slow_retry), [`stable_after`](Self::stable_after).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Limits {
    /// Maximum number of concurrently running handlers, deferred replies included. Default: 1,024.
    ///
    /// One sender may use at most a quarter, one domain all but an eighth.
    #[serde(deserialize_with = "settings::count::<_, _, 1, MAX_COUNT>")]
    pub in_flight: usize,
    /// Maximum number of stanzas queued for a handler. Default: 16,384.
    ///
    /// One sender may use at most a quarter, one domain all but an eighth.
    #[serde(deserialize_with = "settings::count::<_, _, 1, MAX_COUNT>")]
    pub waiting: usize,
    /// Maximum bytes of stanzas that are queued or being handled. Default: 32 MiB.
    ///
    /// One sender may use at most a quarter, one domain all but an eighth. A single stanza always
    /// fits.
    #[serde(deserialize_with = "settings::size::<_, _, MIN_BUFFER, MAX_BUFFER>")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "settings::schema::size"))]
    pub waiting_bytes: usize,
    /// Outbound buffer size in bytes above which nothing is read from the server. Reading resumes
    /// at half of it. Default: 1 MiB.
    #[serde(deserialize_with = "settings::size::<_, _, MIN_BUFFER, MAX_BUFFER>")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "settings::schema::size"))]
    pub outbound: usize,
    /// Maximum number of unconfirmed stanzas; see
    /// [`send_confirmed`](crate::client::Client::send_confirmed). Default: 4,096.
    #[serde(deserialize_with = "settings::count::<_, _, 1, MAX_COUNT>")]
    pub unconfirmed: usize,
    /// Maximum bytes of unconfirmed stanzas. Default: 4 MiB.
    #[serde(deserialize_with = "settings::size::<_, _, MIN_BUFFER, MAX_BUFFER>")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "settings::schema::size"))]
    pub unconfirmed_bytes: usize,
    /// Timeout for the server to confirm a stanza. Default: 300 s.
    #[serde(deserialize_with = "settings::duration::<_, _, MIN_TIMEOUT, DAY>")]
    #[cfg_attr(
        feature = "schema",
        schemars(schema_with = "settings::schema::duration")
    )]
    pub unconfirmed_age: Duration,
    /// Timeout of handlers. Default: 30 s.
    #[serde(deserialize_with = "settings::duration::<_, _, MIN_TIMEOUT, DAY>")]
    #[cfg_attr(
        feature = "schema",
        schemars(schema_with = "settings::schema::duration")
    )]
    pub handler_timeout: Duration,
    /// Time that a handler may block the connection's thread in one poll. Default: 20 ms.
    ///
    /// The route of a handler that exceeds it runs in tasks of its own, and so does one that
    /// exceeds a hundredth of this time eight times within 100 ms. It is called in place again
    /// after 64 polls without such delays. If it is moved again, that takes twice as many, and so
    /// on up to 4096. A route that has taken ten times this limit stays in tasks.
    #[serde(deserialize_with = "settings::duration::<_, _, 1, DAY>")]
    #[cfg_attr(
        feature = "schema",
        schemars(schema_with = "settings::schema::duration")
    )]
    pub slow_handler: Duration,
    /// Time for running handlers and queued stanzas to complete during a graceful shutdown.
    /// Default: 10 s.
    ///
    /// After that, the server has the same time again to close its side of the stream, as long as
    /// it sends something every 5 s.
    #[serde(deserialize_with = "settings::duration::<_, _, 0, DAY>")]
    #[cfg_attr(
        feature = "schema",
        schemars(schema_with = "settings::schema::duration")
    )]
    pub shutdown_grace: Duration,
    /// Largest inbound stanza in bytes, at least 10,000 (RFC 6120 §13.12). Default: 1 MiB.
    #[serde(deserialize_with = "settings::size::<_, _, MIN_STANZA, MAX_STANZA>")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "settings::schema::size"))]
    pub max_stanza_in: usize,
    /// Largest outbound stanza in bytes after escaping. Default: 512 KiB, which is Prosody's own
    /// limit. A stanza whose reply would be larger because of its own size gets the error
    /// `policy-violation`.
    #[serde(deserialize_with = "settings::size::<_, _, MIN_STANZA, MAX_STANZA>")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "settings::schema::size"))]
    pub max_stanza_out: usize,
    /// Maximum nesting depth of an inbound stanza. Default: 64.
    #[serde(deserialize_with = "settings::count::<_, _, 8, MAX_DEPTH>")]
    pub max_depth: usize,
    /// Maximum number of the component's own IQ requests without a response. Default: 4,096.
    #[serde(deserialize_with = "settings::count::<_, _, 1, MAX_COUNT>")]
    pub max_pending_iqs: usize,
    /// Timeout of the component's own IQ requests. Default: 30 s.
    #[serde(deserialize_with = "settings::duration::<_, _, MIN_TIMEOUT, DAY>")]
    #[cfg_attr(
        feature = "schema",
        schemars(schema_with = "settings::schema::duration")
    )]
    pub iq_timeout: Duration,
    /// Maximum number of messages that one IQ request may collect; see
    /// [`ResponseCollector`](crate::client::ResponseCollector). Default: 1,024.
    #[serde(deserialize_with = "settings::count::<_, _, 1, MAX_COUNT>")]
    pub max_collected: usize,
    /// Maximum bytes of messages that all IQ requests together may collect. Default: 16 MiB.
    #[serde(deserialize_with = "settings::size::<_, _, MIN_BUFFER, MAX_BUFFER>")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "settings::schema::size"))]
    pub max_collected_bytes: usize,
    /// Time since the last stanza that proved the route to be live after which the component pings
    /// itself through the server. Default: 60 s.
    #[serde(deserialize_with = "settings::duration::<_, _, SECOND, DAY>")]
    #[cfg_attr(
        feature = "schema",
        schemars(schema_with = "settings::schema::duration")
    )]
    pub keepalive: Duration,
    /// Timeout of the keepalive ping. Default: 15 s.
    ///
    /// After one timeout a second ping is sent, after another one the connection is dropped. After
    /// two thirds of the first, the route counts as doubtful.
    #[serde(deserialize_with = "settings::duration::<_, _, SECOND, DAY>")]
    #[cfg_attr(
        feature = "schema",
        schemars(schema_with = "settings::schema::duration")
    )]
    pub keepalive_deadline: Duration,
    /// Time without progress of a write after which the connection is dropped. Default: 30 s.
    #[serde(deserialize_with = "settings::duration::<_, _, SECOND, DAY>")]
    #[cfg_attr(
        feature = "schema",
        schemars(schema_with = "settings::schema::duration")
    )]
    pub write_stall: Duration,
    /// Timeout of connecting and of each step of the handshake. Default: 15 s. Note that ejabberd
    /// listens with a backlog of 5.
    #[serde(deserialize_with = "settings::duration::<_, _, SECOND, DAY>")]
    #[cfg_attr(
        feature = "schema",
        schemars(schema_with = "settings::schema::duration")
    )]
    pub connect_timeout: Duration,
    /// Maximum age of a reply that could not be written, on the next stream. Older ones are
    /// dropped. Default: 30 s.
    #[serde(deserialize_with = "settings::duration::<_, _, 0, DAY>")]
    #[cfg_attr(
        feature = "schema",
        schemars(schema_with = "settings::schema::duration")
    )]
    pub reply_max_age: Duration,
    /// Initial and maximum delay between reconnection attempts, at most 5 s for a server on this
    /// machine. Default: 1 s and 60 s.
    #[serde(deserialize_with = "settings::delays::<_, MIN_TIMEOUT, DAY>")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "settings::schema::delays"))]
    pub back_off: (Duration, Duration),
    /// Initial and maximum delay when retrying soon cannot help, for example because the server
    /// refused the component. Default: 60 s and 600 s.
    #[serde(deserialize_with = "settings::delays::<_, SECOND, DAY>")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "settings::schema::delays"))]
    pub slow_retry: (Duration, Duration),
    /// Minimum lifetime of a stream that resets the reconnection delay. Default: 30 s.
    #[serde(deserialize_with = "settings::duration::<_, _, 0, DAY>")]
    #[cfg_attr(
        feature = "schema",
        schemars(schema_with = "settings::schema::duration")
    )]
    pub stable_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            in_flight: 1024,
            waiting: 16_384,
            waiting_bytes: 32 * 1024 * 1024,
            outbound: 1024 * 1024,
            unconfirmed: 4096,
            unconfirmed_bytes: 4 * 1024 * 1024,
            unconfirmed_age: seconds(300),
            handler_timeout: seconds(30),
            slow_handler: Duration::from_millis(20),
            shutdown_grace: seconds(10),
            max_stanza_in: 1024 * 1024,
            max_stanza_out: 524_288,
            max_depth: 64,
            max_pending_iqs: 4096,
            iq_timeout: seconds(30),
            max_collected: 1024,
            max_collected_bytes: 16 * 1024 * 1024,
            keepalive: seconds(60),
            keepalive_deadline: seconds(15),
            write_stall: seconds(30),
            connect_timeout: seconds(15),
            reply_max_age: seconds(30),
            back_off: (seconds(1), seconds(60)),
            slow_retry: (seconds(60), seconds(600)),
            stable_after: seconds(30),
        }
    }
}

impl Limits {
    /// Returns the limits with all durations reduced to a year, so that they can be added to a time
    /// and multiplied. `Duration::MAX` is a usual way to say "never".
    pub(crate) fn clamped(mut self) -> Self {
        for duration in [
            &mut self.unconfirmed_age,
            &mut self.handler_timeout,
            &mut self.slow_handler,
            &mut self.shutdown_grace,
            &mut self.iq_timeout,
            &mut self.keepalive,
            &mut self.keepalive_deadline,
            &mut self.write_stall,
            &mut self.connect_timeout,
            &mut self.reply_max_age,
            &mut self.back_off.0,
            &mut self.back_off.1,
            &mut self.slow_retry.0,
            &mut self.slow_retry.1,
            &mut self.stable_after,
        ] {
            *duration = (*duration).min(YEAR);
        }
        self
    }

    pub(crate) fn in_flight_per_sender(&self) -> usize {
        (self.in_flight / 4).max(1)
    }

    pub(crate) fn waiting_per_sender(&self) -> usize {
        (self.waiting / 4).max(1)
    }

    pub(crate) fn waiting_bytes_per_sender(&self) -> usize {
        self.waiting_bytes / 4
    }

    // Nearly all users of most components belong to one domain, so one domain may use all but an
    // eighth. That eighth stays available to other domains when ten thousand users of one domain
    // flood the component.

    pub(crate) fn in_flight_per_domain(&self) -> usize {
        self.in_flight - self.in_flight / 8
    }

    pub(crate) fn waiting_per_domain(&self) -> usize {
        self.waiting - self.waiting / 8
    }

    pub(crate) fn waiting_bytes_per_domain(&self) -> usize {
        self.waiting_bytes - self.waiting_bytes / 8
    }
}
