//! The log of lost connections, failed attempts and reconnects.

use jid::BareJid;
use tokio::time::{Duration, Instant};
use tracing::field::display;

use crate::settings::rough_duration;

/// Interval of the lines while an outage lasts, and of those about a connection that keeps failing.
const REPEAT: Duration = Duration::from_secs(30);
/// Maximum number of causes whose first occurrence in an outage is logged at once.
const CAUSES: usize = 4;

/// Logs an outage in few lines: its start, one line every 30 s, and its end. Repetitions are
/// counted.
#[derive(Debug, Default)]
pub(super) struct AttemptLog {
    outage: Option<Outage>,
    /// `true` once a connection has been mounted.
    was_mounted: bool,
}

/// A lost or failed connection, and what followed until a connection was stable.
#[derive(Debug)]
struct Outage {
    /// Start of the current period without a connection.
    since: Instant,
    attempts: u32,
    /// The failures since the last line.
    repeated: u32,
    causes: Vec<String>,
    failed: Option<Instant>,
    mounted: Option<Instant>,
    connected: bool,
}

/// A failure to be logged.
pub(super) struct Failure<'a> {
    pub(super) domain: &'a BareJid,
    pub(super) why: &'a str,
    pub(super) retry: Duration,
    /// The server refused the component before it was ever connected.
    pub(super) refused: bool,
    /// The connection had been stable.
    pub(super) stable: bool,
}

impl AttemptLog {
    pub(super) fn failed(&mut self, failure: &Failure<'_>) {
        if failure.stable {
            self.outage = None;
        }
        let now = Instant::now();
        let outage = self.outage.get_or_insert_with(|| Outage::new(now));
        if std::mem::take(&mut outage.connected) {
            outage.since = now;
            outage.attempts = 0;
        }
        if !outage.is_due(failure.why, now) {
            outage.repeated += 1;
            return;
        }
        let jid = failure.domain;
        let retry_in = rough_duration(failure.retry);
        // The number of the next attempt.
        let attempt = outage.attempts.saturating_add(1);
        let lasts = now.duration_since(outage.since);
        // The first line of an outage has neither.
        let lasts = (!lasts.is_zero()).then(|| display(rough_duration(lasts)));
        let repeated = Some(std::mem::take(&mut outage.repeated)).filter(|count| *count > 0);
        let why = one_line(failure.why);
        if failure.refused {
            tracing::error!(%jid, %retry_in, attempt, outage = lasts, repeated, "refused: {why}");
        } else {
            tracing::warn!(%jid, %retry_in, attempt, outage = lasts, repeated, "disconnected: \
                {why}");
        }
    }

    /// Records the start of an attempt to connect.
    pub(super) fn attempt(&mut self) {
        if let Some(outage) = &mut self.outage {
            outage.attempts = outage.attempts.saturating_add(1);
        }
    }

    pub(super) fn mounted(&mut self, jid: &BareJid, server: &str) {
        let again = std::mem::replace(&mut self.was_mounted, true);
        let Some(outage) = &mut self.outage else {
            tracing::info!(%jid, server, "mounted");
            return;
        };
        outage.connected = true;
        let now = Instant::now();
        if is_recent(outage.mounted, now) {
            return;
        }
        outage.mounted = Some(now);
        let lasted = rough_duration(now.duration_since(outage.since));
        let what = if again { "mounted again" } else { "mounted" };
        tracing::info!(%jid, server, outage = %lasted, attempts = outage.attempts, "{what}");
    }
}

impl Outage {
    fn new(now: Instant) -> Self {
        Self {
            since: now,
            attempts: 0,
            repeated: 0,
            causes: Vec::new(),
            failed: None,
            mounted: None,
            connected: false,
        }
    }

    /// Returns `true` if a failure must be logged: the first one with its cause, or after a while.
    fn is_due(&mut self, why: &str, now: Instant) -> bool {
        let new = self.causes.len() < CAUSES && !self.causes.iter().any(|cause| cause == why);
        if new {
            self.causes.push(why.to_owned());
        }
        let due = new || !is_recent(self.failed, now);
        if due {
            self.failed = Some(now);
        }
        due
    }
}

fn is_recent(last: Option<Instant>, now: Instant) -> bool {
    last.is_some_and(|last| now.duration_since(last) < REPEAT)
}

/// Joins the lines of an explanation, which may have snippets of a server's configuration, so that
/// the log need not escape their ends.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
