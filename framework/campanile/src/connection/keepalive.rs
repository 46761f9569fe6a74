//! A live socket is not a live route: after a module reload Prosody keeps the link and routes
//! nothing to it. Only a ping to ourselves through the server finds that.

use std::collections::VecDeque;

use compact_str::{CompactString, format_compact};
use tokio::time::{Duration, Instant};

use crate::client::{Ids, Shared};
use crate::limits::Limits;
use crate::stanza::{IqType, Kind, Stanza};

/// Ends the ids of our pings, so that another process on the same JID is told apart.
const SUFFIX: &str = "-ping";
/// How long another process on the same JID is remembered.
const PEER_MEMORY: Duration = Duration::from_secs(600);
/// How many pings in a row may be lost: the first may be lost to a hiccup.
const MAX_LOST: u32 = 2;
/// With others on the same JID, every ping may come out at one of them; so many do not by chance.
const PEER_MAX_LOST: u32 = 9;
/// With others on the same JID, and somebody who waits for a ping to come back: so many at once,
/// that one of them does.
const PEER_BURST: usize = 4;
/// With others on the same JID, and somebody who waits for a ping to come back: how soon the next
/// one is sent.
const PEER_RETRY: Duration = Duration::from_secs(2);
/// The same while the proof must never be old.
const PEER_PAUSE: Duration = Duration::from_secs(1);
/// Pings that are remembered while they are under way.
const MAX_IN_FLIGHT: usize = 16;

/// The ping to ourselves and what is known of it. It outlives connections, since the others on our
/// JID do.
#[derive(Debug)]
pub(crate) struct Keepalive {
    interval: Duration,
    deadline: Duration,
    /// How old the last proof may be before the route is in doubt, where somebody wants to know
    /// that at any time.
    max_age: Option<Duration>,
    next: Instant,
    /// Pings of this stream of which none has come back yet, the oldest first.
    in_flight: VecDeque<Ping>,
    /// When the oldest of them was written.
    since: Option<Instant>,
    /// When something last came in that only a live route brings.
    heard: Instant,
    /// When another process on our JID was last heard of.
    last_peer: Option<Instant>,
}

#[derive(Debug)]
struct Ping {
    id: CompactString,
    /// Position in the stream behind its last byte.
    end: u64,
    written: Option<Instant>,
}

/// What a stanza means to the keepalive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PingEvent {
    /// Nothing: it goes its usual way.
    Unrelated,
    /// A ping has come back: stanzas reach us, and the server has taken everything before this
    /// position of the stream.
    RoundTrip { position: u64 },
    /// Our ping was answered with an error, whoever it seems to be from.
    Failure,
    /// A ping that another process sent from this JID.
    Peer,
}

/// What is to be done at this moment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    Ping,
    /// No proof for so long that the route is in doubt.
    Doubt,
    /// No proof in time.
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

    /// The proof is never to be older than this: in quiet times a ping is sent whenever it is a
    /// third as old.
    pub(crate) fn readiness_max_age(mut self, max_age: Option<Duration>) -> Self {
        self.max_age = max_age;
        self
    }

    /// What the clock of a link must be fine enough for.
    pub(crate) fn shortest(&self) -> Option<Duration> {
        self.max_age
    }

    /// When something last came in that only a live route brings, or the stream began.
    pub(crate) fn last_heard(&self) -> Instant {
        self.heard
    }

    /// Whether the last proof is too old for somebody who wants to know at any time. The clock of a
    /// link is not finer than a tenth of that, and whoever asks takes a moment.
    pub(crate) fn is_doubtful(&self, now: Instant) -> bool {
        self.max_age
            .is_some_and(|max_age| now.duration_since(self.heard) >= max_age * 8 / 10)
    }

    /// A new stream: nothing is under way, nothing was heard.
    pub(crate) fn restart(&mut self, now: Instant) {
        (self.next, self.heard, self.since) = (now, now, None);
        self.in_flight.clear();
    }

    /// A request, a message or presence came in at about this time: the deadline rests.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Whether a ping may still come back.
    pub(crate) fn is_in_flight(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// Whether none has come back for as long as one may take. With others on the same JID, one
    /// ping that comes out there says nothing yet.
    pub(crate) fn is_overdue(&self, now: Instant) -> bool {
        self.since
            .is_some_and(|since| now.duration_since(since) >= self.deadline)
    }

    /// Judges a stanza that may be our ping, or the answer to it.
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
                // One of an earlier stream, or a late one, proves as much, but for what was written
                // before it.
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
            // Whatever another process has written, it says nothing about what we have.
            Kind::Iq(IqType::Get) if from_here => {
                self.heard(now);
                let known = self.has_peers(now);
                self.last_peer = Some(now);
                shared.heard_peer_instance(now);
                if known {
                    return PingEvent::RoundTrip { position: 0 };
                }
                // It shall know of us, too.
                self.next = self.next.min(now);
                PingEvent::Peer
            }
            _ => PingEvent::Unrelated,
        }
    }

    /// What is to be done now, when the stream has been written up to `position`. `awaited`:
    /// somebody waits to hear that what was written has been taken.
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

    /// How long nothing may be heard before a ping is sent, where the proof must never be old.
    fn pause(&self, has_peers: bool) -> Option<Duration> {
        let pause = self.max_age? / 3;
        Some(if has_peers {
            pause.min(PEER_PAUSE)
        } else {
            pause
        })
    }

    /// Pings to send at once. `awaited`: somebody waits for one to come back.
    pub(crate) fn burst(&self, now: Instant, awaited: bool) -> usize {
        if awaited && self.has_peers(now) {
            PEER_BURST
        } else {
            1
        }
    }

    /// On ejabberd, several processes may be mounted on one JID: each stanza goes to any of them.
    fn has_peers(&self, now: Instant) -> bool {
        self.last_peer
            .is_some_and(|last| now.duration_since(last) < PEER_MEMORY)
    }

    /// The ping to send.
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

    /// The ping ends at this position of the stream.
    pub(crate) fn queued(&mut self, end: u64) {
        if let Some(ping) = self.in_flight.back_mut() {
            ping.end = end;
        }
    }
}
