//! Reading: bytes from the socket, and the events of the parser.

use std::pin::pin;
use std::task::{Context, Poll, ready};

use campanile_stanza::reader::{Event, ReadError, STREAMS, StreamElement};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Duration;
use tower_service::Service;

use super::{Ended, Link, Phase, TURN_BYTES, TURN_STANZAS};
use crate::connection::trace;
use crate::error::{BoxError, LinkError, StreamError};
use crate::handler::ReplyFuture;
use crate::inbound::Inbound;
use crate::reply::Reply;
use crate::slow_handlers::TURN;

impl<S> Link<'_, S>
where
    S: Service<Inbound, Response = Reply, Error = BoxError, Future = ReplyFuture>,
{
    pub(super) fn take_events(
        &mut self,
        cx: &mut Context<'_>,
        began: std::time::Instant,
    ) -> Result<bool, Ended> {
        let full = self.parts.outbox.len() + TURN_BYTES;
        for handled in 0..TURN_STANZAS {
            self.paused = self.is_full();
            if self.paused || !self.unread {
                return Ok(false);
            }
            let Some(event) = self
                .reader
                .next()
                .map_err(|fault| Ended::Lost(fault.into()))?
            else {
                self.unread = false;
                return Ok(false);
            };
            self.event(cx, event)?;
            if self.parts.outbox.len() >= full || (handled % 8 == 7 && began.elapsed() >= TURN) {
                break;
            }
        }
        Ok(true)
    }

    fn event(&mut self, cx: &mut Context<'_>, event: Event) -> Result<(), Ended> {
        match event {
            Event::Stanza(stanza) => self.stanza(cx, stanza),
            // Nothing may be written after our closing tag.
            Event::Rejected(refused) if matches!(self.phase, Phase::Closing(_)) => {
                self.count_late(refused.name());
                Ok(())
            }
            Event::Rejected(refused) => {
                self.refused(&refused);
                Ok(())
            }
            Event::Element(element) => self.element(&element).map_err(Ended::Lost),
            Event::Open(_) => Err(Ended::Lost(LinkError::Protocol(
                "the server opened a second stream",
            ))),
            Event::Close if matches!(self.phase, Phase::Closing(_)) => Err(Ended::Stopped),
            Event::Close => Err(Ended::Lost(LinkError::Closed)),
        }
    }
}

impl<S> Link<'_, S> {
    pub(super) fn read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        self.paused = self.is_full();
        if self.paused || (self.held.is_some() && self.read_waits) {
            return Poll::Pending;
        }
        self.read_waits = true;
        let buffer = self.reader.buffer();
        let before = buffer.len();
        let read = pin!(self.io.read_buf(buffer));
        let count = ready!(read.poll(cx)).map_err(|error| Ended::Lost(error.into()))?;
        if trace::is_enabled() {
            let received = self.reader.buffer().get(before..).unwrap_or_default();
            trace::log(self.parts.client.domain(), "received", received);
        }
        if count == 0 {
            let ended = if matches!(self.phase, Phase::Closing(_)) {
                Ended::Stopped
            } else {
                Ended::Lost(LinkError::Closed)
            };
            return Poll::Ready(Err(ended));
        }
        (self.unread, self.heard) = (true, self.now);
        Poll::Ready(Ok(()))
    }

    fn element(&self, element: &StreamElement) -> Result<(), LinkError> {
        if element.namespace == STREAMS && element.name == "error" {
            return Err(LinkError::Stream(StreamError::read(element)));
        }
        // An unknown element does not end the stream; ejabberd does the same.
        self.parts.counters.unknown.inc();
        tracing::debug!(name = ?element.name, namespace = ?element.namespace, "unknown element \
            ignored");
        Ok(())
    }

    /// Sends the stream error to the server, if it is still reading.
    pub(super) async fn send_stream_error(&mut self, fault: ReadError) {
        let error = format!(
            "<stream:error><{} \
            xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
            fault.condition()
        );
        let said =
            tokio::time::timeout(Duration::from_secs(1), self.io.write_all(error.as_bytes())).await;
        if !matches!(said, Ok(Ok(()))) {
            tracing::debug!("stream error could not be sent; the server is no longer reading");
        }
    }
}
