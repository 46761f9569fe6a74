//! The keepalive: pings that the component sends to itself through the server.
//!
//! A live socket is not a live route: after a module reload Prosody keeps the connection but routes
//! nothing to it. Only a ping to the component itself through the server detects that.

use std::collections::VecDeque;

use compact_str::{CompactString, format_compact};
use tokio::time::{Duration, Instant};

use crate::client::{Ids, Shared};
use crate::limits::Limits;
use crate::stanza::{IqType, Kind, Stanza};

/// Suffix of the ids of keepalive pings, by which pings of another process on the same JID are
/// recognized.
const SUFFIX: &str = "-ping";
/// Time for which another process on the same JID is assumed to be connected after its last ping.
const PEER_MEMORY: Duration = Duration::from_secs(600);
/// Maximum number of consecutive lost pings; the first may be lost to a brief disturbance.
const MAX_LOST: u32 = 2;
/// The same with other processes on the JID: any ping may be routed to one of them, but so many in
/// a row are not by chance.
const PEER_MAX_LOST: u32 = 9;
/// Pings sent at once with other processes on the JID while a confirmation is awaited, so that one
/// of them comes back here.
const PEER_BURST: usize = 4;
/// Delay before the next ping with other processes on the JID while a confirmation is awaited.
const PEER_RETRY: Duration = Duration::from_secs(2);
/// Longest pause between pings with other processes on the JID while readiness has a maximum age.
const PEER_PAUSE: Duration = Duration::from_secs(1);
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
    /// Time at which another process on the same JID was last detected.
    last_peer: Option<Instant>,
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
    pub(crate) fn new(limits: &Limits, now: Instant) -> Self {
        Self {
            interval: limits.keepalive,
            deadline: limits.keepalive_deadline,
            max_age: None,
            next: now,
            in_flight: VecDeque::new(),
            since: None,
            heard: now,
            last_peer: None,
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
            Kind::Iq(IqType::Get) if from_here && id.starts_with(shared.ids.instance()) => {
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
                let known = self.has_peers(now);
                self.last_peer = Some(now);
                shared.heard_peer_instance(now);
                if known {
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
        let has_peers = self.has_peers(now);
        let pause = self.pause(has_peers);
        let Some(ping) = self.in_flight.back_mut() else {
            let quiet = pause.is_some_and(|pause| now.duration_since(self.heard) >= pause);
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
        let patience = if has_peers { PEER_MAX_LOST } else { MAX_LOST };
        let rest = match pause {
            Some(pause) if has_peers => pause,
            _ if awaited && has_peers => PEER_RETRY.min(self.deadline),
            _ => self.deadline,
        };
        let rested = now.duration_since(if awaited {
            written
        } else {
            written.max(self.heard)
        });
        if waited >= self.deadline * patience {
            Due::GiveUp
        } else if rested >= rest {
            Due::Ping
        } else if waited >= self.deadline * 2 / 3 {
            Due::Doubt
        } else {
            Due::Nothing
        }
    }

    /// Returns the longest quiet time before a ping is sent, if readiness has a maximum age.
    fn pause(&self, has_peers: bool) -> Option<Duration> {
        let pause = self.max_age? / 3;
        Some(if has_peers {
            pause.min(PEER_PAUSE)
        } else {
            pause
        })
    }

    /// Returns the number of pings to send at once. `awaited` is set while something waits for
    /// confirmation.
    pub(crate) fn burst(&self, now: Instant, awaited: bool) -> usize {
        if awaited && self.has_peers(now) {
            PEER_BURST
        } else {
            1
        }
    }

    /// Returns `true` if other processes are connected with the same JID. ejabberd allows that, and
    /// routes each stanza to any one of them.
    fn has_peers(&self, now: Instant) -> bool {
        self.last_peer
            .is_some_and(|last| now.duration_since(last) < PEER_MEMORY)
    }

    /// Creates the next ping.
    pub(crate) fn ping(&mut self, shared: &Shared, ids: &Ids) -> Vec<u8> {
        let id = format_compact!("{}{SUFFIX}", ids.fresh());
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
