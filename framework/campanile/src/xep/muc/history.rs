//! The messages that a room sends to a new occupant, and which of them are known already.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

use tokio::time::{Duration, Instant};

use super::occupant::nick_of;
use crate::payload::{Delay, MucHistory, OccupantId, StanzaId};
use crate::stanza::Stanza;

/// The number of recent messages that are recognized when the room sends them again.
const REMEMBERED: usize = 512;
/// The time before the last message for which history is requested as well: messages may have been
/// on their way.
const OVERLAP: Duration = Duration::from_secs(60);

/// The part of a room's history that is sent when the component enters for the first time.
///
/// When it enters again, it asks for what was said since the last message, and messages that it has
/// seen are not handled again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum History {
    /// Nothing.
    #[default]
    None,
    /// At most so many messages.
    Last(u32),
    /// The messages of this time.
    Within(Duration),
}

impl History {
    pub(super) fn request(self) -> MucHistory {
        match self {
            // XEP-0045 §7.2.14: the way to ask for no history.
            Self::None => MucHistory::new().with_maxchars(0),
            Self::Last(count) => MucHistory::new().with_maxstanzas(count),
            Self::Within(time) => MucHistory::new().with_seconds(seconds(time)),
        }
    }
}

/// Recent messages of a room.
#[derive(Debug, Default)]
pub(super) struct SeenMessages {
    hasher: RandomState,
    order: VecDeque<u64>,
    known: HashSet<u64>,
    last: Option<Instant>,
}

impl SeenMessages {
    /// Records a message. Returns `false` if it is known.
    pub(super) fn insert(&mut self, message: &Stanza, room: &str) -> bool {
        self.last = Some(Instant::now());
        let key = self.key(message, room);
        if !self.known.insert(key) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    /// Returns what to ask for when the room is entered again: what was said since the last
    /// message. In seconds rather than as a date, because the clocks may differ.
    pub(super) fn since_last(&self) -> Option<MucHistory> {
        let time = self.last?.elapsed() + OVERLAP;
        Some(MucHistory::new().with_seconds(seconds(time)))
    }

    /// The id that the room has given the message (XEP-0359); otherwise the occupant with the id of
    /// the message, or with its content.
    fn key(&self, message: &Stanza, room: &str) -> u64 {
        let ids = message.every_child::<StanzaId>().unwrap_or_default();
        if let Some(id) = ids.into_iter().find(|id| id.by.as_str() == room) {
            return self.hasher.hash_one(("room", id.id));
        }
        let occupant = match message.child::<OccupantId>() {
            Ok(id) => id.id,
            Err(_) => nick_of(message).unwrap_or_default().to_owned(),
        };
        match message.id() {
            Some(id) => self.hasher.hash_one(("occupant", occupant, id)),
            None => {
                let body = message.children().find("jabber:client", "body");
                let text = body.map(|body| body.text().into_owned());
                self.hasher.hash_one(("content", occupant, text))
            }
        }
    }
}

/// Returns `true` if the message is from before the component has entered (XEP-0045 §7.2.14).
pub(super) fn is_history(message: &Stanza) -> bool {
    let Some(room) = message.from() else {
        return false;
    };
    let delays = message.every_child::<Delay>().unwrap_or_default();
    // A delay from another address is the time at which the message was written, before it came to
    // the room.
    delays.iter().any(|delay| {
        delay.from.as_ref().is_none_or(|from| {
            from.domain() == room.domain() && from.node().is_none_or(|_| from.node() == room.node())
        })
    })
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: &str = "hall@rooms.example.org";

    fn message(attributes: &str, more: &str) -> Stanza {
        let xml = format!(
            "<message from='{ROOM}/alice' type='groupchat' {attributes}><body>hello</body>{more}\
             </message>"
        );
        Stanza::parse(&xml).unwrap()
    }

    #[test]
    fn messages_are_recognized_by_the_best_id() {
        let delay =
            format!("<delay xmlns='urn:xmpp:delay' from='{ROOM}' stamp='2026-01-01T08:00:00Z'/>");
        let id = |id: &str| format!("<stanza-id xmlns='urn:xmpp:sid:0' by='{ROOM}' id='{id}'/>");
        let mut seen = SeenMessages::default();
        assert!(seen.insert(&message("id='1'", &id("a")), ROOM));
        assert!(!seen.insert(&message("id='1'", &(id("a") + &delay)), ROOM));
        assert!(seen.insert(&message("id='1'", &id("b")), ROOM));
        let foreign = id("a").replace(ROOM, "mallory@example.org");
        assert!(seen.insert(&message("id='2'", &foreign), ROOM));
        assert!(!seen.insert(&message("id='2'", &delay), ROOM));
        assert!(seen.insert(&message("", ""), ROOM));
        assert!(!seen.insert(&message("", &delay), ROOM));
    }

    #[test]
    fn only_recent_messages_are_remembered() {
        let mut seen = SeenMessages::default();
        for n in 0..2 * REMEMBERED {
            assert!(seen.insert(&message(&format!("id='{n}'"), ""), ROOM));
        }
        assert_eq!(seen.known.len(), REMEMBERED);
        assert!(seen.insert(&message("id='0'", ""), ROOM));
    }

    #[test]
    fn history_is_what_the_room_has_delayed() {
        let cases = [
            (format!("from='{ROOM}'"), true),
            ("from='rooms.example.org'".to_owned(), true),
            (String::new(), true),
            ("from='alice@example.org'".to_owned(), false),
            ("from='other@rooms.example.org'".to_owned(), false),
        ];
        for (from, expected) in cases {
            let delay =
                format!("<delay xmlns='urn:xmpp:delay' {from} stamp='2026-01-01T08:00:00Z'/>");
            assert_eq!(is_history(&message("", &delay)), expected, "{from}");
        }
        assert!(!is_history(&message("", "")));
    }

    #[tokio::test(start_paused = true)]
    async fn later_visits_ask_for_the_time_between() {
        let mut seen = SeenMessages::default();
        assert_eq!(seen.since_last(), None);
        seen.insert(&message("id='1'", ""), ROOM);
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(seen.since_last().unwrap().seconds, Some(160));
        assert_eq!(History::None.request().maxchars, Some(0));
    }
}
