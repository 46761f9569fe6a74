//! Replaces the service of a running dispatcher between two stanzas.
//!
//! The dispatcher checks for a change once a turn. While it is paused, the service counts as not
//! ready: inbound stanzas are queued, within the usual limits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// The pending replacement of a dispatcher's service.
#[derive(Debug)]
pub(crate) struct HotSwap<S> {
    changed: AtomicBool,
    state: Mutex<State<S>>,
}

#[derive(Debug)]
struct State<S> {
    service: Option<S>,
    paused: bool,
    /// The waker of the connection, if it waits for the end of a pause.
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
    /// Replaces the service from the dispatcher's next turn on.
    pub(crate) fn swap(&self, service: S) {
        // An earlier replacement that the dispatcher never saw is dropped outside of the lock.
        let old = self.lock().service.replace(service);
        self.changed.store(true, Ordering::Release);
        drop(old);
    }

    /// Pauses the dispatcher until the returned guard is dropped.
    pub(crate) fn pause(self: &Arc<Self>) -> PauseGuard<S> {
        self.lock().paused = true;
        self.changed.store(true, Ordering::Release);
        PauseGuard(Arc::clone(self))
    }

    /// Returns `true` if anything has changed since the last [`HotSwap::take`].
    #[inline]
    pub(super) fn is_changed(&self) -> bool {
        self.changed.load(Ordering::Relaxed)
    }

    /// Returns whether the dispatcher is paused, and the new service if there is one.
    pub(super) fn take(&self) -> (bool, Option<S>) {
        let mut state = self.lock();
        self.changed.store(false, Ordering::Relaxed);
        (state.paused, state.service.take())
    }

    /// Wakes the connection when the pause ends.
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

/// Keeps the dispatcher paused until dropped.
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
