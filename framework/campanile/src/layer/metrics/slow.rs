//! Which routes take long: looked at only when a stanza was not done at once, so the others pay
//! nothing for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::slow_handlers::RouteStats;

/// What is done at its first poll within this time is not slow.
pub(super) const SLOW: Duration = Duration::from_millis(1);
/// Routes that are remembered; a component has a few dozen.
const MOST: usize = 256;

/// A route that some stanzas were not done with at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowRoute {
    /// The route: the path of its handler, or what it matches.
    pub route: String,
    /// Stanzas that took more than a millisecond, or that the handler had to wait for something
    /// for.
    pub count: u64,
    /// How long they took together.
    pub total: Duration,
    /// How long the longest took.
    pub longest: Duration,
}

/// All of a component.
#[derive(Debug, Default)]
pub(super) struct SlowRoutes(Mutex<Vec<SlowRoute>>);

impl SlowRoutes {
    pub(super) fn add(&self, stats: &Arc<RouteStats>, took: Duration) {
        let mut routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let index = routes.iter().position(|known| known.route == stats.route());
        let index = match index {
            Some(index) => index,
            // What is beyond the bound is missing here, and counted in the latency of all.
            None if routes.len() >= MOST => return,
            None => {
                let route = stats.route().to_owned();
                let zero = Duration::ZERO;
                routes.push(SlowRoute {
                    route,
                    count: 0,
                    total: zero,
                    longest: zero,
                });
                routes.len() - 1
            }
        };
        let route = &mut routes[index];
        route.count += 1;
        route.total += took;
        route.longest = route.longest.max(took);
    }

    /// Those that took longest in all come first.
    pub(super) fn read(&self) -> Vec<SlowRoute> {
        let mut routes = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        routes.sort_by_key(|route| std::cmp::Reverse(route.total));
        routes
    }
}
