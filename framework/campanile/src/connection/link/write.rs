//! Writing: from the queue of the clients through the outbound buffer to the socket.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

use super::{Link, Phase};
use crate::connection::trace;
use crate::error::LinkError;

impl<S> Link<'_, S> {
    /// Returns `true` if the outbound buffer is above its limit, or, once it was reached, above
    /// half of it.
    pub(super) fn is_full(&self) -> bool {
        let waiting = self.parts.outbox.len();
        let mark = self.parts.limits.outbound;
        if self.paused {
            waiting > mark / 2
        } else {
            waiting > mark
        }
    }

    /// Returns `true` if stanzas may be taken from the queue of the clients.
    pub(super) fn has_room(&self) -> bool {
        self.parts.outbox.len() < self.parts.limits.outbound
            && !self.parts.outbox.is_quarantine_active()
    }

    /// Takes stanzas from the queue of the clients while there is space. Returns `true` if there
    /// may be more.
    pub(super) fn take_queue(&mut self, cx: &mut Context<'_>) -> bool {
        if matches!(self.phase, Phase::Closing(_)) {
            return false;
        }
        while self.has_room() {
            let shared = self.parts.client.shared();
            let Some(entry) = shared.queue.poll_pop(cx.waker()) else {
                return false;
            };
            // A stanza whose sender has gone is withdrawn as long as that is possible.
            if entry.completion.is_wanted(&shared.pending) {
                self.parts.outbox.entry(entry);
            }
        }
        true
    }

    pub(super) fn write(&mut self, cx: &mut Context<'_>) -> Result<(), LinkError> {
        while !self.parts.outbox.unsent().is_empty() {
            match Pin::new(&mut self.io).poll_write(cx, self.parts.outbox.unsent()) {
                Poll::Ready(Ok(0)) => {
                    return Err(std::io::Error::from(std::io::ErrorKind::WriteZero).into());
                }
                Poll::Ready(Ok(count)) => {
                    if trace::is_enabled() {
                        let sent = self.parts.outbox.unsent().get(..count).unwrap_or_default();
                        trace::log(self.parts.client.domain(), "sent", sent);
                    }
                    self.parts.outbox.advance(count, self.parts.counters);
                    self.stalled = None;
                }
                Poll::Ready(Err(error)) => return Err(error.into()),
                Poll::Pending => {
                    self.stalled.get_or_insert(self.now);
                    return Ok(());
                }
            }
        }
        // Only TLS has anything to flush.
        match Pin::new(&mut self.io).poll_flush(cx) {
            Poll::Ready(Err(error)) => Err(error.into()),
            _ => Ok(()),
        }
    }
}
