//! As whom somebody may speak, and to whom: the same for callers of the HTTP side and for bots
//! elsewhere.

use std::fmt;

use campanile::jid::{BareJid, Jid};
use campanile::stanza::Stanza;

use crate::settings::{Bot, Grant};

/// What somebody may do.
#[derive(Debug, Clone)]
pub(crate) struct Permissions {
    /// The one address to speak as; `None` for every one in the domain.
    own: Option<BareJid>,
    to: Grant,
    domain: Jid,
}

/// Why a stanza is not sent on somebody's behalf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Denied {
    /// Not as this address.
    From(String),
    /// Not to that one.
    To(String),
    /// It says not to whom.
    MissingTo,
}

impl Permissions {
    /// Those of a bot; one without a localpart has every address that no other has.
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

    /// To speak as every address of the domain.
    pub(crate) fn domain_wide(to: Grant, domain: &Jid) -> Self {
        Self {
            own: None,
            to,
            domain: domain.clone(),
        }
    }

    /// Whether they are those of one address alone.
    pub(crate) fn is_single_address(&self) -> bool {
        self.own.is_some()
    }

    /// Fills in and checks the addresses.
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
        Ok(stanza.with_from(from).with_to(to))
    }
}

impl Denied {
    /// The key of the JSON that is at fault.
    pub(crate) const fn field(&self) -> &'static str {
        match self {
            Self::From(_) => "from",
            Self::To(_) | Self::MissingTo => "to",
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::From(jid) => write!(f, "no right to speak as {jid}"),
            Self::To(jid) => write!(f, "no right to write to {jid}"),
            Self::MissingTo => f.write_str("is missing"),
        }
    }
}
