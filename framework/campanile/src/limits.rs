//! Every bound of a component, in one place.

use std::time::Duration;

/// The bounds of one component. The defaults suit a server on the same machine or the same network.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Handlers that run at a time, waiting answers included. One sender holds at most a quarter,
    /// one domain all but an eighth.
    pub in_flight: usize,
    /// Stanzas that wait for a handler, all together. One sender holds at most a quarter, one
    /// domain all but an eighth.
    pub waiting: usize,
    /// Bytes of stanzas that wait for a handler or that one is at work on, all together. One sender
    /// holds at most a quarter, one domain all but an eighth. One stanza alone always fits.
    pub waiting_bytes: usize,
    /// While more bytes than this wait for the socket, nothing is read; reading goes on at half of
    /// it.
    pub outbound: usize,
    /// IQ requests of ours that wait for an answer.
    pub max_pending_iqs: usize,
    /// Messages that one IQ request of ours may collect; see [`ResponseCollector`](crate::client::ResponseCollector).
    pub max_collected: usize,
    /// Bytes of messages that all IQ requests of ours may collect.
    pub max_collected_bytes: usize,
    /// Stanzas of ours that wait for the server to take them; see
    /// [`send_confirmed`](crate::client::Client::send_confirmed).
    pub unconfirmed: usize,
    /// Bytes of stanzas of ours that wait for the server to take them.
    pub unconfirmed_bytes: usize,
    /// How long a stanza of ours may wait for the server to take it.
    pub unconfirmed_age: Duration,
    /// How long the answer to an IQ request of ours may take.
    pub iq_timeout: Duration,
    /// How long a handler may take.
    pub handler_timeout: Duration,
    /// How long a handler may hold up the others in one go. One that does is moved to tasks of its
    /// own from then on, as is one that takes more than a hundredth of this time eight times within
    /// 100 ms.
    pub slow_handler: Duration,
    /// How long what is in flight may take when the component stops. The server then has as long
    /// again to close its side of the stream, as long as it says something every 5 s.
    pub shutdown_grace: Duration,
    /// Largest stanza taken, in bytes; never below 10,000 (RFC 6120 §13.12).
    pub max_stanza_in: usize,
    /// Largest stanza sent, in bytes after escaping. Prosody's own bound is the default.
    pub max_stanza_out: usize,
    /// Deepest nesting of a stanza taken.
    pub max_depth: usize,
    /// How long after the last proof of a live route the component pings itself through the server.
    pub keepalive: Duration,
    /// How long that ping may be under way before a second one is sent, and that one before the
    /// link is given up. The route is in doubt after two thirds of it.
    pub keepalive_deadline: Duration,
    /// How long connecting, header and handshake may take. ejabberd listens with a backlog of 5.
    pub connect_timeout: Duration,
    /// How long a write may make no progress before the link is given up.
    pub write_stall: Duration,
    /// How long an answer that could not be written may wait for the next stream.
    pub reply_max_age: Duration,
    /// First and longest wait before connecting again.
    pub back_off: (Duration, Duration),
    /// First and longest wait when trying again soon cannot help.
    pub slow_retry: (Duration, Duration),
    /// How long a stream must have held before the waits start anew.
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
            max_pending_iqs: 4096,
            unconfirmed: 4096,
            unconfirmed_bytes: 4 * 1024 * 1024,
            unconfirmed_age: seconds(300),
            max_collected: 1024,
            max_collected_bytes: 16 * 1024 * 1024,
            iq_timeout: seconds(30),
            handler_timeout: seconds(30),
            slow_handler: Duration::from_millis(20),
            shutdown_grace: seconds(10),
            max_stanza_in: 1024 * 1024,
            max_stanza_out: 524_288,
            max_depth: 64,
            keepalive: seconds(60),
            keepalive_deadline: seconds(15),
            connect_timeout: seconds(15),
            write_stall: seconds(30),
            reply_max_age: seconds(30),
            back_off: (seconds(1), seconds(60)),
            slow_retry: (seconds(60), seconds(600)),
            stable_after: seconds(30),
        }
    }
}

impl Limits {
    pub(crate) fn in_flight_per_sender(&self) -> usize {
        (self.in_flight / 4).max(1)
    }

    pub(crate) fn waiting_per_sender(&self) -> usize {
        (self.waiting / 4).max(1)
    }

    pub(crate) fn waiting_bytes_per_sender(&self) -> usize {
        self.waiting_bytes / 4
    }

    // Nearly all users of most components are of one domain: it gets all but an eighth, and that
    // eighth keeps the door open for everybody else when a domain sends ten thousand of its users.

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
