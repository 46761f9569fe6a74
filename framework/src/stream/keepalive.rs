//! A live socket is not a live route: after a module reload Prosody keeps the link and routes nothing to it. Only a
//! ping to ourselves through the server finds that.

use compact_str::{CompactString, format_compact};
use tokio::time::{Duration, Instant};

use crate::client::{Ids, Shared};
use crate::limits::Limits;
use crate::stanza::{IqType, Kind, Stanza};

/// Ends the ids of our pings, so that another process on the same JID is told apart.
const SUFFIX: &str = "-ping";
/// How long another process on the same JID is remembered.
const MEMORY: Duration = Duration::from_secs(600);
/// With others on the same JID, every ping may come out at one of them; so many do not by chance.
const PATIENCE: u32 = 8;

/// The ping to ourselves and what is known of it. It outlives connections, since the others on our JID do.
#[derive(Debug)]
pub(crate) struct Keepalive {
    interval: Duration,
    deadline: Duration,
    next: Instant,
    under_way: Option<Ping>,
    /// When something last came in that only a live route brings.
    heard: Instant,
    /// Pings in a row that did not come back.
    lost: u32,
    /// When another process on our JID was last heard of.
    stranger: Option<Instant>,
}

#[derive(Debug)]
struct Ping {
    id: CompactString,
    /// Position in the stream behind its last byte.
    end: u64,
    written: Option<Instant>,
}

/// What a stanza means to the keepalive.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Nothing: it goes its usual way.
    Nothing,
    /// Our own ping has come back.
    Proof,
    /// Our ping was answered with an error, whoever it seems to be from.
    Failure,
    /// A ping that another process sent from this JID.
    Stranger,
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
            next: now,
            under_way: None,
            heard: now,
            lost: 0,
            stranger: None,
        }
    }

    /// A new stream: nothing is under way, nothing was heard.
    pub(crate) fn restart(&mut self, now: Instant) {
        (self.next, self.heard, self.lost, self.under_way) = (now, now, 0, None);
    }

    /// A request, a message or presence came in at about this time: the deadline rests.
    pub(crate) fn heard(&mut self, now: Instant) {
        (self.heard, self.lost) = (now, 0);
    }

    /// Judges a stanza that may be our ping, or the answer to it.
    pub(crate) fn see(&mut self, stanza: &Stanza, shared: &Shared, now: Instant) -> Seen {
        let Some(id) = stanza.id().filter(|id| id.ends_with(SUFFIX)) else { return Seen::Nothing };
        let ours = self.under_way.as_ref().is_some_and(|ping| ping.id == id);
        let from_here = stanza.from().is_some_and(|from| from.domain() == shared.domain.domain());
        match stanza.kind() {
            Kind::Iq(IqType::Get) if ours && from_here => {
                self.under_way = None;
                self.next = now + self.interval;
                self.heard(now);
                Seen::Proof
            }
            Kind::Iq(IqType::Error) if ours => Seen::Failure,
            Kind::Iq(IqType::Get) if from_here && !id.starts_with(shared.ids.instance()) => {
                self.heard(now);
                let known = self.is_shared(now);
                self.stranger = Some(now);
                if known {
                    return Seen::Proof;
                }
                // It shall know of us, too.
                self.next = self.next.min(now);
                Seen::Stranger
            }
            _ => Seen::Nothing,
        }
    }

    /// What is to be done now, when the stream has been written up to `position`.
    pub(crate) fn tick(&mut self, now: Instant, position: u64) -> Due {
        let Some(ping) = &mut self.under_way else {
            return if now >= self.next { Due::Ping } else { Due::Nothing };
        };
        if position < ping.end {
            return Due::Nothing;
        }
        let since = (*ping.written.get_or_insert(now)).max(self.heard);
        match now.duration_since(since) {
            waited if waited >= self.deadline && self.is_shared(now) && self.lost < PATIENCE => {
                self.lost += 1;
                Due::Ping
            }
            waited if waited >= self.deadline => Due::GiveUp,
            waited if waited >= self.deadline * 2 / 3 => Due::Doubt,
            _ => Due::Nothing,
        }
    }

    /// On ejabberd, several processes may be mounted on one JID: each stanza goes to any of them.
    fn is_shared(&self, now: Instant) -> bool {
        self.stranger.is_some_and(|last| now.duration_since(last) < MEMORY)
    }

    /// The ping to send.
    pub(crate) fn ping(&mut self, shared: &Shared, ids: &Ids) -> Vec<u8> {
        let id = format_compact!("{}{SUFFIX}", ids.fresh());
        let domain = &shared.domain;
        let ping = format!(
            "<iq type='get' id='{id}' from='{domain}/ping' to='{domain}/pong'><ping xmlns='urn:xmpp:ping'/></iq>"
        );
        self.under_way = Some(Ping { id, end: u64::MAX, written: None });
        ping.into_bytes()
    }

    /// The ping ends at this position of the stream.
    pub(crate) fn queued(&mut self, end: u64) {
        if let Some(ping) = &mut self.under_way {
            ping.end = end;
        }
    }
}
