//! Statistics of slow routes. They are updated only for slow stanzas, so other stanzas cost
//! nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::slow_handlers::RouteStats;

/// A call that completes at its first poll within this time is not slow.
pub(super) const SLOW: Duration = Duration::from_millis(1);
/// Maximum number of routes with statistics; a component has a few dozen.
const MOST: usize = 256;

/// A route with slow stanzas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowRoute {
    /// The route: the path of its handler, or its filter.
    pub route: String,
    /// Number of stanzas whose call took at least one millisecond or had to wait.
    pub count: u64,
    /// Total time of these stanzas.
    pub total: Duration,
    /// Time of the slowest stanza.
    pub longest: Duration,
}

/// The slow routes of a component.
#[derive(Debug, Default)]
pub(super) struct SlowRoutes(Mutex<Vec<SlowRoute>>);

impl SlowRoutes {
    pub(super) fn add(&self, stats: &Arc<RouteStats>, took: Duration) {
        let mut routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let index = routes.iter().position(|known| known.route == stats.route());
        let index = match index {
            Some(index) => index,
            // Routes beyond the bound are not listed; their latency is still in the histograms.
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

    /// Returns the routes sorted by total time, the longest first.
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
