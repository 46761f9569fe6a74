//! The dispatcher: order within a lane, concurrency across lanes, and limits on everything.
//!
//! A *lane* is all stanzas from one bare JID to one bare JID; they are handled in order. A handler
//! that completes at its first poll costs no table entry, and one that awaits costs no task. The
//! dispatcher outlives connections: a lost connection cancels no handler.

mod call;
mod hot_swap;
mod in_flight;
mod lanes;
mod overload;
mod prehashed;
mod reply_sink;
mod wake_queue;

use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::task::coop::has_budget_remaining;
use tokio::time::Instant;
use tower_service::Service;

use self::call::{First, Outcome, Panicked};
pub(crate) use self::hot_swap::HotSwap;
use self::in_flight::{Completed, HandlerTask, InFlight, InFlightHandler, Running, Turn};
use self::lanes::{Keys, Lanes};
use self::overload::ErrorThrottle;
pub(crate) use self::reply_sink::ReplySink;
use crate::address::{bare, canonical};
use crate::client::Client;
use crate::error::{BoxError, Condition, StanzaError, too_large_by_peer};
use crate::handler::ReplyFuture;
use crate::inbound::Inbound;
use crate::limits::Limits;
use crate::metrics::Registry;
use crate::reply::{self, Deferred, Reply};
use crate::slow_handlers::{self, CalledRoute, RouteStats};
use crate::stanza::{Stanza, WriteError};
use crate::throttle::Throttle;

/// A function that assigns stanzas to lanes: stanzas with the same key are handled in order, one
/// after the other.
///
/// `None` means that the stanza may be handled at any time, concurrently with all others.
pub type Ordering = Arc<dyn Fn(&Stanza) -> Option<u64> + Send + Sync>;

/// Calls the service of one component and writes its replies.
pub(crate) struct Dispatch<S> {
    service: S,
    /// The replacement of the service, if there is one.
    hot_swap: Arc<HotSwap<S>>,
    /// Set while the service is paused: no handler is started.
    paused: bool,
    /// `poll_ready` returned ready and `call` has not been called since.
    ready: bool,
    limits: Arc<Limits>,
    client: Client,
    counters: Arc<Registry>,
    ordering: Option<Ordering>,
    hasher: RandomState,
    unordered: u64,
    lanes: Lanes,
    /// The running handlers.
    in_flight: InFlight,
    /// Stands for the route of a service without routes.
    unrouted: Arc<RouteStats>,
    /// The route called for the last stanza.
    called_route: CalledRoute,
    error_throttle: ErrorThrottle,
    log: Throttle,
    draining: bool,
}

/// A stanza that has been handled.
struct Request {
    keys: Option<Keys>,
    stanza: Arc<Stanza>,
    route: Option<Arc<RouteStats>>,
}

impl<S> Dispatch<S>
where
    S: Service<Inbound, Response = Reply, Error = BoxError, Future = ReplyFuture>,
{
    pub(crate) fn new(
        service: S,
        client: Client,
        limits: Arc<Limits>,
        counters: Arc<Registry>,
    ) -> Self {
        Self {
            service,
            hot_swap: Arc::default(),
            paused: false,
            ready: false,
            limits,
            client,
            counters,
            ordering: None,
            hasher: RandomState::new(),
            unordered: 0,
            lanes: Lanes::default(),
            in_flight: InFlight::default(),
            unrouted: RouteStats::new("the service", false),
            called_route: CalledRoute::default(),
            error_throttle: ErrorThrottle::new(),
            log: Throttle::default(),
            draining: false,
        }
    }

    pub(crate) fn with_ordering(mut self, ordering: Option<Ordering>) -> Self {
        self.ordering = ordering;
        self
    }

    /// Returns the handle that replaces the service.
    pub(crate) fn hot_swap(&self) -> Arc<HotSwap<S>> {
        Arc::clone(&self.hot_swap)
    }

    /// Takes the next stanza from the stream: handles it at once, queues it, or rejects it with an
    /// error.
    ///
    /// # Errors
    /// If the service will never be ready again.
    pub(crate) fn offer(
        &mut self,
        cx: &mut Context<'_>,
        stanza: Stanza,
        out: &mut impl ReplySink,
    ) -> Result<(), BoxError> {
        if self.draining {
            self.counters.late.inc();
            self.refuse(&stanza, Condition::RecipientUnavailable, out);
            return Ok(());
        }
        // While nothing runs and nothing waits, there is no need to compute the keys.
        let keys = if self.lanes.is_empty() {
            None
        } else {
            Some(self.keys(&stanza))
        };
        let room =
            self.in_flight.len() < self.limits.in_flight && !self.lanes.has_ready(&self.limits);
        let free = keys.is_none_or(|keys| self.lanes.is_free(keys, stanza.weight(), &self.limits));
        if room && free && self.is_ready(cx)? {
            self.counters.taken.inc();
            self.call(keys, Arc::new(stanza), false, out);
            return Ok(());
        }
        let keys = keys.unwrap_or_else(|| self.keys(&stanza));
        let mut stanza = stanza;
        // A queued stanza must not keep alive the much larger chunk that it was read in.
        stanza.children_mut().detach();
        match self.lanes.wait(keys, Arc::new(stanza), &self.limits) {
            Ok(()) => self.counters.taken.inc(),
            Err(stanza) => {
                self.counters.shed.inc();
                self.refuse(&stanza, Condition::ResourceConstraint, out);
            }
        }
        Ok(())
    }

    /// Writes the replies of completed handlers and, if `start` is set, starts queued stanzas, up
    /// to `turn` in all. Returns `true` if there is more to do at once.
    ///
    /// # Errors
    /// If the service will never be ready again.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        turn: usize,
        start: bool,
        out: &mut impl ReplySink,
    ) -> Result<bool, BoxError> {
        if self.hot_swap.is_changed() {
            self.apply_swap();
        }
        let mut left = turn;
        self.resume(&mut left, out);
        if start {
            self.start_waiting(cx, &mut left, out)?;
        }
        Ok(left == 0)
    }

    /// Returns `true` if a handler has woken, so that [`Dispatch::poll`] must be called again.
    /// Otherwise the next one wakes the connection.
    pub(crate) fn is_woken(&self, connection: &Waker) -> bool {
        self.in_flight.is_woken(connection)
    }

    /// Gives each running handler a task of its own, until there is a connection again.
    pub(crate) fn detach(&mut self) {
        self.in_flight.detach();
    }

    /// Polls the handlers that have woken, while the budget of this task lasts.
    fn resume(&mut self, left: &mut usize, out: &mut impl ReplySink) {
        let turn = Turn {
            now: out.now(),
            slow_handler: self.limits.slow_handler,
        };
        self.in_flight.take_woken();
        while *left > 0 && has_budget_remaining() {
            let Some(polled) = self.in_flight.poll_next(turn) else {
                return;
            };
            *left -= 1;
            if let Poll::Ready(completed) = polled {
                self.finish(completed, out);
            }
        }
    }

    fn finish(&mut self, completed: Completed, out: &mut impl ReplySink) {
        let Completed {
            handler,
            outcome,
            since,
        } = completed;
        self.lanes
            .done(handler.keys, handler.stanza.weight(), &self.limits);
        if out.now().saturating_duration_since(since) >= self.limits.reply_max_age {
            self.counters.stale.inc();
            return;
        }
        let request = Request {
            keys: Some(handler.keys),
            stanza: handler.stanza,
            route: handler.route,
        };
        self.settle(request, outcome, since, out);
    }

    fn start_waiting(
        &mut self,
        cx: &mut Context<'_>,
        left: &mut usize,
        out: &mut impl ReplySink,
    ) -> Result<(), BoxError> {
        while *left > 0
            && self.lanes.has_ready(&self.limits)
            && self.in_flight.len() < self.limits.in_flight
            && self.is_ready(cx)?
        {
            let Some((keys, stanza)) = self.lanes.next(&self.limits) else {
                break;
            };
            *left -= 1;
            self.call(Some(keys), stanza, true, out);
        }
        Ok(())
    }

    /// Rejects new stanzas from now on; queued stanzas and running handlers are completed.
    pub(crate) fn drain(&mut self) {
        self.draining = true;
    }

    /// Returns `true` if no handler runs and no stanza is queued.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.lanes.waiting() == 0
    }

    /// Returns the numbers of running handlers and queued stanzas.
    pub(crate) fn load(&self) -> (usize, usize) {
        (self.in_flight.len(), self.lanes.waiting())
    }

    /// Aborts everything after the grace period: queued stanzas are rejected, running handlers are
    /// answered with `remote-server-timeout`.
    pub(crate) fn abort(&mut self, out: &mut impl ReplySink) {
        for stanza in self.lanes.drain(&self.limits) {
            self.counters.late.inc();
            self.refuse(&stanza, Condition::RecipientUnavailable, out);
        }
        for stanza in self.in_flight.clear() {
            self.counters.timeouts.inc();
            let error = StanzaError::new(Condition::RemoteServerTimeout);
            self.write(&stanza, Reply::Error(error), out.now(), out);
        }
    }

    #[cold]
    fn apply_swap(&mut self) {
        let (paused, service) = self.hot_swap.take();
        self.paused = paused;
        if let Some(service) = service {
            (self.service, self.ready) = (service, false);
        }
    }

    fn is_ready(&mut self, cx: &mut Context<'_>) -> Result<bool, BoxError> {
        if self.paused {
            self.hot_swap.wait(cx.waker());
            return Ok(false);
        }
        if !self.ready {
            match call::poll_ready(&mut self.service, cx) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => return Ok(false),
            }
            self.ready = true;
        }
        Ok(true)
    }

    fn call(
        &mut self,
        keys: Option<Keys>,
        stanza: Arc<Stanza>,
        waited: bool,
        out: &mut impl ReplySink,
    ) {
        let called_route = self.called_route.renew();
        let shared = Arc::clone(&stanza);
        let Some(inbound) = Inbound::with_called_route(shared, self.client.clone(), called_route)
        else {
            return;
        };
        self.ready = false;
        // The real clock, not tokio's: this measures how long the handler blocks this thread.
        let start = std::time::Instant::now();
        let first = call::first_poll(&mut self.service, inbound, self.in_flight.next_waker());
        slow_handlers::record(
            &self.called_route,
            start.elapsed(),
            self.limits.slow_handler,
        );
        match first {
            First::Ready(outcome) => {
                if let Some(keys) = keys.filter(|_| waited) {
                    self.lanes.done(keys, stanza.weight(), &self.limits);
                }
                // Most replies need no name of the route.
                let route = match &outcome {
                    Ok(Reply::Deferred(_)) | Err(_) => self.called_route.get(),
                    Ok(_) => None,
                };
                let request = Request {
                    keys,
                    stanza,
                    route,
                };
                self.settle(request, outcome, out.now(), out);
            }
            First::Pending(running) => {
                let keys = keys.unwrap_or_else(|| self.keys(&stanza));
                if !waited {
                    self.lanes.start(keys, stanza.weight());
                }
                self.keep(running, stanza, keys);
            }
        }
    }

    /// Keeps a handler that was not done at its first poll.
    fn keep(&mut self, future: ReplyFuture, stanza: Arc<Stanza>, keys: Keys) {
        let route = self.called_route.get();
        let stats = route.as_ref().unwrap_or(&self.unrouted);
        let in_task = stats.resumes_in_task();
        let stats = Arc::clone(stats);
        let running = if in_task {
            Running::Task(HandlerTask::new(future, Some(stats)))
        } else {
            Running::InPlace(future, stats)
        };
        let handler = InFlightHandler {
            stanza,
            keys,
            route,
            running,
        };
        if in_task {
            self.in_flight.insert(handler);
        } else {
            self.in_flight.insert_polled(handler);
        }
    }

    fn settle(
        &mut self,
        request: Request,
        outcome: Outcome,
        since: Instant,
        out: &mut impl ReplySink,
    ) {
        let reply = match outcome {
            Ok(Reply::Deferred(later)) => return self.defer(request, later),
            Ok(reply) => reply,
            Err(error) => Reply::Error(self.classify(&request, &error)),
        };
        self.write(&request.stanza, reply, since, out);
    }

    /// Waits for a deferred reply. The handler's lane is free again, but the reply still counts as
    /// in flight, for its sender too.
    fn defer(&mut self, request: Request, later: Deferred) {
        let Request {
            keys,
            stanza,
            route,
        } = request;
        let keys = keys.unwrap_or_else(|| self.keys(&stanza));
        let keys = Keys {
            lane: self.fresh_lane(),
            ..keys
        };
        let deadline = self.limits.handler_timeout;
        self.lanes.start(keys, stanza.weight());
        let handler = InFlightHandler {
            stanza,
            keys,
            route,
            running: Running::Deferred(ReplyFuture::new(later.wait(deadline))),
        };
        self.in_flight.insert(handler);
    }

    fn classify(&mut self, request: &Request, error: &BoxError) -> StanzaError {
        if let Some(error) = too_large_by_peer(request.stanza.weight(), &**error) {
            self.counters.oversize.inc();
            return error;
        }
        let classified = crate::error::classify(error);
        if error.is::<Panicked>() {
            self.counters.panics.inc();
        } else if classified.internal {
            self.counters.faults.inc();
        }
        if classified.error.condition() == Condition::RemoteServerTimeout {
            self.counters.timeouts.inc();
        }
        if classified.internal && self.log.allow() {
            let why = crate::error::chain(error);
            let stanza = &request.stanza;
            let from = stanza.from_text();
            let to = stanza.to_text();
            let id = stanza.id();
            let route = request.route.as_ref().map(|route| route.route());
            let condition = classified.error.condition();
            // Debug escapes control characters and line breaks in untrusted text.
            tracing::error!(?from, ?to, ?id, kind = %stanza.kind(), route, %condition, ?why,
                "handler failed with an internal error");
        }
        classified.error
    }

    /// Writes a reply, whose age counts from `since`.
    fn write(&mut self, request: &Stanza, reply: Reply, since: Instant, out: &mut impl ReplySink) {
        let shared = self.client.shared();
        let mut failed = None;
        let mut answered = false;
        reply.address(request, |stanza| {
            let response = stanza.kind().is_response();
            match out.write_reply(shared, stanza, request, since) {
                Ok(()) => answered |= response,
                Err(error) => failed = Some(error),
            }
        });
        let Some(error) = failed else { return };
        let error = self.unwritable(request, &error);
        if (request.kind().is_request() && !answered) || reply::should_bounce(request) {
            // Conditions and addresses that were received can always be written.
            let refusal = reply::error_reply(request, &error);
            let _ = out.write_reply(self.client.shared(), refusal, request, since);
        }
    }

    /// Counts a reply that cannot be sent, and returns the error to send in its place.
    fn unwritable(&mut self, request: &Stanza, error: &WriteError) -> StanzaError {
        if let Some(error) = too_large_by_peer(request.weight(), error) {
            self.counters.oversize.inc();
            return error;
        }
        self.counters.unwritable.inc();
        if self.log.allow() {
            let to = request.from().map(|j| j.as_str());
            let id = request.id();
            tracing::error!(?to, ?id, %error, "reply could not be serialized");
        }
        StanzaError::new(Condition::InternalServerError)
    }

    /// Rejects a stanza without calling a handler. Errors for messages are limited to one per
    /// sender and second, or overload would amplify itself.
    fn refuse(&mut self, stanza: &Stanza, condition: Condition, out: &mut impl ReplySink) {
        if !stanza.kind().is_request() {
            if !reply::should_bounce(stanza) {
                return;
            }
            let sender = self.hash(stanza.from().map(bare).map(canonical));
            if !self.error_throttle.allow(sender, Instant::now()) {
                self.counters.shed_silently.inc();
                return;
            }
        }
        let error = StanzaError::new(condition).with_type(crate::error::ErrorType::Wait);
        self.write(stanza, Reply::Error(error), out.now(), out);
    }

    fn keys(&mut self, stanza: &Stanza) -> Keys {
        let from = stanza.from().map(bare).map(canonical);
        let sender = self.hash(&from);
        let lane = match &self.ordering {
            None => Some(self.hash((from, stanza.to().map(bare)))),
            Some(ordering) => ordering(stanza),
        };
        let domain = stanza.from().map(|from| canonical(from.domain().as_str()));
        let domain = self.hash(domain);
        Keys {
            lane: lane.unwrap_or_else(|| self.fresh_lane()),
            sender,
            domain,
        }
    }

    /// Returns a lane of its own. It may collide with another one by chance, which only costs a
    /// little concurrency.
    fn fresh_lane(&mut self) -> u64 {
        self.unordered = self.unordered.wrapping_add(1);
        self.hash(("unordered", self.unordered))
    }

    fn hash(&self, value: impl Hash) -> u64 {
        self.hasher.hash_one(value)
    }
}

impl<S> Dispatch<S> {
    /// Returns `true` if a handler runs that has not completed.
    pub(crate) fn is_running(&self) -> bool {
        !self.in_flight.is_empty()
    }
}

impl<S> fmt::Debug for Dispatch<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatch")
            .field("running", &self.in_flight.len())
            .field("waiting", &self.lanes.waiting())
            .finish()
    }
}
