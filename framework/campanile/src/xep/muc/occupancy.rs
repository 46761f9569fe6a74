//! The room as its stanzas describe it: who is inside, under which nick the component is, and the
//! subject.

use std::collections::HashMap;

use crate::error::StanzaError;
use crate::payload::{MucItem, MucUser, OccupantId, status};
use crate::stanza::{Kind, PresenceType, Stanza};

use super::change::{Moderation, Removal, RoomChange};
use super::occupant::{Occupant, nick_of};

/// The maximum number of occupants that are recorded, against services that invent them.
const MOST: usize = 20_000;

/// A change of the component's own visit.
#[derive(Debug)]
pub(super) enum OwnEvent {
    /// It is inside.
    Entered,
    /// It has another nick.
    Renamed,
    /// It is outside, and stays there.
    Removed(Removal),
    /// It is outside, because the service or a server between failed.
    Lost,
    /// A request to enter or to change the nick was refused.
    Refused(StanzaError),
}

/// The view of a room from one occupant.
#[derive(Debug)]
pub(super) struct Occupancy {
    /// The own nick; before the room has confirmed it, the one asked for.
    pub(super) nick: String,
    /// The own occupant id (XEP-0421).
    pub(super) own_id: Option<String>,
    pub(super) is_inside: bool,
    pub(super) occupants: HashMap<String, Occupant>,
    pub(super) subject: Option<String>,
    /// Others are not recorded: another occupant of the same component reads for this one.
    only_speaks: bool,
    /// The room has more occupants than are recorded, which was logged.
    is_overfull: bool,
}

impl Occupancy {
    pub(super) fn new(nick: String, only_speaks: bool) -> Self {
        Self {
            nick,
            own_id: None,
            is_inside: false,
            occupants: HashMap::new(),
            subject: None,
            only_speaks,
            is_overfull: false,
        }
    }

    /// Forgets who was inside, before the room sends it again.
    pub(super) fn reset(&mut self) {
        self.is_inside = false;
        self.occupants.clear();
    }

    /// Returns `true` if the nick or the occupant id are the own ones.
    pub(super) fn is_own(&self, nick: &str, id: Option<&str>) -> bool {
        // The id cannot be taken over by another occupant; a nick that was given up can.
        match (id, &self.own_id) {
            (Some(id), Some(own)) => id == own,
            _ => nick == self.nick,
        }
    }

    /// Applies presence from an occupant or from the room itself.
    pub(super) fn presence(
        &mut self,
        presence: &Stanza,
        changes: &mut Vec<RoomChange>,
    ) -> Option<OwnEvent> {
        let nick = nick_of(presence);
        match presence.kind() {
            Kind::Presence(PresenceType::Error) => {
                Some(OwnEvent::Refused(StanzaError::from_stanza(presence)))
            }
            Kind::Presence(PresenceType::Available) => self.available(nick?, presence, changes),
            Kind::Presence(PresenceType::Unavailable) => {
                self.unavailable(nick, &presence.child().unwrap_or_default(), changes)
            }
            _ => None,
        }
    }

    fn available(
        &mut self,
        nick: &str,
        presence: &Stanza,
        changes: &mut Vec<RoomChange>,
    ) -> Option<OwnEvent> {
        // Presence without a description is not of an occupant.
        let user: MucUser = presence.child().ok()?;
        let is_own = nick == self.nick || user.has(status::SELF_PRESENCE);
        if self.only_speaks && !is_own {
            return None;
        }
        let id = presence.child::<OccupantId>().ok().map(|id| id.id);
        let occupant = Occupant::new(nick, &user.item(), id);
        if is_own {
            self.own_id.clone_from(&occupant.id);
        }
        if !is_own && self.is_full(nick, presence) {
            return None;
        }
        let before = self.occupants.insert(nick.to_owned(), occupant.clone());
        if is_own && !self.is_inside {
            // XEP-0045 §7.2.3: the service may have chosen another nick.
            nick.clone_into(&mut self.nick);
            self.is_inside = true;
            return Some(OwnEvent::Entered);
        }
        match before {
            // The list of those who were inside before is no news.
            None if self.is_inside => changes.push(RoomChange::Entered(occupant)),
            Some(before) if before != occupant => changes.push(RoomChange::Changed(occupant)),
            _ => {}
        }
        None
    }

    /// Returns `true` if there is no place for an occupant that is not recorded.
    fn is_full(&mut self, nick: &str, presence: &Stanza) -> bool {
        let is_full = self.occupants.len() >= MOST && !self.occupants.contains_key(nick);
        if is_full && !std::mem::replace(&mut self.is_overfull, true) {
            let room = presence.from().map(|from| from.to_bare().to_string());
            tracing::warn!(
                room,
                most = MOST,
                "room has more occupants than are recorded"
            );
        }
        is_full
    }

    fn unavailable(
        &mut self,
        nick: Option<&str>,
        user: &MucUser,
        changes: &mut Vec<RoomChange>,
    ) -> Option<OwnEvent> {
        // ejabberd sends presence of the room itself as well, with its capabilities, and takes it
        // back before each new one.
        let is_own = user.has(status::SELF_PRESENCE) || nick == Some(&self.nick);
        let item = user.item();
        if user.has(status::NICK_CHANGED)
            && let Some(from) = nick
            && let Some(to) = &item.nick
        {
            return self.renamed(from, to, is_own, changes);
        }
        if is_own {
            // The answer to a leave that was repeated, or of a room that was left long ago.
            if !self.is_inside {
                return None;
            }
            self.reset();
            return Some(own_departure(user, item));
        }
        let occupant = self.occupants.remove(nick?)?;
        let removal = removal(user, item);
        changes.push(RoomChange::Left { occupant, removal });
        None
    }

    fn renamed(
        &mut self,
        from: &str,
        to: &str,
        is_own: bool,
        changes: &mut Vec<RoomChange>,
    ) -> Option<OwnEvent> {
        if let Some(mut occupant) = self.occupants.remove(from) {
            to.clone_into(&mut occupant.nick);
            self.occupants.insert(to.to_owned(), occupant);
            changes.push(RoomChange::Renamed {
                from: from.to_owned(),
                to: to.to_owned(),
            });
        }
        if !is_own {
            return None;
        }
        to.clone_into(&mut self.nick);
        Some(OwnEvent::Renamed)
    }
}

/// Returns what the end of the own visit means.
fn own_departure(user: &MucUser, item: MucItem) -> OwnEvent {
    // XEP-0045 §9.1.1: 333 stands beside 307 when an error was the reason, so it comes first.
    if user.has(status::ERROR) || user.has(status::SHUTDOWN) {
        return OwnEvent::Lost;
    }
    removal(user, item).map_or(OwnEvent::Lost, OwnEvent::Removed)
}

/// Returns the reason why an occupant was removed, or `None` if it has left or was lost.
fn removal(user: &MucUser, item: MucItem) -> Option<Removal> {
    if let Some(destroy) = &user.destroy {
        return Some(Removal::Destroyed {
            next: destroy.jid.as_ref().map(|jid| jid.to_bare()),
            reason: destroy.reason.clone(),
        });
    }
    let actor = item.actor.unwrap_or_default();
    let moderation = Moderation {
        by: actor.nick.or_else(|| actor.jid.map(|jid| jid.to_string())),
        reason: item.reason,
    };
    if user.has(status::BANNED) {
        return Some(Removal::Banned(moderation));
    }
    if user.has(status::ERROR) || user.has(status::SHUTDOWN) {
        return None;
    }
    if user.has(status::KICKED) {
        return Some(Removal::Kicked(moderation));
    }
    if user.has(status::AFFILIATION_CHANGED) {
        return Some(Removal::AffiliationLost(moderation));
    }
    user.has(status::MEMBERS_ONLY)
        .then_some(Removal::MembersOnly)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Role;

    const ROOM: &str = "hall@rooms.example.org";

    struct View {
        occupancy: Occupancy,
        changes: Vec<RoomChange>,
    }

    impl View {
        fn new() -> Self {
            Self {
                occupancy: Occupancy::new("bot".to_owned(), false),
                changes: Vec::new(),
            }
        }

        /// Enters the room, in which alice is.
        fn inside() -> Self {
            let mut view = Self::new();
            assert!(view.apply("alice", "", "participant", "").is_none());
            let entered = view.apply("bot", "", "participant", "<status code='110'/>");
            assert!(matches!(entered, Some(OwnEvent::Entered)));
            assert!(view.changes.is_empty());
            view
        }

        fn apply(&mut self, nick: &str, kind: &str, role: &str, more: &str) -> Option<OwnEvent> {
            let kind = if kind.is_empty() {
                String::new()
            } else {
                format!("type='{kind}'")
            };
            let xml = format!(
                "<presence from='{ROOM}/{nick}' {kind}>\
                 <x xmlns='http://jabber.org/protocol/muc#user'>\
                 <item affiliation='none' role='{role}'>{more}</item>{more}</x></presence>"
            );
            let presence = Stanza::parse(&xml).unwrap();
            self.occupancy.presence(&presence, &mut self.changes)
        }
    }

    #[test]
    fn self_presence_ends_the_list_of_occupants() {
        let mut view = View::inside();
        assert!(view.occupancy.is_inside);
        assert_eq!(view.occupancy.occupants.len(), 2);
        view.apply("carol", "", "visitor", "");
        assert!(
            matches!(&view.changes[..], [RoomChange::Entered(carol)] if carol.role == Role::Visitor)
        );
    }

    #[test]
    fn service_may_choose_the_nick() {
        let mut view = View::new();
        let more = "<status code='110'/><status code='210'/>";
        assert!(matches!(
            view.apply("bot-2", "", "participant", more),
            Some(OwnEvent::Entered)
        ));
        assert_eq!(view.occupancy.nick, "bot-2");
    }

    #[test]
    fn nick_changes_move_the_occupant() {
        let mut view = View::inside();
        let xml = |from: &str, to: &str, own: &str| {
            format!(
                "<presence from='{ROOM}/{from}' type='unavailable'>\
                 <x xmlns='http://jabber.org/protocol/muc#user'>\
                 <item affiliation='none' role='participant' nick='{to}'/>\
                 <status code='303'/>{own}</x></presence>"
            )
        };
        let presence = Stanza::parse(&xml("alice", "alicia", "")).unwrap();
        assert!(
            view.occupancy
                .presence(&presence, &mut view.changes)
                .is_none()
        );
        assert!(matches!(&view.changes[..], [RoomChange::Renamed { to, .. }] if to == "alicia"));
        assert!(view.apply("alicia", "", "participant", "").is_none());
        assert_eq!(
            view.changes.len(),
            1,
            "the presence that follows is no news"
        );
        let own = "<status code='110'/>";
        let presence = Stanza::parse(&xml("bot", "robot", own)).unwrap();
        let event = view.occupancy.presence(&presence, &mut view.changes);
        assert!(matches!(event, Some(OwnEvent::Renamed)));
        assert_eq!(view.occupancy.nick, "robot");
        assert!(view.occupancy.is_own("robot", None));
        assert!(!view.occupancy.is_own("bot", None));
    }

    #[test]
    fn reasons_of_removal_are_distinguished() {
        let lost = [
            "<status code='332'/>",
            "<status code='307'/><status code='333'/>",
            "<status code='333'/>",
            "",
        ];
        for more in lost {
            let mut view = View::inside();
            let event = view.apply("bot", "unavailable", "none", more);
            assert!(matches!(event, Some(OwnEvent::Lost)), "{more}");
            assert!(view.occupancy.occupants.is_empty());
        }
        let cases = [
            (
                "<status code='307'/><actor nick='boss'/><reason>spam</reason>",
                "kicked by boss: spam",
            ),
            ("<status code='301'/>", "banned"),
            ("<status code='321'/>", "affiliation taken away"),
            ("<status code='322'/>", "the room became members-only"),
            (
                "<destroy jid='new@rooms.example.org'><reason>moved</reason></destroy>",
                "the room was destroyed: moved; the room in its place is new@rooms.example.org",
            ),
        ];
        for (more, words) in cases {
            let mut view = View::inside();
            match view.apply("bot", "unavailable", "none", more) {
                Some(OwnEvent::Removed(removal)) => assert_eq!(removal.to_string(), words),
                other => panic!("{more}: {other:?}"),
            }
        }
    }

    #[test]
    fn departures_of_others_are_changes() {
        let mut view = View::inside();
        assert!(
            view.apply("alice", "unavailable", "none", "<status code='307'/>")
                .is_none()
        );
        assert!(matches!(
            &view.changes[..],
            [RoomChange::Left { occupant, removal: Some(Removal::Kicked(_)) }]
                if occupant.nick == "alice"
        ));
        assert!(view.apply("alice", "unavailable", "none", "").is_none());
        assert_eq!(view.changes.len(), 1);
    }

    #[test]
    fn occupant_who_only_speaks_records_itself_alone() {
        let mut view = View::new();
        view.occupancy = Occupancy::new("bot".to_owned(), true);
        for n in 0..100 {
            assert!(
                view.apply(&format!("user{n}"), "", "participant", "")
                    .is_none()
            );
        }
        let entered = view.apply("bot", "", "participant", "<status code='110'/>");
        assert!(matches!(entered, Some(OwnEvent::Entered)));
        assert_eq!(view.occupancy.occupants.len(), 1);
    }

    #[test]
    fn presence_of_the_room_itself_is_not_that_of_an_occupant() {
        let mut view = View::inside();
        for kind in ["", "type='unavailable'"] {
            let presence = format!("<presence from='{ROOM}' {kind}/>");
            let presence = Stanza::parse(&presence).unwrap();
            let event = view.occupancy.presence(&presence, &mut view.changes);
            assert!(event.is_none() && view.changes.is_empty());
        }
        assert!(view.occupancy.is_inside);
    }

    #[test]
    fn nicks_may_be_newer_than_addresses() {
        let mut view = View::inside();
        assert!(
            view.apply("\u{1f9d1}\u{200d}\u{1f680}", "", "participant", "")
                .is_none()
        );
        assert_eq!(view.occupancy.occupants.len(), 3);
    }

    #[test]
    fn id_outlives_the_nick() {
        let mut occupancy = Occupancy::new("bot".to_owned(), false);
        occupancy.own_id = Some("o1".to_owned());
        assert!(occupancy.is_own("any", Some("o1")));
        assert!(!occupancy.is_own("bot", Some("o2")));
        assert!(occupancy.is_own("bot", None));
    }
}
