//! Access control: the entries that a user may see and erase.

use campanile::address;
use campanile::error::{BoxError, Condition};
use campanile::jid::{BareJid, Jid};

use crate::Settings;

/// The permissions of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Permissions {
    pub(crate) requester: BareJid,
    admin: bool,
}

impl Permissions {
    /// Returns the permissions of a sender.
    ///
    /// # Errors
    /// `forbidden` for senders without access, and for senders that are not users: servers, and
    /// rooms of another domain.
    pub(crate) fn of(sender: &Jid, settings: &Settings) -> Result<Self, BoxError> {
        let requester = sender.to_bare();
        let admin = address::contains(&settings.admins, &requester);
        let user = requester.node().is_some() && settings.users.allows(sender);
        if admin || user {
            Ok(Self { requester, admin })
        } else {
            Err(Condition::Forbidden.into())
        }
    }

    /// Returns the user to whose entries access is limited; `None` for an admin, who sees all.
    pub(crate) fn owner(&self) -> Option<BareJid> {
        (!self.admin).then(|| self.requester.clone())
    }
}

impl Settings {
    /// Returns `true` if a user may use the archive: one of [`users`](Self::users) or
    /// [`admins`](Self::admins).
    #[must_use]
    pub fn admits(&self, user: &Jid) -> bool {
        Permissions::of(user, self).is_ok()
    }
}
