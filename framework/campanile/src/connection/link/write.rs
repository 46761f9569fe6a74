//! Writing: from the queue of the clients through the outbound buffer to the socket.

use std::pin::Pin;
use std::task::{Context, Poll};
// The real clock: this measures how long replies are held back.
use std::time::Instant;

use tokio::io::AsyncWrite;

use super::{HeldReplies, Link, Phase, TURN_BYTES};
use crate::connection::trace;
use crate::connection::wake_later::wake_later;
use crate::error::LinkError;
use crate::slow_handlers::TURN;

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

    /// Returns `true` if the replies of this turn are to be written after the next one.
    ///
    /// A lane runs one handler at a time. If each one yields, each reply would be written alone,
    /// with a system call that costs more than the handler.
    pub(super) fn holds_replies(&mut self, cx: &mut Context<'_>) -> bool {
        let unsent = self.parts.outbox.unsent().len();
        let may_follow = self.phase == Phase::Running && self.parts.dispatch.is_running();
        let held = match &mut self.held {
            _ if unsent == 0 || unsent >= TURN_BYTES || !may_follow => false,
            None => {
                self.held = Some(HeldReplies {
                    since: Instant::now(),
                    bytes: unsent,
                });
                true
            }
            Some(held) => {
                let more = unsent > held.bytes;
                held.bytes = unsent;
                more && held.since.elapsed() < TURN
            }
        };
        if held {
            wake_later(cx);
        } else {
            self.held = None;
        }
        held
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
