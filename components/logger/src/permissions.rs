//! Who sees what.

use campanile::error::{BoxError, Condition};
use campanile::jid::{BareJid, Jid};

use crate::Settings;

/// What somebody may see and erase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Permissions {
    pub(crate) requester: BareJid,
    admin: bool,
}

impl Permissions {
    /// The rights of a sender.
    ///
    /// # Errors
    /// Forbidden, for strangers, and for what is no person: a server, a room of another domain.
    pub(crate) fn of(sender: &Jid, settings: &Settings) -> Result<Self, BoxError> {
        let requester = sender.to_bare();
        let admin = settings.admins.contains(&requester);
        let user = requester.node().is_some() && settings.users.allows(sender);
        if admin || user {
            Ok(Self { requester, admin })
        } else {
            Err(Condition::Forbidden.into())
        }
    }

    /// Whose entries these rights are for; `None` is everybody's.
    pub(crate) fn owner(&self) -> Option<BareJid> {
        (!self.admin).then(|| self.requester.clone())
    }
}
