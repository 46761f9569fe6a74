//! Virtual users, which exchange stanzas with components without a client.

use crate::host::ids;
use std::fmt;
use std::sync::Arc;

use jid::Jid;

use super::mailbox::Mailbox;
use super::raw_stanza::IntoRawStanza;
use super::{Host, UserError};
use campanile::reply::Reply;
use campanile::stanza::Stanza;

/// A virtual user of a [`Host`], online until dropped.
///
/// All methods take `&self`, so one task may send while another receives.
///
/// With the feature `testing`, assertions such as [`expect`](User::expect) are available.
pub struct User {
    host: Host,
    jid: Jid,
    mailbox: Arc<Mailbox>,
}

impl User {
    pub(super) fn online(host: &Host, text: &str) -> Result<Self, UserError> {
        let mut jid =
            Jid::new(text).map_err(|error| UserError::Jid(format!("{text:?}: {error}")))?;
        if jid.node().is_none() {
            return Err(UserError::Jid(format!("{text:?} has no localpart")));
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

    /// Returns the full JID.
    #[must_use]
    pub fn jid(&self) -> &Jid {
        &self.jid
    }

    /// Sends a stanza, or XML as text. Waits while the component's buffer is full.
    ///
    /// The sender's address is filled in. A stanza that cannot be delivered is answered with an
    /// error stanza, as by a server.
    ///
    /// # Errors
    /// Returns [`UserError::Xml`] if the text is not a single stanza, and [`UserError::Sender`] if
    /// it names another sender.
    pub async fn send(&self, stanza: impl IntoRawStanza) -> Result<(), UserError> {
        let mut raw = stanza.into_raw_stanza()?;
        raw.stamp(&self.jid)?;
        self.host.shared.deliver_waiting(raw).await;
        Ok(())
    }

    /// Sends a chat message.
    ///
    /// # Errors
    /// Returns an error if `to` is not a JID, or if `body` contains a character that XML does not
    /// allow.
    pub async fn say(&self, to: &str, body: &str) -> Result<(), UserError> {
        let to = Jid::new(to).map_err(|error| UserError::Jid(format!("{to:?}: {error}")))?;
        self.send(Stanza::chat(to, body).map_err(UserError::Write)?)
            .await
    }

    /// Sends an IQ get or set and waits for the response, a result or an error.
    ///
    /// Other stanzas stay in the mailbox. A missing id is filled in.
    ///
    /// # Errors
    /// As [`send`](User::send), and [`UserError::Closed`] if the host is closed before a response
    /// arrives.
    pub async fn request(&self, iq: impl IntoRawStanza) -> Result<Stanza, UserError> {
        let mut raw = iq.into_raw_stanza()?;
        raw.identify(ids::fresh)?;
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

    /// Replies to a stanza as a component's handler would.
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

    /// Receives the next stanza. Returns `None` when the host is closed.
    pub async fn recv(&self) -> Option<Stanza> {
        self.mailbox.take(|_| true).await
    }

    /// Receives the next stanza that matches, and leaves the others in the mailbox. Returns `None`
    /// when the host is closed.
    pub async fn recv_where(&self, wanted: impl Fn(&Stanza) -> bool) -> Option<Stanza> {
        self.mailbox.take(wanted).await
    }

    /// Removes and returns all stanzas that have not been received yet, without waiting.
    #[must_use]
    pub fn take_waiting(&self) -> Vec<Stanza> {
        self.mailbox.take_all()
    }

    /// Returns the number of stanzas that have not been received yet.
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
