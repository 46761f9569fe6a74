//! The keepalive: pings that the component sends to itself through the server.
//!
//! A live socket is not a live route: after a module reload Prosody keeps the connection but routes
//! nothing to it. Only a ping to the component itself through the server detects that.

use std::collections::VecDeque;
use std::sync::Arc;

use compact_str::{CompactString, format_compact};
use tokio::time::{Duration, Instant};

use crate::client::Shared;
use crate::instances::Instances;
use crate::limits::Limits;
use crate::stanza::{IqType, Kind, Stanza};

/// Suffix of the ids of keepalive pings, by which pings of another process on the same JID are
/// recognized.
const SUFFIX: &str = "-ping";
/// Maximum number of pings remembered while in flight.
const MAX_IN_FLIGHT: usize = 16;

/// The state of the keepalive. It outlives connections, because other processes on the JID do.
#[derive(Debug)]
pub(crate) struct Keepalive {
    interval: Duration,
    deadline: Duration,
    /// Maximum age of the last proof of a live route, if readiness has to be known at any time.
    max_age: Option<Duration>,
    next: Instant,
    /// Pings of this stream without a round trip yet, the oldest first.
    in_flight: VecDeque<Ping>,
    /// Time at which the oldest of them was written.
    since: Option<Instant>,
    /// Time of the last stanza that proves the route to be live.
    heard: Instant,
    /// The processes on the same JID, to which pings of this one may be routed.
    instances: Arc<dyn Instances>,
}

#[derive(Debug)]
struct Ping {
    id: CompactString,
    /// Stream position after its last byte.
    end: u64,
    written: Option<Instant>,
}

/// The meaning of an inbound stanza for the keepalive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PingEvent {
    /// Not part of the keepalive: handled as usual.
    Unrelated,
    /// A ping has come back: the route is live, and the server has accepted everything before this
    /// stream position.
    RoundTrip { position: u64 },
    /// A ping of this component was answered with an error, whatever its sender address.
    Failure,
    /// A ping of another process with the same JID.
    Peer,
}

/// The action due now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    Ping,
    /// No proof of a live route for so long that it is doubtful.
    Doubt,
    /// No proof of a live route in time.
    GiveUp,
}

impl Keepalive {
    pub(crate) fn new(limits: &Limits, instances: Arc<dyn Instances>, now: Instant) -> Self {
        Self {
            interval: limits.keepalive,
            deadline: limits.keepalive_deadline,
            max_age: None,
            next: now,
            in_flight: VecDeque::new(),
            since: None,
            heard: now,
            instances,
        }
    }

    /// Sets the maximum age of the last proof of a live route. While the stream is quiet, a ping is
    /// sent as soon as the last proof is a third as old.
    pub(crate) fn readiness_max_age(mut self, max_age: Option<Duration>) -> Self {
        self.max_age = max_age;
        self
    }

    /// Returns the interval that the timer of the connection must be able to measure.
    pub(crate) fn shortest(&self) -> Option<Duration> {
        self.max_age
    }

    /// Returns when the last stanza proved the route to be live, or when the stream began.
    pub(crate) fn last_heard(&self) -> Instant {
        self.heard
    }

    /// Returns `true` if the last proof is too old for readiness. The margin of two tenths covers
    /// the resolution of the connection's timer, which is a tenth, and the time that a readiness
    /// check takes.
    pub(crate) fn is_doubtful(&self, now: Instant) -> bool {
        self.max_age
            .is_some_and(|max_age| now.duration_since(self.heard) >= max_age * 8 / 10)
    }

    /// Resets the state for a new stream.
    pub(crate) fn restart(&mut self, now: Instant) {
        (self.next, self.heard, self.since) = (now, now, None);
        self.in_flight.clear();
    }

    /// Records that a request, message or presence came in at about this time, which resets the
    /// deadline.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Returns `true` if a ping may still come back.
    pub(crate) fn is_in_flight(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// Returns `true` if no ping has come back within the deadline. With other processes on the
    /// JID, a single ping that is routed to them proves nothing yet.
    pub(crate) fn is_overdue(&self, now: Instant) -> bool {
        self.since
            .is_some_and(|since| now.duration_since(since) >= self.deadline)
    }

    /// Classifies a stanza that may be a keepalive ping or the response to one.
    pub(crate) fn observe(&mut self, stanza: &Stanza, shared: &Shared, now: Instant) -> PingEvent {
        let Some(id) = stanza.id().filter(|id| id.ends_with(SUFFIX)) else {
            return PingEvent::Unrelated;
        };
        let ping = self.in_flight.iter().find(|ping| ping.id == id);
        let from_here = stanza
            .from()
            .is_some_and(|from| from.domain() == shared.domain.domain());
        match stanza.kind() {
            Kind::Iq(IqType::Get) if from_here && shared.ids.is_own(id) => {
                // A ping of an earlier stream, or a late one, also proves the route to be live, but
                // confirms nothing that was written before it.
                let position = ping.map_or(0, |ping| ping.end);
                if position > 0 {
                    self.in_flight.clear();
                    self.since = None;
                    self.next = now + self.interval;
                }
                self.heard(now);
                PingEvent::RoundTrip { position }
            }
            Kind::Iq(IqType::Error) if ping.is_some() => PingEvent::Failure,
            // The ping of another process confirms nothing that this process has written.
            Kind::Iq(IqType::Get) if from_here => {
                self.heard(now);
                if self.instances.record_peer(now) {
                    return PingEvent::RoundTrip { position: 0 };
                }
                // Lets the other process detect this one, too.
                self.next = self.next.min(now);
                PingEvent::Peer
            }
            _ => PingEvent::Unrelated,
        }
    }

    /// Returns the action due now, when the stream has been written up to `position`. `awaited` is
    /// set while something waits for confirmation.
    pub(crate) fn tick(&mut self, now: Instant, position: u64, awaited: bool) -> Due {
        let policy = self.instances.ping_policy(now);
        let Some(ping) = self.in_flight.back_mut() else {
            let quiet = policy
                .pause(self.max_age)
                .is_some_and(|pause| now.duration_since(self.heard) >= pause);
            return if quiet || now >= self.next {
                Due::Ping
            } else {
                Due::Nothing
            };
        };
        if position < ping.end {
            return Due::Nothing;
        }
        let written = *ping.written.get_or_insert(now);
        let waited = now.duration_since(self.heard.max(*self.since.get_or_insert(written)));
        let rested = now.duration_since(if awaited {
            written
        } else {
            written.max(self.heard)
        });
        if waited >= self.deadline * policy.max_lost() {
            Due::GiveUp
        } else if rested >= policy.retry(self.max_age, awaited, self.deadline) {
            Due::Ping
        } else if waited >= self.deadline * 2 / 3 {
            Due::Doubt
        } else {
            Due::Nothing
        }
    }

    /// Returns the number of pings to send at once. `awaited` is set while something waits for
    /// confirmation.
    pub(crate) fn burst(&self, now: Instant, awaited: bool) -> usize {
        self.instances.ping_policy(now).burst(awaited)
    }

    /// Creates the next ping.
    pub(crate) fn ping(&mut self, shared: &Shared) -> Vec<u8> {
        let id = format_compact!("{}{SUFFIX}", shared.ids.fresh());
        let domain = &shared.domain;
        let ping = format!(
            "<iq type='get' id='{id}' from='{domain}/ping' to='{domain}/pong'><ping \
            xmlns='urn:xmpp:ping'/></iq>"
        );
        if self.in_flight.len() == MAX_IN_FLIGHT {
            self.in_flight.pop_front();
        }
        self.in_flight.push_back(Ping {
            id,
            end: u64::MAX,
            written: None,
        });
        ping.into_bytes()
    }

    /// Records the stream position at which the last ping ends.
    pub(crate) fn queued(&mut self, end: u64) {
        if let Some(ping) = self.in_flight.back_mut() {
            ping.end = end;
        }
    }
}
