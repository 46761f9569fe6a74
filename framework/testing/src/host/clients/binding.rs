//! Login of accounts, and binding of their resources (RFC 6120 §7).

use std::sync::Arc;

use jid::{BareJid, Jid};

use super::account::{Login, Resource};
use crate::host::ids;
use crate::host::refusal;
use crate::host::state::{Shared, State};
use crate::host::write_buffer::WriteBuffer;

impl Shared {
    pub(super) fn login(&self, account: &BareJid) -> Option<Arc<Login>> {
        self.state()
            .accounts
            .get(account)
            .map(|account| Arc::clone(&account.login))
    }

    /// Binds a resource (RFC 6120 §7), the requested one if it is free.
    pub(super) fn bind(
        &self,
        account: &BareJid,
        wish: Option<&str>,
        stream: &Arc<WriteBuffer>,
    ) -> Option<Jid> {
        let made = || account.with_resource_str(&ids::fresh()).ok();
        let mut state = self.state();
        let wished = wish.and_then(|wish| account.with_resource_str(wish).ok());
        let free = wished.filter(|jid| state.online(&jid.clone().into()).is_empty());
        let jid: Jid = free.or_else(made)?.into();
        let mut old = None;
        state.opened(stream);
        if let Some(account) = state.accounts.get_mut(account) {
            let at = account
                .resources
                .iter()
                .position(|resource| resource.jid == jid);
            old = at.map(|at| account.resources.remove(at));
            let resource = Resource::new(jid.clone(), Arc::clone(stream));
            account.resources.push(resource);
        }
        drop(state);
        if let Some(old) = old {
            // As in Prosody, the newest client wins: it is the one its user is looking at.
            self.say_unavailable(account, &old.jid, old.presence.is_some(), Vec::new());
            old.stream.finish(refusal::replaced().as_bytes());
        }
        Some(jid)
    }

    /// Unbinds the resource of a closed stream.
    pub(super) fn unbind(&self, account: &BareJid, stream: &Arc<WriteBuffer>) {
        let mut state = self.state();
        state.opened(stream);
        let State { accounts, .. } = &mut *state;
        let Some(resources) = accounts
            .get_mut(account)
            .map(|account| &mut account.resources)
        else {
            return;
        };
        let Some(at) = resources
            .iter()
            .position(|resource| Arc::ptr_eq(&resource.stream, stream))
        else {
            return;
        };
        let mut gone = resources.remove(at);
        drop(state);
        let directed = gone.take_directed();
        self.say_unavailable(account, &gone.jid, gone.presence.is_some(), directed);
    }
}
