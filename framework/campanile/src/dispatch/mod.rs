//! Which stanza is handled when: order within a lane, concurrency across lanes, bounds on
//! everything.
//!
//! A handler that is done at its first poll costs no task and no table entry. The dispatcher
//! outlives connections: a lost link cancels no handler.

mod call;
mod hot_swap;
mod lanes;
mod overload;
mod prehashed;

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use tower_service::Service;

use self::call::{First, Outcome, Panicked};
pub(crate) use self::hot_swap::HotSwap;
use self::lanes::{Keys, Lanes};
use self::overload::ErrorThrottle;
use self::prehashed::PrehashedMap;
use crate::client::Client;
use crate::connection::Outbox;
use crate::error::{BoxError, Condition, StanzaError};
use crate::inbound::Inbound;
use crate::limits::Limits;
use crate::metrics::Registry;
use crate::reply::{self, Deferred, Reply};
use crate::slow_handlers;
use crate::stanza::Stanza;
use crate::throttle::Throttle;

/// Decides which stanzas are handled one after the other: those with the same key.
///
/// `None` means that the stanza may be handled at any time.
pub type Ordering = Arc<dyn Fn(&Stanza) -> Option<u64> + Send + Sync>;

/// Calls the service of one component, and writes what it answers.
pub(crate) struct Dispatch<S> {
    service: S,
    /// What is to replace it.
    hot_swap: Arc<HotSwap<S>>,
    /// Nothing is begun until the slot opens.
    paused: bool,
    /// `poll_ready` has said yes and `call` has not been called since.
    ready: bool,
    limits: Arc<Limits>,
    client: Client,
    counters: Arc<Registry>,
    ordering: Option<Ordering>,
    hasher: RandomState,
    unordered: u64,
    lanes: Lanes,
    /// Outcomes, and when they were known: a link that was lost in between must not make an answer
    /// young again.
    tasks: JoinSet<(Outcome, Instant)>,
    in_flight: PrehashedMap<Id, InFlightHandler>,
    /// A task was begun whose end would wake nobody yet.
    unpolled_tasks: bool,
    error_throttle: ErrorThrottle,
    log: Throttle,
    draining: bool,
}

/// A stanza whose handler runs in a task.
struct InFlightHandler {
    stanza: Arc<Stanza>,
    keys: Keys,
}

impl<S> Dispatch<S>
where
    S: Service<Inbound, Response = Reply>,
    S::Error: Into<BoxError>,
    S::Future: Unpin + Send + 'static,
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
            tasks: JoinSet::new(),
            in_flight: PrehashedMap::default(),
            unpolled_tasks: false,
            error_throttle: ErrorThrottle::new(),
            log: Throttle::default(),
            draining: false,
        }
    }

    pub(crate) fn with_ordering(mut self, ordering: Option<Ordering>) -> Self {
        self.ordering = ordering;
        self
    }

    /// Where another service can be put in place of this one.
    pub(crate) fn hot_swap(&self) -> Arc<HotSwap<S>> {
        Arc::clone(&self.hot_swap)
    }

    /// Takes the next stanza from the stream: handles it at once, lets it wait, or tells its sender
    /// that it cannot.
    ///
    /// # Errors
    /// When the service will never be ready again.
    pub(crate) fn offer(
        &mut self,
        cx: &mut Context<'_>,
        stanza: Stanza,
        out: &mut Outbox,
    ) -> Result<(), BoxError> {
        if self.draining {
            self.counters.late.inc();
            self.refuse(&stanza, Condition::RecipientUnavailable, out);
            return Ok(());
        }
        // While nothing runs and nothing waits, nobody needs to know whose turn it is.
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
        // A stanza that waits must not keep alive the much larger chunk that it came in.
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

    /// Writes the answers of handlers that are done and, where `start` says so, starts stanzas that
    /// waited for them, `turn` at the most. True when there is more to do at once.
    ///
    /// # Errors
    /// When the service will never be ready again.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        turn: usize,
        start: bool,
        out: &mut Outbox,
    ) -> Result<bool, BoxError> {
        if self.hot_swap.is_changed() {
            self.apply_swap();
        }
        let mut left = turn;
        loop {
            self.join(cx, &mut left, out);
            if start {
                self.start_waiting(cx, &mut left, out)?;
            }
            if left == 0 || !self.unpolled_tasks {
                return Ok(left == 0);
            }
        }
    }

    /// Tasks were begun since [`Dispatch::poll`], which must be called again for their end to wake
    /// anybody.
    pub(crate) fn has_unpolled_tasks(&self) -> bool {
        self.unpolled_tasks
    }

    /// Settles what is done, until nothing is: then whoever waits is woken by the next task that
    /// ends.
    fn join(&mut self, cx: &mut Context<'_>, left: &mut usize, out: &mut Outbox) {
        while *left > 0 {
            let Poll::Ready(Some(done)) = self.tasks.poll_join_next_with_id(cx) else {
                self.unpolled_tasks = false;
                return;
            };
            *left -= 1;
            let (id, (outcome, since)) = match done {
                Ok(done) => done,
                Err(error) => (error.id(), (Err(error.into()), out.now())),
            };
            let Some(handler) = self.in_flight.remove(&id) else {
                continue;
            };
            self.lanes
                .done(handler.keys, handler.stanza.weight(), &self.limits);
            if out.now().saturating_duration_since(since) >= self.limits.reply_max_age {
                self.counters.stale.inc();
                continue;
            }
            out.at_time(since, |out| {
                self.settle(Some(handler.keys), handler.stanza, outcome, out)
            });
        }
    }

    fn start_waiting(
        &mut self,
        cx: &mut Context<'_>,
        left: &mut usize,
        out: &mut Outbox,
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

    /// From now on requests are refused; what waits and what runs is finished.
    pub(crate) fn drain(&mut self) {
        self.draining = true;
    }

    /// Nothing waits, nothing runs.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.lanes.waiting() == 0
    }

    /// Handlers that run, and stanzas that wait for one.
    pub(crate) fn load(&self) -> (usize, usize) {
        (self.in_flight.len(), self.lanes.waiting())
    }

    /// The grace period is over: what waits is refused, what runs is answered with
    /// `remote-server-timeout`.
    pub(crate) fn abort(&mut self, out: &mut Outbox) {
        for stanza in self.lanes.drain(&self.limits) {
            self.counters.late.inc();
            self.refuse(&stanza, Condition::RecipientUnavailable, out);
        }
        self.tasks.abort_all();
        for (_, handler) in std::mem::take(&mut self.in_flight) {
            self.counters.timeouts.inc();
            let error = StanzaError::new(Condition::RemoteServerTimeout);
            self.write(&handler.stanza, Reply::Error(error), out);
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

    fn call(&mut self, keys: Option<Keys>, stanza: Arc<Stanza>, waited: bool, out: &mut Outbox) {
        let Some(inbound) = Inbound::new(Arc::clone(&stanza), self.client.clone()) else {
            return;
        };
        self.ready = false;
        // The real clock, not tokio's: what is measured is a handler that blocks this very thread.
        let start = std::time::Instant::now();
        let first = call::first_poll(&mut self.service, inbound);
        slow_handlers::record(start.elapsed(), self.limits.slow_handler);
        match first {
            First::Ready(outcome) => {
                if let Some(keys) = keys.filter(|_| waited) {
                    self.lanes.done(keys, stanza.weight(), &self.limits);
                }
                self.settle(keys, stanza, outcome, out);
            }
            First::Pending(running) => {
                let keys = keys.unwrap_or_else(|| self.keys(&stanza));
                if !waited {
                    self.lanes.start(keys, stanza.weight());
                }
                self.spawn(call::finish(running), InFlightHandler { stanza, keys });
            }
        }
    }

    fn spawn(
        &mut self,
        running: impl Future<Output = Outcome> + Send + 'static,
        handler: InFlightHandler,
    ) {
        let task = self.tasks.spawn(with_end_time(running));
        self.in_flight.insert(task.id(), handler);
        self.unpolled_tasks = true;
    }

    fn settle(
        &mut self,
        keys: Option<Keys>,
        stanza: Arc<Stanza>,
        outcome: Outcome,
        out: &mut Outbox,
    ) {
        let reply = match outcome {
            Ok(Reply::Deferred(later)) => return self.defer(keys, stanza, later),
            Ok(reply) => reply,
            Err(error) => Reply::Error(self.classify(&stanza, &error)),
        };
        self.write(&stanza, reply, out);
    }

    /// The handler's lane is free again; what it owes counts as in flight, for its sender as well.
    fn defer(&mut self, keys: Option<Keys>, stanza: Arc<Stanza>, later: Deferred) {
        let keys = keys.unwrap_or_else(|| self.keys(&stanza));
        let keys = Keys {
            lane: self.fresh_lane(),
            ..keys
        };
        let deadline = self.limits.handler_timeout;
        self.lanes.start(keys, stanza.weight());
        self.spawn(later.wait(deadline), InFlightHandler { stanza, keys });
    }

    fn classify(&mut self, stanza: &Stanza, error: &BoxError) -> StanzaError {
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
            let from = stanza.from().map(|j| j.as_str());
            let to = stanza.to().map(|j| j.as_str());
            let id = stanza.id();
            // Debug escapes control characters and line breaks in text from outside.
            tracing::error!(?from, ?to, ?id, kind = %stanza.kind(), ?why, "a stanza was not handled: \
                a fault of ours");
        }
        classified.error
    }

    fn write(&mut self, request: &Stanza, reply: Reply, out: &mut Outbox) {
        let shared = self.client.shared();
        let mut failed = None;
        let mut answered = false;
        reply.address(request, |stanza| {
            let response = stanza.kind().is_response();
            match out.answer(shared, stanza, request) {
                Ok(()) => answered |= response,
                Err(error) => failed = Some(error),
            }
        });
        let Some(error) = failed else { return };
        self.counters.unwritable.inc();
        if self.log.allow() {
            tracing::error!(to = ?request.from().map(|j| j.as_str()), id = ?request.id(), %error, "an answer cannot be written");
        }
        let error = StanzaError::new(Condition::InternalServerError);
        if (request.kind().is_request() && !answered) || reply::should_bounce(request) {
            // Conditions and addresses that came in can always be written.
            let _ = out.answer(
                self.client.shared(),
                reply::error_reply(request, &error),
                request,
            );
        }
    }

    /// Says no without a handler. Messages are answered once per sender and second, or overload
    /// would feed itself.
    fn refuse(&mut self, stanza: &Stanza, condition: Condition, out: &mut Outbox) {
        if !stanza.kind().is_request() {
            if !reply::should_bounce(stanza) {
                return;
            }
            let sender = self.hash(stanza.from().map(bare));
            if !self.error_throttle.allow(sender, Instant::now()) {
                self.counters.shed_silently.inc();
                return;
            }
        }
        let error = StanzaError::new(condition).with_type(crate::error::ErrorType::Wait);
        self.write(stanza, Reply::Error(error), out);
    }

    fn keys(&mut self, stanza: &Stanza) -> Keys {
        let from = stanza.from().map(bare);
        let sender = self.hash(from);
        let lane = match &self.ordering {
            None => Some(self.hash((from, stanza.to().map(bare)))),
            Some(ordering) => ordering(stanza),
        };
        let domain = self.hash(stanza.from().map(|from| from.domain().as_str()));
        Keys {
            lane: lane.unwrap_or_else(|| self.fresh_lane()),
            sender,
            domain,
        }
    }

    /// A lane that nobody else is in. It may meet another one by chance, which only costs a little
    /// time.
    fn fresh_lane(&mut self) -> u64 {
        self.unordered = self.unordered.wrapping_add(1);
        self.hash(("unordered", self.unordered))
    }

    fn hash(&self, value: impl Hash) -> u64 {
        self.hasher.hash_one(value)
    }
}

async fn with_end_time(running: impl Future<Output = Outcome>) -> (Outcome, Instant) {
    let outcome = running.await;
    (outcome, Instant::now())
}

/// A JID without its resource, as text and without a copy.
fn bare(jid: &jid::Jid) -> &str {
    let resource = jid
        .resource()
        .map_or(0, |resource| resource.as_str().len() + 1);
    let text = jid.as_str();
    &text[..text.len() - resource]
}

impl<S> fmt::Debug for Dispatch<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatch")
            .field("running", &self.in_flight.len())
            .field("waiting", &self.lanes.waiting())
            .finish()
    }
}
