//! Graceful shutdown of a stream: running handlers complete, our closing tag is written, and the
//! server's closing tag is awaited.

use tokio::time::{Duration, Instant};
use tower_service::Service;

use super::{Link, Phase};
use crate::error::BoxError;
use crate::error::LinkError;
use crate::handler::ReplyFuture;
use crate::inbound::Inbound;
use crate::reply::Reply;

pub(super) const NOT_CLOSED: LinkError = LinkError::TimedOut("the server did not close the stream");
/// Maximum silence of the server before it closes its side. A server that still writes what it
/// had queued is given more time.
const SILENCE: Duration = Duration::from_secs(5);

impl<S> Link<'_, S>
where
    S: Service<Inbound, Response = Reply, Error = BoxError, Future = ReplyFuture>,
{
    pub(super) fn drain(&mut self) {
        self.before_drain = Some(self.refused_so_far());
        self.phase = Phase::Draining(Instant::now() + self.parts.limits.shutdown_grace);
        self.parts.dispatch.drain();
    }

    /// Closes the stream once everything has been completed. Returns `true` if it did.
    pub(super) fn finish_draining(&mut self, more: bool) -> bool {
        let queued = self.parts.client.shared().queue.len() > 0;
        let waits = self.unread || queued || self.parts.outbox.is_owed();
        let done = matches!(self.phase, Phase::Draining(_))
            && !more
            && !waits
            && self.parts.dispatch.is_idle();
        if done {
            self.close();
        }
        done
    }

    pub(super) fn close(&mut self) {
        self.parts.outbox.abandon();
        self.parts.outbox.push_control(b"</stream:stream>");
        self.heard = Instant::now();
        self.phase = Phase::Closing(self.heard + self.parts.limits.shutdown_grace);
    }

    /// Returns `true` if the server has been silent for too long since our closing tag.
    pub(super) fn is_server_silent(&self) -> bool {
        let silence = self.parts.limits.shutdown_grace.min(SILENCE);
        matches!(self.phase, Phase::Closing(_)) && self.now.duration_since(self.heard) >= silence
    }

    /// Counts a stanza received after our closing tag.
    pub(super) fn count_late(&mut self, name: &str) {
        let [requests, messages, presence] = &mut self.after_close;
        let count = match name {
            "iq" => requests,
            "message" => messages,
            _ => presence,
        };
        *count += 1;
        self.parts.counters.after_close.inc();
    }

    /// Logs the stanzas that the shutdown has rejected or not answered; senders have lost no
    /// others.
    pub(super) fn log_late_stanzas(&self) {
        let jid = self.parts.client.domain();
        let [before, untold_before] = self.before_drain.unwrap_or_else(|| self.refused_so_far());
        let [refused, untold] = self.refused_so_far();
        let refused = refused - before;
        let untold = untold - untold_before;
        if refused > 0 {
            tracing::info!(
                %jid, refused, untold,
                "stanzas rejected during shutdown; errors for messages are limited to one per \
                sender and second"
            );
        }
        let [requests, messages, presence] = self.after_close;
        if requests + messages + presence > 0 {
            tracing::info!(%jid, requests, messages, presence, "stanzas received after the \
                stream was closed; not answered");
        }
    }

    fn refused_so_far(&self) -> [u64; 2] {
        let counters = self.parts.counters;
        [counters.late.get(), counters.shed_silently.get()]
    }
}
