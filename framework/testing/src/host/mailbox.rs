//! A bounded queue of stanzas for a virtual user.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use campanile::stanza::Stanza;

/// Maximum number of queued stanzas for one user, and their total size.
const STANZAS: usize = 65_536;
const BYTES: usize = 32 * 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct Mailbox {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    stanzas: VecDeque<Stanza>,
    bytes: usize,
    closed: bool,
}

impl Mailbox {
    /// Appends a copy of a stanza. Returns `false` if the mailbox is full or closed.
    pub(super) fn push(&self, stanza: &Stanza) -> bool {
        let mut stanza = stanza.clone();
        // The stanza may stay queued for long, and must not keep its much larger input chunk alive.
        stanza.children_mut().detach();
        let mut state = self.lock();
        if state.closed || state.stanzas.len() >= STANZAS || state.bytes + stanza.weight() > BYTES {
            return false;
        }
        state.bytes += stanza.weight();
        state.stanzas.push_back(stanza);
        drop(state);
        self.arrived.notify_waiters();
        true
    }

    /// Waits for the first stanza that matches, and leaves the others in place. Returns `None` when
    /// the host is closed.
    pub(super) async fn take(&self, wanted: impl Fn(&Stanza) -> bool) -> Option<Stanza> {
        loop {
            let arrived = self.arrived.notified();
            {
                let mut state = self.lock();
                if let Some(at) = state.stanzas.iter().position(&wanted) {
                    let stanza = state.stanzas.remove(at);
                    state.bytes -= stanza.as_ref().map_or(0, Stanza::weight);
                    return stanza;
                }
                if state.closed {
                    return None;
                }
            }
            arrived.await;
        }
    }

    /// Removes and returns all queued stanzas.
    pub(super) fn take_all(&self) -> Vec<Stanza> {
        let mut state = self.lock();
        state.bytes = 0;
        state.stanzas.drain(..).collect()
    }

    /// Rejects further stanzas. Queued ones can still be received.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_waiters();
    }

    pub(super) fn len(&self) -> usize {
        self.lock().stanzas.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The caller's predicate may panic under this lock; the state is consistent even then.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
