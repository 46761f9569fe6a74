//! Rooms and their occupants, and what each stanza changes.

use std::collections::{HashMap, VecDeque};

use campanile::error::{Condition, ErrorType, StanzaError};
use campanile::payload::{Affiliation, Muc, Role, status};
use campanile::reply::Reply;
use campanile::stanza::{Kind, MessageType, PresenceType, Stanza, WriteError};
use jid::{BareJid, Jid};
use tokio::time::Instant;

use super::occupant::Occupant;
use super::packets::Packets;

/// The number of messages that a room keeps.
const HISTORY: usize = 20;

/// All rooms by address.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) rooms: HashMap<BareJid, Room>,
}

/// One room.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) packets: Packets,
    pub(super) occupants: Vec<Occupant>,
    pub(super) password: Option<String>,
    pub(super) is_members_only: bool,
    pub(super) affiliations: HashMap<BareJid, Affiliation>,
    /// The maximum number of occupants.
    pub(super) most: Option<usize>,
    /// The room in place of this one, which is gone.
    pub(super) moved: Option<BareJid>,
    subject: String,
    history: VecDeque<(Instant, Stanza)>,
    /// The number of messages so far.
    said: u64,
}

/// The result of a stanza: the stanzas to send, or an error for its sender.
type Outcome = Result<Vec<Stanza>, Failure>;

#[derive(Debug)]
enum Failure {
    Refused(StanzaError),
    Write(WriteError),
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        Self::Write(error)
    }
}

impl From<Condition> for Failure {
    fn from(condition: Condition) -> Self {
        Self::Refused(condition.into())
    }
}

impl Model {
    /// Returns a room, which is created if there is none.
    pub(super) fn room(&mut self, jid: &BareJid) -> &mut Room {
        self.rooms
            .entry(jid.clone())
            .or_insert_with(|| Room::new(jid))
    }

    /// Applies a stanza.
    pub(super) fn handle(&mut self, stanza: &Stanza) -> Result<Reply, WriteError> {
        let (Some(from), Some(to)) = (stanza.from(), stanza.to()) else {
            return Ok(Reply::Empty);
        };
        let room = self.room(&to.to_bare());
        let nick = to.resource().map(|nick| nick.as_str());
        let outcome = match stanza.kind() {
            Kind::Presence(PresenceType::Available) => room.available(from, nick, stanza),
            Kind::Presence(PresenceType::Unavailable) => room.leave(from),
            Kind::Message(MessageType::Groupchat) => room.groupchat(from, stanza),
            Kind::Message(MessageType::Chat) => room.whisper(from, nick, stanza),
            Kind::Iq(_) => return Ok(room.iq(from, nick)),
            _ => Ok(Vec::new()),
        };
        let one = |stanza| Reply::Stanza(Box::new(stanza));
        match outcome {
            Ok(stanzas) => Ok(Reply::Multiple(stanzas.into_iter().map(one).collect())),
            Err(Failure::Write(error)) => Err(error),
            Err(Failure::Refused(error)) => {
                let refusal = stanza.reply(stanza.kind().to_error());
                Ok(one(refusal.with_children(error.to_children())))
            }
        }
    }
}

impl Room {
    fn new(jid: &BareJid) -> Self {
        Self {
            packets: Packets::new(jid.clone()),
            occupants: Vec::new(),
            password: None,
            is_members_only: false,
            affiliations: HashMap::new(),
            most: None,
            moved: None,
            subject: String::new(),
            history: VecDeque::new(),
            said: 0,
        }
    }

    pub(super) fn position(&self, jid: &Jid) -> Option<usize> {
        self.occupants.iter().position(|one| one.jid == *jid)
    }

    pub(super) fn named(&self, nick: &str) -> Option<usize> {
        self.occupants.iter().position(|one| one.nick == nick)
    }

    fn available(&mut self, from: &Jid, nick: Option<&str>, presence: &Stanza) -> Outcome {
        let nick = nick.ok_or(Condition::JidMalformed)?;
        let request = presence.child::<Muc>().ok();
        match self.position(from) {
            Some(at) if self.occupants[at].nick != nick => self.rename(at, nick),
            Some(at) => match request {
                Some(request) => self.welcome(at, &request),
                None => self.broadcast(at),
            },
            None => self.enter(from, nick, &request.unwrap_or_default()),
        }
    }

    fn enter(&mut self, from: &Jid, nick: &str, request: &Muc) -> Outcome {
        let affiliation = self.admit(from, nick, request)?;
        let role = match affiliation {
            Affiliation::Owner | Affiliation::Admin => Role::Moderator,
            _ => Role::Participant,
        };
        self.occupants.push(Occupant {
            nick: nick.to_owned(),
            jid: from.clone(),
            role,
            affiliation,
        });
        let at = self.occupants.len() - 1;
        let mut sent = Vec::new();
        for other in &self.occupants[..at] {
            let presence = self.packets.presence(&self.occupants[at], &[])?;
            sent.push(presence.with_to(other.jid.clone()));
        }
        sent.extend(self.welcome(at, request)?);
        Ok(sent)
    }

    /// Returns the affiliation of a user who may enter.
    fn admit(&self, from: &Jid, nick: &str, request: &Muc) -> Result<Affiliation, Failure> {
        if let Some(next) = &self.moved {
            let text = format!("xmpp:{next}?join");
            return Err(Failure::Refused(
                StanzaError::new(Condition::Gone).with_text(text),
            ));
        }
        let affiliation = self.affiliations.get(&from.to_bare()).copied();
        let affiliation = affiliation.unwrap_or(Affiliation::None);
        if affiliation == Affiliation::Outcast {
            return Err(Condition::Forbidden.into());
        }
        if self.is_members_only && affiliation == Affiliation::None {
            return Err(Condition::RegistrationRequired.into());
        }
        if self.password.is_some() && request.password != self.password {
            return Err(Condition::NotAuthorized.into());
        }
        if self.most.is_some_and(|most| self.occupants.len() >= most) {
            let full = StanzaError::new(Condition::ServiceUnavailable);
            return Err(Failure::Refused(full.with_type(ErrorType::Wait)));
        }
        if self.named(nick).is_some() {
            return Err(Condition::Conflict.into());
        }
        Ok(affiliation)
    }

    /// Returns the welcome of a new occupant: who is inside, its own presence, history, subject.
    fn welcome(&self, at: usize, request: &Muc) -> Outcome {
        let own = &self.occupants[at];
        let mut sent = Vec::new();
        for other in self.occupants.iter().filter(|other| other.jid != own.jid) {
            sent.push(self.packets.presence(other, &[])?);
        }
        sent.push(self.packets.presence(own, &[status::SELF_PRESENCE])?);
        sent.extend(self.remembered(request)?);
        sent.push(self.packets.subject(&self.subject)?);
        let to_own = |stanza: Stanza| stanza.with_to(own.jid.clone());
        Ok(sent.into_iter().map(to_own).collect())
    }

    /// Returns the part of the history that is asked for.
    fn remembered(&self, request: &Muc) -> Result<Vec<Stanza>, WriteError> {
        let wanted = request.history.clone().unwrap_or_default();
        if wanted.maxchars == Some(0) {
            return Ok(Vec::new());
        }
        let most = wanted.maxstanzas.map_or(HISTORY, |most| most as usize);
        let seconds = wanted.seconds.map_or(u64::MAX, u64::from);
        let recent = |(at, _): &&(Instant, Stanza)| at.elapsed().as_secs() <= seconds;
        let recent: Vec<_> = self.history.iter().filter(recent).collect();
        let first = recent.len().saturating_sub(most);
        let delayed = |(_, message): &&(Instant, Stanza)| self.packets.delayed(message);
        recent[first..].iter().map(delayed).collect()
    }

    /// Sends the presence of an occupant to all.
    fn broadcast(&self, at: usize) -> Outcome {
        let own = &self.occupants[at];
        Ok(self.to_all(&self.packets.presence(own, &[])?))
    }

    fn rename(&mut self, at: usize, nick: &str) -> Outcome {
        if self.named(nick).is_some() {
            return Err(Condition::Conflict.into());
        }
        let mut sent = self.gone(at, Some(nick), &[status::NICK_CHANGED])?;
        nick.clone_into(&mut self.occupants[at].nick);
        sent.extend(self.broadcast(at)?);
        Ok(sent)
    }

    fn leave(&mut self, from: &Jid) -> Outcome {
        let Some(at) = self.position(from) else {
            return Ok(Vec::new());
        };
        let sent = self.gone(at, None, &[])?;
        self.occupants.remove(at);
        Ok(sent)
    }

    /// Returns unavailable presence of an occupant for all, itself included.
    fn gone(
        &self,
        at: usize,
        new_nick: Option<&str>,
        statuses: &[u16],
    ) -> Result<Vec<Stanza>, WriteError> {
        let leaving = &self.occupants[at];
        let mut sent = Vec::new();
        for other in &self.occupants {
            let mut statuses = statuses.to_vec();
            if other.jid == leaving.jid {
                statuses.push(status::SELF_PRESENCE);
            }
            let presence = self.packets.unavailable(leaving, new_nick, statuses)?;
            sent.push(presence.with_to(other.jid.clone()));
        }
        Ok(sent)
    }

    fn groupchat(&mut self, from: &Jid, message: &Stanza) -> Outcome {
        let at = self.position(from).ok_or(Condition::NotAcceptable)?;
        let speaker = &self.occupants[at];
        if speaker.role == Role::Visitor {
            return Err(Condition::Forbidden.into());
        }
        self.said += 1;
        let passed_on = self.packets.message(speaker, message, self.said)?;
        let subject = message.children().find("jabber:client", "subject");
        match subject {
            Some(subject) if message.children().find("jabber:client", "body").is_none() => {
                self.subject = subject.text().into_owned();
            }
            _ => {
                self.history.push_back((Instant::now(), passed_on.clone()));
                if self.history.len() > HISTORY {
                    self.history.pop_front();
                }
            }
        }
        Ok(self.to_all(&passed_on))
    }

    fn whisper(&self, from: &Jid, nick: Option<&str>, message: &Stanza) -> Outcome {
        let at = self.position(from).ok_or(Condition::NotAcceptable)?;
        let target = nick.and_then(|nick| self.named(nick));
        let target = &self.occupants[target.ok_or(Condition::ItemNotFound)?];
        let whispered = self.packets.private(&self.occupants[at], message)?;
        Ok(vec![whispered.with_to(target.jid.clone())])
    }

    /// Answers a request to an occupant. A ping of oneself is answered by the room itself
    /// (XEP-0410 §4).
    fn iq(&self, from: &Jid, nick: Option<&str>) -> Reply {
        let condition = match (self.position(from), nick.map(|nick| self.named(nick))) {
            (_, None) => Condition::ServiceUnavailable,
            (None, _) => Condition::NotAcceptable,
            (Some(own), Some(Some(target))) if own == target => return Reply::Empty,
            (_, Some(None)) => Condition::ItemNotFound,
            _ => Condition::FeatureNotImplemented,
        };
        Reply::Error(condition.into())
    }

    fn to_all(&self, stanza: &Stanza) -> Vec<Stanza> {
        let to = |one: &Occupant| stanza.clone().with_to(one.jid.clone());
        self.occupants.iter().map(to).collect()
    }

    /// Removes an occupant, and returns what is sent.
    pub(super) fn remove(
        &mut self,
        nick: &str,
        statuses: &[u16],
        reason: Option<&str>,
    ) -> Result<Vec<Stanza>, WriteError> {
        let Some(at) = self.named(nick) else {
            return Ok(Vec::new());
        };
        self.packets.reason = reason.map(str::to_owned);
        let sent = self.gone(at, None, statuses);
        self.packets.reason = None;
        self.occupants.remove(at);
        sent
    }
}
