//! One open stream: reading, dispatching and writing are driven together on every wake, so that
//! none can block another.

mod inbound;
mod ping;
mod read;
mod rejected;
mod shutdown;
mod tick;
mod write;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use campanile_stanza::reader::Reader;
use tokio::task::coop::has_budget_remaining;
use tokio::time::{Instant, Interval};
use tower_service::Service;

use self::shutdown::NOT_CLOSED;
use super::handshake::read_final_error;
use super::keepalive::Keepalive;
use super::outbox::Outbox;
use super::transport::Io;
use crate::client::Client;
use crate::dispatch::Dispatch;
use crate::error::{BoxError, LinkError};
use crate::handler::ReplyFuture;
use crate::inbound::Inbound;
use crate::limits::Limits;
use crate::metrics::Registry;
use crate::reply::Reply;
use crate::slow_handlers::TURN;
use crate::throttle::Throttle;

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
    /// Replies that are written a little later, together with those that follow at once.
    held: Option<HeldReplies>,
    /// The last read found nothing, and the socket wakes this task once there is something.
    read_waits: bool,
    /// Since when the socket has accepted nothing.
    stalled: Option<Instant>,
    /// Time at which bytes last came in, exact to one tick.
    heard: Instant,
    /// Stanzas received after our closing tag, which are not answered: requests, messages,
    /// presence.
    after_close: [u64; 3],
    address_log: Throttle,
    /// The numbers of rejected stanzas, and of those without an error reply, when the drain began.
    before_drain: Option<[u64; 2]>,
}

/// Replies that are not written yet, although the socket may accept them.
#[derive(Debug)]
struct HeldReplies {
    since: std::time::Instant,
    /// The number of bytes to write when they were looked at last.
    bytes: usize,
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
    S: Service<Inbound, Response = Reply, Error = BoxError, Future = ReplyFuture>,
{
    pub(crate) fn new(io: Io, reader: Reader, parts: Parts<'l, S>) -> Self {
        let now = Instant::now();
        parts.keepalive.restart(now);
        Self {
            io,
            reader,
            timer: tick::timer(parts.limits, parts.keepalive.shortest()),
            parts,
            now,
            phase: Phase::Running,
            paused: false,
            unread: true,
            held: None,
            read_waits: false,
            stalled: None,
            heard: now,
            after_close: [0; 3],
            address_log: Throttle::default(),
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
        self.parts.dispatch.detach();
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
            if (more || !self.holds_replies(cx))
                && let Err(error) = self.write(cx)
            {
                return Poll::Ready(Ended::Lost(error));
            }
            if self.finish_draining(more) {
                continue;
            }
            // There is no wake for work that was left for lack of space, once there is space.
            let resumes = self.paused && !self.is_full();
            if more || resumes || (left && self.has_room()) {
                if may_continue(began) {
                    continue;
                }
                // Yields to other tasks, since this one may never run out of work. It does not
                // yield sooner: each time, the runtime would wake an idle thread with a system
                // call, which then fetches this task from another core.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match self.read(cx) {
                Poll::Ready(Ok(())) => self.read_waits = false,
                Poll::Ready(Err(ended)) => return Poll::Ready(ended),
                // Checked only after everything received has been read: this process may itself
                // have been suspended.
                Poll::Pending if self.is_server_silent() => {
                    return Poll::Ready(Ended::Lost(NOT_CLOSED));
                }
                // Only now: a handler that keeps waking itself must not keep the stream from being
                // read.
                Poll::Pending if self.parts.dispatch.is_woken(cx.waker()) => {
                    if !may_continue(began) {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
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
        let more = self.dispatch(cx)?;
        Ok(self.take_events(cx, began)? || more)
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
}

/// Returns `true` if the connection may go on in this poll of its task: it has not been busy for a
/// turn, and neither the handlers nor the socket have used up the budget of the task, without which
/// everything in it is pending.
fn may_continue(began: std::time::Instant) -> bool {
    has_budget_remaining() && began.elapsed() < TURN
}
