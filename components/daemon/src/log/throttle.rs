//! A loop that fails must not fill the disk: each place in the code that logs may do so only so
//! often.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

const WINDOW: Duration = Duration::from_secs(10);
/// Lines of one place in the code within that time: of warnings and errors, and of what is said in
/// good order. What somebody has asked for (debug, trace) is never left out.
const TROUBLE: u32 = 50;
const ORDER: u32 = 1000;

/// Lets so many events of each place through.
#[derive(Debug, Clone, Default)]
pub(crate) struct Throttle {
    // The code has a fixed number of places.
    places: Arc<Mutex<HashMap<Identifier, Place>>>,
    suppressed: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Place {
    since: Instant,
    lines: u32,
}

impl Throttle {
    /// Events left out since the process began.
    pub(crate) fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }

    fn allows(&self, place: Identifier, level: Level, now: Instant) -> bool {
        let most = match level {
            Level::ERROR | Level::WARN => TROUBLE,
            Level::INFO => ORDER,
            _ => return true,
        };
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.entry(place).or_insert(Place {
            since: now,
            lines: 0,
        });
        if now.duration_since(place.since) >= WINDOW {
            *place = Place {
                since: now,
                lines: 0,
            };
        }
        place.lines += 1;
        let allowed = place.lines <= most;
        self.suppressed
            .fetch_add(u64::from(!allowed), Ordering::Relaxed);
        allowed
    }
}

/// A format of events that leaves out what comes too often.
// Not a filter: one that turns down a single event (`event_enabled`) leaves a mark in the thread,
// and the thread's next events are turned down with it.
#[derive(Debug)]
pub(super) struct Throttled<F> {
    inner: F,
    throttle: Throttle,
}

impl<F> Throttled<F> {
    pub(super) fn new(inner: F, throttle: Throttle) -> Self {
        Self { inner, throttle }
    }
}

impl<S, N, F> FormatEvent<S, N> for Throttled<F>
where
    S: Subscriber + for<'l> LookupSpan<'l>,
    N: for<'w> FormatFields<'w> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        if !self
            .throttle
            .allows(metadata.callsite(), *metadata.level(), Instant::now())
        {
            return Ok(());
        }
        self.inner.format_event(context, writer, event)
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
        let throttle = Throttle::default();
        let now = Instant::now();
        let place = place();
        let count = |level, now| {
            (0..2000)
                .filter(|_| throttle.allows(place.clone(), level, now))
                .count()
        };
        assert_eq!(count(Level::WARN, now), 50);
        assert_eq!(throttle.suppressed(), 1950);
        assert_eq!(count(Level::DEBUG, now), 2000);
        assert_eq!(count(Level::WARN, now + WINDOW), 50);
    }
}
