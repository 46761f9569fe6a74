//! The service can be replaced between two stanzas.
//!
//! The dispatcher looks once a turn whether there is something new. While the slot is held the
//! service counts as not ready: what comes in waits its turn, within the usual bounds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// What the dispatcher is to call from its next turn on.
#[derive(Debug)]
pub(crate) struct HotSwap<S> {
    changed: AtomicBool,
    state: Mutex<State<S>>,
}

#[derive(Debug)]
struct State<S> {
    service: Option<S>,
    paused: bool,
    /// Of the link, where it waits for the slot to open.
    waker: Option<Waker>,
}

impl<S> Default for HotSwap<S> {
    fn default() -> Self {
        let state = State {
            service: None,
            paused: false,
            waker: None,
        };
        Self {
            changed: AtomicBool::new(false),
            state: Mutex::new(state),
        }
    }
}

impl<S> HotSwap<S> {
    /// Replaces the service.
    pub(crate) fn swap(&self, service: S) {
        // The old one, where the dispatcher has not even seen it, is dropped when nothing is locked
        // any more.
        let old = self.lock().service.replace(service);
        self.changed.store(true, Ordering::Release);
        drop(old);
    }

    /// Lets stanzas wait until what this gives is dropped.
    pub(crate) fn pause(self: &Arc<Self>) -> PauseGuard<S> {
        self.lock().paused = true;
        self.changed.store(true, Ordering::Release);
        PauseGuard(Arc::clone(self))
    }

    /// Whether there is something new.
    #[inline]
    pub(super) fn is_changed(&self) -> bool {
        self.changed.load(Ordering::Relaxed)
    }

    /// Whether stanzas have to wait, and the new service, where there is one.
    pub(super) fn take(&self) -> (bool, Option<S>) {
        let mut state = self.lock();
        self.changed.store(false, Ordering::Relaxed);
        (state.paused, state.service.take())
    }

    /// Has the link woken when the slot opens.
    pub(super) fn wait(&self, waker: &Waker) {
        let mut state = self.lock();
        if state.paused {
            state.waker = Some(waker.clone());
        } else {
            waker.wake_by_ref();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<S>> {
        // No code that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stanzas wait as long as this is there.
pub(crate) struct PauseGuard<S>(Arc<HotSwap<S>>);

impl<S> Drop for PauseGuard<S> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.paused = false;
        self.0.changed.store(true, Ordering::Release);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
