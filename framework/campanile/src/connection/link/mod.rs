//! One open stream: reading, dispatching and writing are driven together on every wake, so that
//! none can block another.

mod shutdown;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use compact_str::CompactString;
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::time::{Duration, Instant, Interval, MissedTickBehavior};
use tower_service::Service;

use self::shutdown::NOT_CLOSED;
use super::handshake::read_final_error;
use super::keepalive::{Due, Keepalive, PingEvent};
use super::outbox::Outbox;
use super::trace;
use super::transport::Io;
use crate::client::{Client, Offered, instance_of};
use crate::dispatch::Dispatch;
use crate::error::{BoxError, Condition, ErrorType, StanzaError};
use crate::error::{LinkError, StreamError};
use crate::inbound::Inbound;
use crate::limits::Limits;
use crate::metrics::Registry;
use crate::reply::Reply;
use crate::slow_handlers::TURN;
use crate::stanza::{IqType, Kind, MessageType, PresenceType, Stanza};
use campanile_stanza::reader::{
    Event, ReadError, Reader, RejectedStanza, STREAMS, StanzaDefect, StreamElement,
};

/// Maximum number of stanzas handled before their replies are written, and before the connection
/// yields if the turn has been long.
const TURN_STANZAS: usize = 256;
/// Bytes of replies after which the same happens.
const TURN_BYTES: usize = 64 * 1024;

/// The state of the route, as reported to observers of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// Stanzas are proved, or assumed with reason, to reach the component.
    Live,
    /// There has been no proof for a while.
    Doubtful,
}

/// The parts of a component that outlive a connection.
pub(crate) struct Parts<'l, S> {
    pub(crate) dispatch: &'l mut Dispatch<S>,
    pub(crate) outbox: &'l mut Outbox,
    pub(crate) keepalive: &'l mut Keepalive,
    pub(crate) client: &'l Client,
    pub(crate) limits: &'l Arc<Limits>,
    pub(crate) counters: &'l Arc<Registry>,
    pub(crate) route: &'l (dyn Fn(Route) + Send + Sync),
}

/// Size of the white space after a ping when none has come back in time.
///
/// A parser that defers incomplete tokens until twice as much data is there (expat since
/// CVE-2023-52425, ejabberd's on Debian) may hold back a long tag and everything after it,
/// including the ping. This is as much as it can need for a tag of that length, so the connection
/// is not dropped without reason.
// RFC 6120 §4.6.1: white space between stanzas.
const PUSH: usize = 64 * 1024;

/// The way in which a connection ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// By a graceful shutdown: every reply was written, and both sides closed the stream.
    Stopped,
    /// Lost, because of the server or the network.
    Lost(LinkError),
    /// The service will never be ready again.
    Service(BoxError),
}

pub(crate) struct Link<'l, S> {
    io: Io,
    reader: Reader,
    parts: Parts<'l, S>,
    timer: Interval,
    now: Instant,
    phase: Phase,
    /// Set while the outbound buffer is above its limit: nothing is read.
    paused: bool,
    /// Set if the reader may hold unprocessed events.
    unread: bool,
    /// Since when the socket has accepted nothing.
    stalled: Option<Instant>,
    /// Time at which bytes last came in, exact to one tick.
    heard: Instant,
    /// Stanzas received after our closing tag, which are not answered: requests, messages,
    /// presence.
    after_close: [u64; 3],
    /// The numbers of rejected stanzas, and of those without an error reply, when the drain began.
    before_drain: Option<[u64; 2]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// Completing handlers and queued stanzas, until this time at the latest.
    Draining(Instant),
    /// Our closing tag is written or buffered. The server has until this time to close its side,
    /// and must not be silent for more than a few seconds.
    Closing(Instant),
}

impl<'l, S> Link<'l, S>
where
    S: Service<Inbound, Response = Reply>,
    S::Error: Into<BoxError>,
    S::Future: Unpin + Send + 'static,
{
    pub(crate) fn new(io: Io, reader: Reader, parts: Parts<'l, S>) -> Self {
        let now = Instant::now();
        parts.keepalive.restart(now);
        Self {
            io,
            reader,
            timer: timer(parts.limits, parts.keepalive.shortest()),
            parts,
            now,
            phase: Phase::Running,
            paused: false,
            unread: true,
            stalled: None,
            heard: now,
            after_close: [0; 3],
            before_drain: None,
        }
    }

    /// Runs until the stream ends. When `stop` completes, drains and closes the stream.
    pub(crate) async fn run(
        mut self,
        mut stop: Pin<&mut (dyn Future<Output = ()> + Send)>,
    ) -> Ended {
        let ended = std::future::poll_fn(|cx| {
            if self.phase == Phase::Running && stop.as_mut().poll(cx).is_ready() {
                self.drain();
            }
            self.poll(cx)
        })
        .await;
        let ended = match ended {
            Ended::Lost(LinkError::Read(fault)) => {
                self.send_stream_error(fault).await;
                Ended::Lost(fault.into())
            }
            Ended::Lost(LinkError::Io(error)) => Ended::Lost(
                read_final_error(&mut self.io, &mut self.reader)
                    .await
                    .unwrap_or(LinkError::Io(error)),
            ),
            ended => ended,
        };
        self.log_late_stanzas();
        ended
    }

    /// Polls the connection; called again after a wake.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        while self.timer.poll_tick(cx).is_ready() {
            if let Err(error) = self.tick(cx) {
                return Poll::Ready(Ended::Lost(error));
            }
        }
        // The real clock: this measures how long the thread is busy.
        let began = std::time::Instant::now();
        loop {
            let more = match self.turn(cx, began) {
                Ok(more) => more,
                Err(ended) => return Poll::Ready(ended),
            };
            let left = self.take_queue(cx);
            let more =
                match self
                    .parts
                    .outbox
                    .pass(cx, self.parts.client.shared(), self.parts.counters)
                {
                    Ok(passing) => more || passing,
                    Err(error) => return Poll::Ready(Ended::Service(error)),
                };
            self.ping_for_confirmation();
            if let Err(error) = self.write(cx) {
                return Poll::Ready(Ended::Lost(error));
            }
            if self.finish_draining(more) {
                continue;
            }
            // There is no wake for work that was left for lack of space, once there is space.
            let resumes = self.paused && !self.is_full();
            if more || resumes || (left && self.has_room()) {
                if began.elapsed() < TURN {
                    continue;
                }
                // Yields to other tasks, since this one may never run out of work. It does not
                // yield sooner: each time, the runtime would wake an idle thread with a system
                // call, which then fetches this task from another core.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match self.read(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(ended)) => return Poll::Ready(ended),
                // Checked only after everything received has been read: this process may itself
                // have been suspended.
                Poll::Pending if self.is_server_silent() => {
                    return Poll::Ready(Ended::Lost(NOT_CLOSED));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Processes received stanzas and completed handlers for one turn. Returns `true` if there is
    /// more to do at once.
    fn turn(&mut self, cx: &mut Context<'_>, began: std::time::Instant) -> Result<bool, Ended> {
        self.paused = self.is_full();
        if self.paused {
            // Nothing would be read, and so no round trip could advance the quarantine.
            self.parts.outbox.release();
        }
        let mut more = self.dispatch(cx)?;
        more |= self.take_events(cx, began)?;
        if self.parts.dispatch.has_unpolled_tasks() {
            more |= self.dispatch(cx)?;
        }
        Ok(more)
    }

    fn dispatch(&mut self, cx: &mut Context<'_>) -> Result<bool, Ended> {
        // While the server accepts nothing, no handler is started: every reply would have to be
        // kept.
        let start = !self.paused;
        self.parts
            .dispatch
            .poll(cx, TURN_STANZAS, start, self.parts.outbox)
            .map_err(Ended::Service)
    }

    fn take_events(
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

    /// Returns `true` if the outbound buffer is above its limit, or, once it was reached, above
    /// half of it.
    fn is_full(&self) -> bool {
        let waiting = self.parts.outbox.len();
        let mark = self.parts.limits.outbound;
        if self.paused {
            waiting > mark / 2
        } else {
            waiting > mark
        }
    }

    /// Returns `true` if stanzas may be taken from the queue of the clients.
    fn has_room(&self) -> bool {
        self.parts.outbox.len() < self.parts.limits.outbound
            && !self.parts.outbox.is_quarantine_active()
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

    fn stanza(&mut self, cx: &mut Context<'_>, stanza: Stanza) -> Result<(), Ended> {
        let shared = self.parts.client.shared();
        let ping_event = self.parts.keepalive.observe(&stanza, shared, self.now);
        if let PingEvent::RoundTrip { position } = ping_event {
            self.parts.outbox.confirm(position, self.parts.counters);
        }
        if matches!(self.phase, Phase::Closing(_)) && !stanza.kind().is_response() {
            if ping_event == PingEvent::Unrelated {
                self.count_late(stanza.kind().name());
            }
            return Ok(());
        }
        match ping_event {
            PingEvent::Unrelated => {}
            PingEvent::RoundTrip { .. } => {
                self.parts.counters.round_trips.inc();
                (self.parts.route)(Route::Live);
                return Ok(());
            }
            PingEvent::Failure => return Err(Ended::Lost(LinkError::NoRoute)),
            PingEvent::Peer => {
                tracing::warn!(jid = %shared.domain, "another process is connected with this JID; \
                    the server distributes stanzas among them");
                return Ok(());
            }
        }
        if stanza.kind().is_response() {
            self.answer(stanza);
            return Ok(());
        }
        if stanza.from().is_none()
            || stanza
                .to()
                .is_none_or(|to| to.domain() != shared.domain.domain())
        {
            self.stray(&stanza);
            return Ok(());
        }
        self.parts.keepalive.heard(self.now);
        let Some(stanza) = self.uncollected(stanza) else {
            return Ok(());
        };
        self.parts
            .dispatch
            .offer(cx, stanza, self.parts.outbox)
            .map_err(Ended::Service)
    }

    /// Passes a response to the pending request, here or in another process on the same JID.
    fn answer(&self, stanza: Stanza) {
        let shared = self.parts.client.shared();
        let counters = self.parts.counters;
        let foreign = stanza
            .id()
            .filter(|id| !id.starts_with(shared.ids.instance()));
        if let Some(instance) = foreign.and_then(instance_of).map(CompactString::from)
            && let Some(response_forwarder) = shared.response_forwarder()
        {
            counters.forwarded.inc();
            response_forwarder.forward(&instance, stanza);
            return;
        }
        if !shared.pending.resolve(stanza) {
            counters.unsolicited.inc();
        }
    }

    /// Passes a message to the request that collects it; returns any other stanza.
    fn uncollected(&self, stanza: Stanza) -> Option<Stanza> {
        let pending = &self.parts.client.shared().pending;
        if !matches!(stanza.kind(), Kind::Message(_)) || !pending.is_collecting() {
            return Some(stanza);
        }
        match pending.offer(stanza) {
            Offered::Unwanted(stanza) => return Some(stanza),
            Offered::Collected => {}
            Offered::TooMany => self.parts.counters.uncollected.inc(),
        }
        None
    }

    /// Counts a stanza that this component must not answer: with ejabberd's `global_routes`, one
    /// connection gets the stanzas of all domains.
    fn stray(&self, stanza: &Stanza) {
        if self.parts.counters.stray.get() == 0 {
            let from = stanza.from().map(jid::Jid::as_str);
            let to = stanza.to().map(jid::Jid::as_str);
            tracing::warn!(
                jid = %self.parts.client.domain(), ?from, ?to,
                "stanza for another domain or without a usable sender ignored; further ones are \
                ignored silently; on ejabberd, set `global_routes: false` on the listener",
            );
        }
        self.parts.counters.stray.inc();
    }

    /// Replies to a stanza that is well-formed but invalid.
    fn refused(&mut self, refused: &RejectedStanza) {
        let counter = match refused.defect() {
            StanzaDefect::TooLarge | StanzaDefect::TooDeep => &self.parts.counters.oversize,
            _ => &self.parts.counters.malformed,
        };
        counter.inc();
        let domain = self.parts.client.domain();
        let here = refused
            .to()
            .is_some_and(|to| to.domain() == domain.domain());
        let Some((stanza, error)) = stanza_for_reply(refused).filter(|_| here) else {
            return;
        };
        if stanza.kind() == Kind::Iq(IqType::Result) {
            // A response to one of our own requests that is too large to be read still completes
            // it.
            let refused = stanza
                .with_kind(Kind::Iq(IqType::Error))
                .with_children(error.to_children());
            if !self.parts.client.shared().pending.resolve(refused) {
                self.parts.counters.unsolicited.inc();
            }
            return;
        }
        let refusal = crate::reply::error_reply(&stanza, &error);
        if let Err(error) = self
            .parts
            .outbox
            .answer(self.parts.client.shared(), refusal, &stanza)
        {
            tracing::debug!(%error, "error reply could not be serialized");
        }
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

    /// Takes stanzas from the queue of the clients while there is space. Returns `true` if there
    /// may be more.
    fn take_queue(&mut self, cx: &mut Context<'_>) -> bool {
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

    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), LinkError> {
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

    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        self.paused = self.is_full();
        if self.paused {
            return Poll::Pending;
        }
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

    /// Handles everything that depends only on time.
    fn tick(&mut self, cx: &mut Context<'_>) -> Result<(), LinkError> {
        self.now = Instant::now();
        self.parts.outbox.tick(self.now);
        self.parts
            .counters
            .gauges
            .set(self.parts.dispatch.load(), self.parts.outbox.len());
        match self.phase {
            Phase::Draining(deadline) if self.now >= deadline => {
                let (running, waiting) = self.parts.dispatch.load();
                tracing::warn!(
                    running,
                    waiting,
                    "shutdown grace period expired; remaining stanzas are rejected"
                );
                self.parts.dispatch.abort(self.parts.outbox);
                self.close();
            }
            Phase::Closing(deadline) if self.now >= deadline => return Err(NOT_CLOSED),
            _ => {}
        }
        if self
            .stalled
            .is_some_and(|since| self.now.duration_since(since) >= self.parts.limits.write_stall)
        {
            return Err(LinkError::Stalled);
        }
        if self.phase != Phase::Running {
            return Ok(());
        }
        if self.paused {
            // Nothing is being read, so silence says nothing about the route.
            self.parts.keepalive.heard(self.now);
        }
        self.parts
            .counters
            .gauges
            .set_keepalive(Some(self.parts.keepalive.last_heard()));
        if self.parts.keepalive.is_doubtful(self.now) {
            (self.parts.route)(Route::Doubtful);
        }
        let outbox = &self.parts.outbox;
        match self
            .parts
            .keepalive
            .tick(self.now, outbox.position(), outbox.awaits_round_trip())
        {
            Due::Nothing => {}
            Due::Ping => {
                self.ping();
                cx.waker().wake_by_ref();
            }
            Due::Doubt => (self.parts.route)(Route::Doubtful),
            Due::GiveUp => return Err(LinkError::NoRoute),
        }
        Ok(())
    }

    /// Sends a ping after stanzas that await confirmation: one at a time, so that many stanzas
    /// share it.
    fn ping_for_confirmation(&mut self) {
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
    fn ping(&mut self) {
        let shared = self.parts.client.shared();
        let awaited = self.parts.outbox.awaits_round_trip();
        for _ in 0..self.parts.keepalive.burst(self.now, awaited) {
            let ping = self.parts.keepalive.ping(shared, &shared.ids);
            self.parts.outbox.push_control(&ping);
            self.parts.keepalive.queued(self.parts.outbox.end());
        }
        if self.parts.keepalive.is_overdue(self.now) {
            self.parts.outbox.push_control(&[b' '; PUSH]);
        }
    }

    /// Sends the stream error to the server, if it is still reading.
    async fn send_stream_error(&mut self, fault: ReadError) {
        use tokio::io::AsyncWriteExt;
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

/// Creates the timer of a connection: fine enough for its shortest limit, and at most one wake per
/// second when idle.
fn timer(limits: &Limits, fresh: Option<Duration>) -> Interval {
    let bounds = [
        limits.keepalive,
        limits.keepalive_deadline,
        limits.shutdown_grace,
        limits.write_stall,
    ];
    let period = bounds.into_iter().chain(fresh).min().unwrap_or_default() / 10;
    let mut timer =
        tokio::time::interval(period.clamp(Duration::from_millis(5), Duration::from_secs(1)));
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer
}

/// Returns the stanza to reply to for a rejected one, and the error, if a reply is due.
fn stanza_for_reply(rejected: &RejectedStanza) -> Option<(Stanza, StanzaError)> {
    rejected.from()?;
    let stanza = rejected.to_stanza();
    let owed = match stanza.kind() {
        Kind::Iq(_) | Kind::Message(MessageType::Chat | MessageType::Normal) => true,
        Kind::Message(_) => false,
        Kind::Presence(_) => PresenceType::parse(rejected.type_attribute()).is_none(),
    };
    let error = match rejected.defect() {
        StanzaDefect::TooLarge | StanzaDefect::TooDeep => {
            StanzaError::new(Condition::PolicyViolation).with_type(ErrorType::Modify)
        }
        _ => StanzaError::new(Condition::BadRequest),
    };
    owed.then_some((stanza, error))
}
