//! A loop that fails must not fill the disk: each place in the code that logs may do so only so often.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata};
use tracing_subscriber::layer::{Context, Filter};

const WINDOW: Duration = Duration::from_secs(10);
/// Lines of one place in the code within that time: of warnings and errors, and of what is said in good order. What somebody
/// has asked for (debug, trace) is never left out.
const TROUBLE: u32 = 50;
const ORDER: u32 = 1000;

/// Lets so many events of each place through.
#[derive(Debug, Clone, Default)]
pub(crate) struct Throttle {
    // The code has a fixed number of places.
    places: Arc<Mutex<HashMap<Identifier, Place>>>,
    left_out: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Place {
    since: Instant,
    lines: u32,
}

impl Throttle {
    /// Events left out since the process began.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    fn allows(&self, place: Identifier, level: Level, now: Instant) -> bool {
        let most = match level {
            Level::ERROR | Level::WARN => TROUBLE,
            Level::INFO => ORDER,
            _ => return true,
        };
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.entry(place).or_insert(Place { since: now, lines: 0 });
        if now.duration_since(place.since) >= WINDOW {
            *place = Place { since: now, lines: 0 };
        }
        place.lines += 1;
        let allowed = place.lines <= most;
        self.left_out.fetch_add(u64::from(!allowed), Ordering::Relaxed);
        allowed
    }
}

impl<S> Filter<S> for Throttle {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn callsite_enabled(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::always()
    }

    // Without a hint of its own, everything would have to be looked at.
    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let metadata = event.metadata();
        self.allows(metadata.callsite(), *metadata.level(), Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use tracing::Callsite;

    use super::*;

    fn place() -> Identifier {
        tracing::callsite! { name: "place", kind: tracing::metadata::Kind::EVENT, fields: message }
            .metadata()
            .callsite()
    }

    #[test]
    fn fifty_warnings_in_ten_seconds_and_all_that_was_asked_for() {
        let (throttle, now, place) = (Throttle::default(), Instant::now(), place());
        let count = |level, now| (0..2000).filter(|_| throttle.allows(place.clone(), level, now)).count();
        assert_eq!(count(Level::WARN, now), 50);
        assert_eq!(throttle.left_out(), 1950);
        assert_eq!(count(Level::DEBUG, now), 2000);
        assert_eq!(count(Level::WARN, now + WINDOW), 50);
    }
}
