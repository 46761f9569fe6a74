//! The handlers that did not complete at their first poll.
//!
//! They stay where they are, in slots, and are polled by the connection's own task: a handler that
//! awaits costs no task, no table entry and no wake of another thread. Each slot has a waker, which
//! queues the slot. A handler gets a task of its own only if it computes for so long that it would
//! delay the stream (see [`RouteStats`]). All of them do when the connection is lost, because the
//! slots are not polled until there is another one.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
// The real clock: this measures how long a handler occupies its thread.
use std::time::{Duration, Instant as RealInstant};

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::call::{self, Outcome};
use super::lanes::Keys;
use super::wake_queue::{SlotWaker, WakeQueue};
use crate::error::catch_panic;
use crate::handler::ReplyFuture;
use crate::reply::Reply;
use crate::slow_handlers::{RouteStats, poll_off_worker};
use crate::stanza::Stanza;

/// The number of slots that are kept when no handler runs.
const KEEP: usize = 1024;

/// The running handlers, and which of them have woken.
#[derive(Default)]
pub(super) struct InFlight {
    slots: Vec<Slot>,
    free: Vec<usize>,
    queue: Arc<WakeQueue>,
    /// Slots taken from the queue and not polled yet.
    woken: VecDeque<usize>,
}

struct Slot {
    shared: Arc<SlotWaker>,
    waker: Waker,
    handler: Option<InFlightHandler>,
}

/// A stanza and the handler that has not completed.
pub(super) struct InFlightHandler {
    pub(super) stanza: Arc<Stanza>,
    pub(super) keys: Keys,
    pub(super) route: Option<Arc<RouteStats>>,
    pub(super) running: Running,
}

pub(super) enum Running {
    /// Polled by the connection. The times of the polls count for this route.
    InPlace(ReplyFuture, Arc<RouteStats>),
    /// A deferred reply.
    Deferred(ReplyFuture),
    Task(HandlerTask),
}

/// A task that runs a handler. Dropping it aborts the task.
pub(super) struct HandlerTask(JoinHandle<(Outcome, Instant)>);

/// The values that the polls of one turn share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    pub(super) now: Instant,
    /// The duration of a poll that counts as blocking.
    pub(super) slow_handler: Duration,
}

/// A handler that has completed.
pub(super) struct Completed {
    pub(super) handler: InFlightHandler,
    pub(super) outcome: Outcome,
    /// The time at which the outcome was known, so that a reply does not become younger while there
    /// is no connection.
    pub(super) since: Instant,
}

impl InFlight {
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the waker of a free slot, the one that the next handler is inserted into.
    pub(super) fn next_waker(&mut self) -> &Waker {
        let slot = match self.free.last() {
            Some(&slot) => slot,
            None => self.add_slot(),
        };
        &self.slots[slot].waker
    }

    fn add_slot(&mut self) -> usize {
        let slot = self.slots.len();
        let shared = SlotWaker::new(slot, &self.queue);
        self.slots.push(Slot {
            waker: Waker::from(Arc::clone(&shared)),
            shared,
            handler: None,
        });
        self.free.push(slot);
        slot
    }

    /// Inserts a handler that was polled with [`next_waker`](Self::next_waker).
    pub(super) fn insert_polled(&mut self, handler: InFlightHandler) -> usize {
        self.next_waker();
        let slot = self.free.pop().unwrap_or_default();
        self.slots[slot].handler = Some(handler);
        slot
    }

    /// Inserts a handler that was not polled yet, or with another waker.
    pub(super) fn insert(&mut self, handler: InFlightHandler) {
        let slot = self.insert_polled(handler);
        self.slots[slot].waker.wake_by_ref();
    }

    /// Returns `true` if a handler has woken. Otherwise the next one wakes the connection.
    pub(super) fn is_woken(&self, connection: &Waker) -> bool {
        !self.woken.is_empty() || self.queue.is_woken(connection)
    }

    /// Takes the handlers that have woken, unless some are left of those taken before.
    ///
    /// Those that wake from now on are left for the next turn, also if they wake themselves: there
    /// would be no end to the polls.
    pub(super) fn take_woken(&mut self) {
        if self.woken.is_empty() {
            self.queue.take(&mut self.woken);
        }
    }

    /// Polls the next handler that was taken. Returns `None` if there is none.
    pub(super) fn poll_next(&mut self, turn: Turn) -> Option<Poll<Completed>> {
        let slot = self.woken.pop_front()?;
        Some(self.poll(slot, turn))
    }

    fn poll(&mut self, slot: usize, turn: Turn) -> Poll<Completed> {
        let Some(entry) = self.slots.get_mut(slot) else {
            // The waker of a slot that was given back.
            return Poll::Pending;
        };
        entry.shared.taken();
        let Some(handler) = &mut entry.handler else {
            // The waker was kept by a handler that has completed.
            return Poll::Pending;
        };
        let mut context = Context::from_waker(&entry.waker);
        let Poll::Ready((outcome, since)) = handler.running.poll(&mut context, turn) else {
            return Poll::Pending;
        };
        let Some(handler) = entry.handler.take() else {
            return Poll::Pending;
        };
        self.free.push(slot);
        self.release_memory();
        Poll::Ready(Completed {
            handler,
            outcome,
            since,
        })
    }

    /// Gives each handler a task of its own, for the time without a connection.
    pub(super) fn detach(&mut self) {
        for slot in &mut self.slots {
            if let Some(handler) = &mut slot.handler {
                handler.running.detach();
                slot.waker.wake_by_ref();
            }
        }
    }

    /// Cancels all handlers and returns their stanzas.
    pub(super) fn clear(&mut self) -> Vec<Arc<Stanza>> {
        let slots = self.slots.iter_mut();
        let handlers = slots.filter_map(|slot| slot.handler.take());
        let stanzas = handlers.map(InFlightHandler::cancel).collect();
        self.free = (0..self.slots.len()).collect();
        self.release_memory();
        stanzas
    }

    /// Returns memory after a flood, whose slots would otherwise stay allocated.
    fn release_memory(&mut self) {
        if self.slots.len() > KEEP && self.is_empty() {
            self.slots.truncate(KEEP);
            self.slots.shrink_to_fit();
            self.free = (0..KEEP).collect();
        }
    }
}

impl InFlightHandler {
    /// Drops the future, and returns the stanza.
    fn cancel(self) -> Arc<Stanza> {
        let running = self.running;
        if let Err(why) = catch_panic(move || drop(running)) {
            tracing::error!(why, "handler panicked when it was canceled");
        }
        self.stanza
    }
}

impl Running {
    fn poll(&mut self, context: &mut Context<'_>, turn: Turn) -> Poll<(Outcome, Instant)> {
        match self {
            Self::InPlace(future, route) => {
                let start = RealInstant::now();
                let polled = call::poll(future, context);
                let moves = route.record_resumed(start.elapsed(), turn.slow_handler);
                match polled {
                    Poll::Ready(outcome) => Poll::Ready((outcome, turn.now)),
                    Poll::Pending if moves => {
                        self.detach();
                        self.poll(context, turn)
                    }
                    Poll::Pending => Poll::Pending,
                }
            }
            Self::Deferred(reply) => call::poll(reply, context).map(|outcome| (outcome, turn.now)),
            Self::Task(task) => task.poll(context, turn.now),
        }
    }

    /// Moves the handler to a task of its own.
    fn detach(&mut self) {
        let nothing = Self::Deferred(ReplyFuture::ready(Ok(Reply::Empty)));
        *self = match std::mem::replace(self, nothing) {
            Self::InPlace(future, route) => Self::Task(HandlerTask::new(future, Some(route))),
            Self::Deferred(future) => Self::Task(HandlerTask::new(future, None)),
            Self::Task(task) => Self::Task(task),
        };
    }
}

impl HandlerTask {
    pub(super) fn new(future: ReplyFuture, route: Option<Arc<RouteStats>>) -> Self {
        Self(tokio::spawn(run(future, route)))
    }

    fn poll(&mut self, context: &mut Context<'_>, now: Instant) -> Poll<(Outcome, Instant)> {
        Pin::new(&mut self.0).poll(context).map(|joined| {
            // Panics of the handler are caught in the task.
            joined.unwrap_or_else(|error| (Err(error.into()), now))
        })
    }
}

impl Drop for HandlerTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs a handler to completion.
async fn run(mut future: ReplyFuture, route: Option<Arc<RouteStats>>) -> (Outcome, Instant) {
    let outcome = std::future::poll_fn(|context| {
        let start = RealInstant::now();
        let may_block = route.as_ref().is_some_and(|route| route.resumes_blocking());
        let polled = poll_off_worker(may_block, || call::poll(&mut future, context));
        if let Some(route) = &route {
            route.record_resumed_in_task(start.elapsed());
        }
        polled
    });
    (outcome.await, Instant::now())
}
