//! Keepalive pings, which also confirm the stanzas written before them.

use super::{Link, Phase};

/// Size of the white space after a ping when none has come back in time.
///
/// A parser that defers incomplete tokens until twice as much data is there (expat since
/// CVE-2023-52425, ejabberd's on Debian) may hold back a long tag and everything after it,
/// including the ping. This is as much as it can need for a tag of that length, so the connection
/// is not dropped without reason.
// RFC 6120 §4.6.1: white space between stanzas.
const PUSH: usize = 64 * 1024;

impl<S> Link<'_, S> {
    /// Sends a ping after stanzas that await confirmation: one at a time, so that many stanzas
    /// share it.
    pub(super) fn ping_for_confirmation(&mut self) {
        self.parts
            .outbox
            .advance_quarantine(&self.parts.client.shared().pending);
        let open = !matches!(self.phase, Phase::Closing(_));
        if open && self.parts.outbox.awaits_round_trip() && !self.parts.keepalive.is_in_flight() {
            self.ping();
        }
    }

    /// Sends a ping, or several if a confirmation is awaited and pings may be routed to another
    /// process.
    pub(super) fn ping(&mut self) {
        let shared = self.parts.client.shared();
        let awaited = self.parts.outbox.awaits_round_trip();
        for _ in 0..self.parts.keepalive.burst(self.now, awaited) {
            let ping = self.parts.keepalive.ping(shared);
            self.parts.outbox.push_control(&ping);
            self.parts.keepalive.queued(self.parts.outbox.end());
        }
        if self.parts.keepalive.is_overdue(self.now) {
            self.parts.outbox.push_control(&[b' '; PUSH]);
        }
    }
}
