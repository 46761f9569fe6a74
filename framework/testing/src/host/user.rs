//! Virtual users: people on the other side of a component, without a client.

use crate::host::ids;
use std::fmt;
use std::sync::Arc;

use jid::Jid;

use super::Host;
use super::mailbox::Mailbox;
use super::raw_stanza::IntoRawStanza;
use campanile::reply::Reply;
use campanile::stanza::{Stanza, WriteError};

/// A user of the host, online until dropped.
///
/// All methods take `&self`: one task may send while another receives.
pub struct User {
    host: Host,
    jid: Jid,
    mailbox: Arc<Mailbox>,
}

/// What a user cannot be or do.
#[derive(Debug)]
#[non_exhaustive]
pub enum UserError {
    /// No address of a user.
    Jid(String),
    /// This address is online already, or belongs to a component.
    Taken(Jid),
    /// The text is not one stanza.
    Xml(String),
    /// A stanza names somebody else as its sender.
    Sender(Jid),
    /// A stanza cannot be written.
    Write(WriteError),
    /// The host is closed.
    Closed,
}

impl User {
    pub(super) fn online(host: &Host, text: &str) -> Result<Self, UserError> {
        let mut jid =
            Jid::new(text).map_err(|error| UserError::Jid(format!("{text:?}: {error}")))?;
        if jid.node().is_none() {
            return Err(UserError::Jid(format!(
                "{text:?} has no name before the domain"
            )));
        }
        if jid.resource().is_none() {
            jid = Jid::new(&format!("{jid}/home"))
                .map_err(|error| UserError::Jid(error.to_string()))?;
        }
        let mailbox = Arc::new(Mailbox::default());
        let domain = jid.domain().as_str();
        let mut state = host.shared.state();
        let component = state.is_component(domain) || host.shared.settings.expects(domain);
        if component || !state.sign_on(&jid, &mailbox) {
            return Err(UserError::Taken(jid));
        }
        drop(state);
        Ok(Self {
            host: host.clone(),
            jid,
            mailbox,
        })
    }

    /// The full JID.
    #[must_use]
    pub fn jid(&self) -> &Jid {
        &self.jid
    }

    /// Sends a stanza, or XML as text. Waits while the component takes nothing.
    ///
    /// The sender's address is filled in. What cannot be delivered comes back as an error stanza,
    /// as from a server.
    ///
    /// # Errors
    /// [`UserError::Xml`] when the text is not one stanza, [`UserError::Sender`] when it names
    /// another sender.
    pub async fn send(&self, stanza: impl IntoRawStanza) -> Result<(), UserError> {
        let mut raw = stanza.into_raw_stanza()?;
        raw.stamp(&self.jid)?;
        self.host.shared.deliver_waiting(raw).await;
        Ok(())
    }

    /// Sends a chat message.
    ///
    /// # Errors
    /// When `to` is no JID, or when `body` holds a character that XML cannot carry.
    pub async fn say(&self, to: &str, body: &str) -> Result<(), UserError> {
        let to = Jid::new(to).map_err(|error| UserError::Jid(format!("{to:?}: {error}")))?;
        self.send(Stanza::chat(to, body).map_err(UserError::Write)?)
            .await
    }

    /// Sends an IQ get or set and waits for the answer, a result or an error. Other stanzas stay
    /// where they are. An id is filled in when there is none.
    ///
    /// # Errors
    /// As [`send`](User::send), and [`UserError::Closed`] when the host is closed before an answer
    /// comes.
    pub async fn request(&self, iq: impl IntoRawStanza) -> Result<Stanza, UserError> {
        let mut raw = iq.into_raw_stanza()?;
        raw.identify(|| ids::fresh())?;
        raw.stamp(&self.jid)?;
        let id = raw.stanza.id().map(str::to_owned);
        let to = raw.stanza.to().cloned();
        self.host.shared.deliver_waiting(raw).await;
        let answer = |stanza: &Stanza| {
            stanza.kind().is_response()
                && stanza.id() == id.as_deref()
                && stanza.from() == to.as_ref()
        };
        self.mailbox.take(answer).await.ok_or(UserError::Closed)
    }

    /// Answers a stanza as a component's handler would.
    ///
    /// # Errors
    /// As [`send`](User::send).
    pub async fn answer(&self, stanza: &Stanza, reply: Reply) -> Result<(), UserError> {
        let mut answers = Vec::new();
        reply.address(stanza, |answer| answers.push(answer));
        for answer in answers {
            self.send(answer).await?;
        }
        Ok(())
    }

    /// The next stanza, as soon as there is one. `None` when the host is closed.
    pub async fn recv(&self) -> Option<Stanza> {
        self.mailbox.take(|_| true).await
    }

    /// The next stanza that is wanted; the others stay where they are. `None` when the host is
    /// closed.
    pub async fn recv_where(&self, wanted: impl Fn(&Stanza) -> bool) -> Option<Stanza> {
        self.mailbox.take(wanted).await
    }

    /// Everything that has come and was not received yet, without waiting.
    #[must_use]
    pub fn take_waiting(&self) -> Vec<Stanza> {
        self.mailbox.take_all()
    }

    /// How many stanzas have come and were not received yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.mailbox.len()
    }
}

impl Drop for User {
    fn drop(&mut self) {
        self.host.shared.state().sign_off(&self.jid);
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("jid", &self.jid.as_str())
            .field("waiting", &self.waiting())
            .finish()
    }
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jid(why) => write!(f, "no address of a user: {why}"),
            Self::Taken(jid) => write!(f, "{jid} is online already, or belongs to a component"),
            Self::Xml(why) => write!(f, "not one stanza: {why}"),
            Self::Sender(jid) => write!(f, "a user cannot send as {jid}"),
            Self::Write(error) => write!(f, "the stanza cannot be written: {error}"),
            Self::Closed => f.write_str("the host is closed"),
        }
    }
}

impl std::error::Error for UserError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Write(error) => Some(error),
            _ => None,
        }
    }
}
