//! What has come for a virtual user and was not looked at yet, bounded.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use campanile::stanza::Stanza;

/// Stanzas that wait for one user, and their bytes.
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
    /// Takes a copy of a stanza in; false when there is no room.
    pub(super) fn push(&self, stanza: &Stanza) -> bool {
        let mut stanza = stanza.clone();
        // It may wait for long, and must not keep alive the much larger chunk that it came in.
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

    /// The first stanza that is wanted, as soon as it is there; the others stay. `None` when the
    /// host is closed.
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

    /// Everything that is there.
    pub(super) fn take_all(&self) -> Vec<Stanza> {
        let mut state = self.lock();
        state.bytes = 0;
        state.stanzas.drain(..).collect()
    }

    /// Takes nothing in any more; what is there can still be taken out.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_waiters();
    }

    pub(super) fn len(&self) -> usize {
        self.lock().stanzas.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The caller's predicate may panic under this lock; the state is whole all the same.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
