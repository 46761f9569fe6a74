//! Permissions of senders: the addresses they may use as `from` and as `to`.
//!
//! The same rules hold for clients of the HTTP API and for bots behind a broker.

use std::fmt;

use campanile::jid::{BareJid, Jid};
use campanile::stanza::{Kind, Stanza};

use crate::settings::{Bot, Grant};

/// The permissions of an API token or of a bot.
#[derive(Debug, Clone)]
pub(crate) struct Permissions {
    /// The only permitted `from`; `None` permits every address of the domain.
    own: Option<BareJid>,
    to: Grant,
    domain: Jid,
}

/// The reason why a stanza may not be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Denied {
    /// The `from` address is not permitted.
    From(String),
    /// The `to` address is not permitted.
    To(String),
    /// The stanza has no `to` address.
    MissingTo,
    /// The stanza is a message without content.
    Empty,
}

impl Permissions {
    /// Returns the permissions of a bot. A bot without a localpart may use every address of the
    /// domain.
    pub(crate) fn of_bot(bot: &Bot, domain: &Jid) -> Self {
        let own = bot
            .localpart
            .as_ref()
            .and_then(|localpart| BareJid::new(&format!("{localpart}@{domain}")).ok());
        Self {
            own,
            to: bot.to.clone(),
            domain: domain.clone(),
        }
    }

    /// Returns permissions for every address of the domain.
    pub(crate) fn domain_wide(to: Grant, domain: &Jid) -> Self {
        Self {
            own: None,
            to,
            domain: domain.clone(),
        }
    }

    /// Returns `true` if only one `from` address is permitted.
    pub(crate) fn is_single_address(&self) -> bool {
        self.own.is_some()
    }

    /// Fills in a missing `from` and checks both addresses.
    pub(crate) fn address(&self, stanza: Stanza) -> Result<Stanza, Denied> {
        let usual = || {
            self.own
                .clone()
                .map_or_else(|| self.domain.clone(), Jid::from)
        };
        let from = stanza.from().cloned().unwrap_or_else(usual);
        let own = match &self.own {
            Some(own) => from.to_bare() == *own,
            None => from.domain() == self.domain.domain(),
        };
        if !own {
            return Err(Denied::From(from.to_string()));
        }
        let to = stanza.to().cloned().ok_or(Denied::MissingTo)?;
        if !self.to.covers(&to, self.domain.domain().as_str()) {
            return Err(Denied::To(to.to_string()));
        }
        if is_empty(&stanza) {
            return Err(Denied::Empty);
        }
        Ok(stanza.with_from(from).with_to(to))
    }
}

/// Returns `true` for a message without content, which no client shows.
pub(crate) fn is_empty(stanza: &Stanza) -> bool {
    matches!(stanza.kind(), Kind::Message(_)) && stanza.children().is_empty()
}

impl Denied {
    /// Returns the JSON key that caused the error.
    pub(crate) const fn field(&self) -> &'static str {
        match self {
            Self::From(_) => "from",
            Self::To(_) | Self::MissingTo => "to",
            Self::Empty => "body",
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::From(jid) => write!(f, "not permitted to send as {jid}"),
            // A domain is usually a localpart, written without its domain.
            Self::To(jid) if !jid.contains(['@', '/']) => write!(
                f,
                "not permitted to send to the domain {jid}: write a user as \
                {jid}@example.org, or extend `to` in the configuration"
            ),
            Self::To(jid) => write!(f, "not permitted to send to {jid}"),
            Self::MissingTo => f.write_str("required"),
            Self::Empty => f.write_str("the message has no content: add a `body` or another key"),
        }
    }
}
