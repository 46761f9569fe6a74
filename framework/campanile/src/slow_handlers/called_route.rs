//! The route that a stanza has reached.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::RouteStats;

/// The route called last for one stanza, shared by its [`Inbound`](crate::inbound::Inbound)
/// and the dispatcher.
#[derive(Debug, Clone, Default)]
pub(crate) struct CalledRoute(Arc<Mutex<Called>>);

#[derive(Debug, Clone, Default)]
struct Called {
    route: Option<Arc<RouteStats>>,
    /// The route around it: a handler is called within its layers.
    outer: Option<Arc<RouteStats>>,
    /// The message has a body, and the route handles only an annotation such as a chat state.
    body_ignored: bool,
    limited: Option<RateLimited>,
}

/// The rate limit that has rejected a stanza, before it reached a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RateLimited {
    Sender,
    Domain,
}

impl RateLimited {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sender => "per_sender",
            Self::Domain => "per_domain",
        }
    }
}

impl CalledRoute {
    /// Returns an empty record for the next stanza. It reuses this allocation, unless the last
    /// stanza is still being handled.
    pub(crate) fn renew(&mut self) -> Self {
        match Arc::get_mut(&mut self.0) {
            Some(called) => {
                *called.get_mut().unwrap_or_else(PoisonError::into_inner) = Called::default();
            }
            None => *self = Self::default(),
        }
        self.clone()
    }

    /// Returns the route that was called last.
    pub(crate) fn get(&self) -> Option<Arc<RouteStats>> {
        self.lock().route.clone()
    }

    /// Returns the rate limit that has rejected the stanza.
    pub(crate) fn limited(&self) -> Option<RateLimited> {
        self.lock().limited
    }

    pub(crate) fn set_limited(&self, by: RateLimited) {
        self.lock().limited = Some(by);
    }

    /// Records that the body of this message reaches no handler for bodies.
    pub(crate) fn ignore_body(&self) {
        self.lock().body_ignored = true;
    }

    /// Returns `true` if the body of this message reached no handler for bodies.
    pub(crate) fn is_body_ignored(&self) -> bool {
        self.lock().body_ignored
    }

    /// Returns a copy that no longer changes with this record.
    pub(crate) fn detached(&self) -> Self {
        Self(Arc::new(Mutex::new(self.lock().clone())))
    }

    /// Returns the outermost route, and the one that was called last.
    pub(super) fn routes(&self) -> Option<(Arc<RouteStats>, Arc<RouteStats>)> {
        let called = self.lock();
        let route = called.route.clone()?;
        Some((
            called.outer.clone().unwrap_or_else(|| Arc::clone(&route)),
            route,
        ))
    }

    pub(super) fn set(&self, route: &Arc<RouteStats>) {
        let mut called = self.lock();
        if let Some(outer) = called.route.replace(Arc::clone(route)) {
            called.outer.get_or_insert(outer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Called> {
        // No code that can panic runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_of_a_stanza_in_progress_is_not_reused() {
        let stats = RouteStats::new("route", false);
        let mut current = CalledRoute::default();
        let first = current.renew();
        stats.enter(&first);
        assert!(current.get().is_some());
        let second = current.renew();
        assert!(first.get().is_some() && second.get().is_none());
        stats.enter(&second);
        drop(second);
        assert!(current.renew().get().is_none());
    }
}
