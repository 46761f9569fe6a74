//! Controls for tests: settings of rooms, removals, and faults of the service.

use campanile::payload::{Affiliation, MucDestroy, status};
use campanile::stanza::{Stanza, WriteError};
use jid::BareJid;

use super::RoomService;
use super::model::Room;

impl RoomService {
    /// Returns the nicks of the occupants in the order in which they have entered.
    ///
    /// # Panics
    /// If `room` is not a JID, as in all methods.
    #[must_use]
    pub fn occupants(&self, room: &str) -> Vec<String> {
        self.with(room, |room| {
            let nicks = room.occupants.iter().map(|one| one.nick.clone());
            nicks.collect()
        })
    }

    /// Sets the password.
    pub fn set_password(&self, room: &str, password: &str) {
        self.with(room, |room| room.password = Some(password.to_owned()));
    }

    /// Admits members only.
    pub fn set_members_only(&self, room: &str) {
        self.with(room, |room| room.is_members_only = true);
    }

    /// Sets the maximum number of occupants.
    pub fn set_most(&self, room: &str, most: usize) {
        self.with(room, |room| room.most = Some(most));
    }

    /// Sets the affiliation of a user for its next visit.
    ///
    /// # Panics
    /// If `user` is not a JID.
    pub fn set_affiliation(&self, room: &str, user: &str, affiliation: Affiliation) {
        let user = bare(user);
        self.with(room, |room| room.affiliations.insert(user, affiliation));
    }

    /// Kicks an occupant.
    pub async fn kick(&self, room: &str, nick: &str, reason: &str) {
        self.remove(room, nick, &[status::KICKED], Some(reason))
            .await;
    }

    /// Bans an occupant.
    pub async fn ban(&self, room: &str, nick: &str, reason: &str) {
        self.with(room, |room| {
            if let Some(at) = room.named(nick) {
                let user = room.occupants[at].jid.to_bare();
                room.affiliations.insert(user, Affiliation::Outcast);
            }
        });
        self.remove(room, nick, &[status::BANNED], Some(reason))
            .await;
    }

    /// Removes an occupant with these status codes.
    pub async fn remove(&self, room: &str, nick: &str, statuses: &[u16], reason: Option<&str>) {
        let sent = self.with(room, |room| room.remove(nick, statuses, reason));
        self.send(sent).await;
    }

    /// Destroys a room. Everybody who wants to enter is sent to the next one.
    ///
    /// # Panics
    /// If `next` is not a JID.
    pub async fn destroy(&self, room: &str, next: &str, reason: &str) {
        let next = bare(next);
        let sent = self.with(room, |room| {
            room.moved = Some(next.clone());
            room.packets.destroy = Some(MucDestroy {
                jid: Some(next.into()),
                reason: Some(reason.to_owned()),
                password: None,
            });
            remove_all(room, &[])
        });
        self.send(sent).await;
    }

    /// Ends the service as a server does that stops: all occupants are removed, and told so.
    pub async fn shut_down(&self) {
        let sent = {
            let mut model = self.lock();
            let rooms = model.rooms.values_mut();
            let sent = rooms.map(|room| remove_all(room, &[status::SHUTDOWN]));
            sent.collect::<Result<Vec<_>, _>>()
                .map(|sent| sent.concat())
        };
        self.send(sent).await;
    }

    /// Forgets all occupants without a word, as a server does that is killed.
    pub fn forget(&self) {
        for room in self.lock().rooms.values_mut() {
            room.occupants.clear();
        }
    }

    fn with<T>(&self, room: &str, act: impl FnOnce(&mut Room) -> T) -> T {
        act(self.lock().room(&bare(room)))
    }

    async fn send(&self, sent: Result<Vec<Stanza>, WriteError>) {
        let sent = sent.unwrap_or_else(|error| panic!("cannot write presence: {error}"));
        let Some(client) = self.client.get() else {
            panic!("the service is not mounted");
        };
        for stanza in sent {
            if let Err(error) = client.send(stanza).await {
                panic!("the service has ended: {error}");
            }
        }
    }
}

fn remove_all(room: &mut Room, statuses: &[u16]) -> Result<Vec<Stanza>, WriteError> {
    let mut sent = Vec::new();
    while let Some(first) = room.occupants.first() {
        let nick = first.nick.clone();
        sent.extend(room.remove(&nick, statuses, None)?);
    }
    Ok(sent)
}

fn bare(jid: &str) -> BareJid {
    BareJid::new(jid).unwrap_or_else(|error| panic!("{jid:?} is not a JID: {error}"))
}
