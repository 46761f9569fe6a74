//! The service can be replaced between two stanzas.
//!
//! The dispatcher looks once a turn whether there is something new. While the slot is held the
//! service counts as not ready: what comes in waits its turn, within the usual bounds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// What the dispatcher is to call from its next turn on.
#[derive(Debug)]
pub(crate) struct Next<S> {
    changed: AtomicBool,
    change: Mutex<Change<S>>,
}

#[derive(Debug)]
struct Change<S> {
    service: Option<S>,
    held: bool,
    /// Of the link, where it waits for the slot to open.
    waker: Option<Waker>,
}

impl<S> Default for Next<S> {
    fn default() -> Self {
        let change = Change {
            service: None,
            held: false,
            waker: None,
        };
        Self {
            changed: AtomicBool::new(false),
            change: Mutex::new(change),
        }
    }
}

impl<S> Next<S> {
    /// Replaces the service.
    pub(crate) fn put(&self, service: S) {
        // The old one, where the dispatcher has not even seen it, is dropped when nothing is locked
        // any more.
        let old = self.lock().service.replace(service);
        self.changed.store(true, Ordering::Release);
        drop(old);
    }

    /// Lets stanzas wait until what this gives is dropped.
    pub(crate) fn hold(self: &Arc<Self>) -> Held<S> {
        self.lock().held = true;
        self.changed.store(true, Ordering::Release);
        Held(Arc::clone(self))
    }

    /// Whether there is something new.
    #[inline]
    pub(super) fn is_changed(&self) -> bool {
        self.changed.load(Ordering::Relaxed)
    }

    /// Whether stanzas have to wait, and the new service, where there is one.
    pub(super) fn take(&self) -> (bool, Option<S>) {
        let mut change = self.lock();
        self.changed.store(false, Ordering::Relaxed);
        (change.held, change.service.take())
    }

    /// Has the link woken when the slot opens.
    pub(super) fn wait(&self, waker: &Waker) {
        let mut change = self.lock();
        if change.held {
            change.waker = Some(waker.clone());
        } else {
            waker.wake_by_ref();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Change<S>> {
        // No code that can panic runs under this lock.
        self.change.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stanzas wait as long as this is there.
pub(crate) struct Held<S>(Arc<Next<S>>);

impl<S> Drop for Held<S> {
    fn drop(&mut self) {
        let mut change = self.0.lock();
        change.held = false;
        self.0.changed.store(true, Ordering::Release);
        let waker = change.waker.take();
        drop(change);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
