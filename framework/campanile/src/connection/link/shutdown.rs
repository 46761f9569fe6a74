//! How a stream ends that is to end: what was begun is finished, our closing tag is said, and the
//! server's is waited for.

use tokio::time::{Duration, Instant};
use tower_service::Service;

use super::{Link, Phase};
use crate::error::BoxError;
use crate::error::LinkError;
use crate::inbound::Inbound;
use crate::reply::Reply;

pub(super) const NOT_CLOSED: LinkError = LinkError::TimedOut("the server did not close the stream");
/// For how long a server may say nothing before it closes its side. One that still writes what it
/// had queued is waited for.
const SILENCE: Duration = Duration::from_secs(5);

impl<S> Link<'_, S>
where
    S: Service<Inbound, Response = Reply>,
    S::Error: Into<BoxError>,
    S::Future: Unpin + Send + 'static,
{
    pub(super) fn drain(&mut self) {
        self.before_drain = Some(self.refused_so_far());
        self.phase = Phase::Draining(Instant::now() + self.parts.limits.shutdown_grace);
        self.parts.dispatch.drain();
    }

    /// Closes the stream once nothing is owed any more. True when something was done.
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

    /// Whether the server has said nothing for too long since our closing tag.
    pub(super) fn is_server_silent(&self) -> bool {
        let silence = self.parts.limits.shutdown_grace.min(SILENCE);
        matches!(self.phase, Phase::Closing(_)) && self.now.duration_since(self.heard) >= silence
    }

    /// Came after our closing tag.
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

    /// What a stop has refused or left without an answer: senders miss no more than this.
    pub(super) fn log_late_stanzas(&self) {
        let jid = self.parts.client.domain();
        let [before, untold_before] = self.before_drain.unwrap_or_else(|| self.refused_so_far());
        let [refused, untold] = self.refused_so_far();
        let refused = refused - before;
        let untold = untold - untold_before;
        if refused > 0 {
            tracing::info!(
                %jid, refused, untold,
                "came while the component was stopping and was refused; who wrote several messages \
                was told once a second"
            );
        }
        let [requests, messages, presence] = self.after_close;
        if requests + messages + presence > 0 {
            tracing::info!(%jid, requests, messages, presence, "came after the stream was closed \
                and is not answered");
        }
    }

    fn refused_so_far(&self) -> [u64; 2] {
        let counters = self.parts.counters;
        [counters.late.get(), counters.shed_silently.get()]
    }
}
