//! Rate limit per log call site, so that a failing loop cannot fill the disk.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Period over which the lines of a call site are counted.
const WINDOW: Duration = Duration::from_secs(10);
/// Warnings and errors per call site and window. DEBUG and TRACE are never suppressed: they are on
/// only when asked for.
const MAX_WARNINGS: u32 = 50;
/// INFO lines per call site and window.
const MAX_INFO: u32 = 1000;
/// Characters of a suppressed message that are reported.
const MAX_MESSAGE: usize = 200;

/// Limits the events of each call site.
#[derive(Debug, Clone, Default)]
pub(crate) struct Throttle {
    // Bounded, since the program has a fixed number of call sites.
    sites: Arc<Mutex<HashMap<Identifier, CallSite>>>,
    suppressed: Arc<AtomicU64>,
}

#[derive(Debug)]
struct CallSite {
    since: Instant,
    lines: u32,
    suppressed: Suppressed,
}

/// The suppressed lines of one call site.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Suppressed {
    pub(crate) lines: u64,
    /// The message of the first one.
    pub(crate) message: String,
}

impl Throttle {
    /// Returns the number of events suppressed since the process started.
    pub(crate) fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }

    /// Returns what was suppressed since the last call, for each call site.
    pub(crate) fn take(&self) -> Vec<Suppressed> {
        let mut sites = self.sites.lock();
        let taken = sites
            .values_mut()
            .filter(|site| site.suppressed.lines > 0)
            .map(|site| std::mem::take(&mut site.suppressed));
        taken.collect()
    }

    fn allows(
        &self,
        site: Identifier,
        level: Level,
        now: Instant,
        message: impl FnOnce() -> String,
    ) -> bool {
        let most = match level {
            Level::ERROR | Level::WARN => MAX_WARNINGS,
            Level::INFO => MAX_INFO,
            _ => return true,
        };
        let mut sites = self.sites.lock();
        let site = sites.entry(site).or_insert(CallSite {
            since: now,
            lines: 0,
            suppressed: Suppressed::default(),
        });
        if now.duration_since(site.since) >= WINDOW {
            site.since = now;
            site.lines = 0;
        }
        site.lines += 1;
        if site.lines <= most {
            return true;
        }
        if site.suppressed.lines == 0 {
            site.suppressed.message = message();
        }
        site.suppressed.lines += 1;
        self.suppressed.fetch_add(1, Ordering::Relaxed);
        false
    }
}

/// The beginning of the message of an event.
#[derive(Debug, Default)]
struct Message(String);

impl Message {
    fn of(event: &Event<'_>) -> String {
        let mut message = Self::default();
        event.record(&mut message);
        message.0
    }
}

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}").chars().take(MAX_MESSAGE).collect();
        }
    }
}

/// An event format that suppresses events of call sites over their limit.
// Not a filter: rejecting a single event in `event_enabled` leaves per-thread state behind, and the
// next events of that thread would be rejected as well.
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
        let message = || Message::of(event);
        if !self.throttle.allows(
            metadata.callsite(),
            *metadata.level(),
            Instant::now(),
            message,
        ) {
            return Ok(());
        }
        self.inner.format_event(context, writer, event)
    }
}

#[cfg(test)]
mod tests {
    use tracing::Callsite;

    use super::*;

    fn call_site() -> Identifier {
        tracing::callsite! { name: "site", kind: tracing::metadata::Kind::EVENT, fields: message }
            .metadata()
            .callsite()
    }

    #[test]
    fn throttle_passes_fifty_warnings_per_window_and_every_debug_event() {
        let throttle = Throttle::default();
        let now = Instant::now();
        let site = call_site();
        let count = |level, now| {
            (0..2000)
                .filter(|_| throttle.allows(site.clone(), level, now, || "full".to_owned()))
                .count()
        };
        assert_eq!(count(Level::WARN, now), 50);
        assert_eq!(throttle.suppressed(), 1950);
        let full = Suppressed {
            lines: 1950,
            message: "full".to_owned(),
        };
        assert_eq!(throttle.take(), [full]);
        assert_eq!(throttle.take(), []);
        assert_eq!(count(Level::DEBUG, now), 2000);
        assert_eq!(count(Level::WARN, now + WINDOW), 50);
    }
}
