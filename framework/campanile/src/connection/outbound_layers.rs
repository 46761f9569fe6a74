//! Outbound layers: the middleware between the component and the writer.
//!
//! Stanzas pass through one after the other, in the order in which they will be written. A layer
//! that waits delays those behind it and times out after a while. Without layers, none of this
//! exists or costs anything.

use std::collections::VecDeque;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::time::{Duration, Instant};
use tower::ServiceExt;
use tower::timeout::error::Elapsed;
use tower::util::BoxService;
use tower_service::Service;

use crate::client::{Completion, Pending, Shared};
use crate::error::{BoxError, catch_panic};
use crate::stanza::Stanza;

/// The whole stack, boxed once at its outermost layer.
pub(crate) type Outbound = BoxService<Stanza, (), BoxError>;

/// Maximum number of stanzas passed on in one turn.
const TURN: usize = 64;

type LayerFuture = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// The outbound layers of a component and the stanzas queued for them.
pub(crate) struct OutboundLayers {
    service: Outbound,
    written: Written,
    waiting: VecDeque<InFlight>,
    /// The stanza in the layers, when it entered them, and their future.
    in_flight: Option<(InFlight, Instant, LayerFuture)>,
    /// Since when the layers have not been ready for the next stanza.
    blocked: Option<Instant>,
    /// Approximate bytes of the stanza in flight and those queued.
    weight: usize,
    /// Maximum time for which the layers may hold a stanza.
    timeout: Duration,
}

/// A stanza queued for the layers or in them.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) stanza: Stanza,
    pub(crate) completion: Completion,
    pub(crate) since: Instant,
    /// The request that this stanza replies to, without children, if its sender must get a response
    /// in any case.
    pub(crate) request: Option<Box<Stanza>>,
    pub(crate) weight: usize,
}

/// The result of the layers: the serialized stanza, or the error of a layer.
pub(crate) struct LayerResult {
    pub(crate) result: Result<Vec<u8>, BoxError>,
    pub(crate) in_flight: InFlight,
}

impl OutboundLayers {
    /// Wraps the layers around the writer.
    pub(crate) fn new(
        shared: &Arc<Shared>,
        timeout: Duration,
        layers: impl FnOnce(Outbound) -> Outbound,
    ) -> Self {
        let written = Written::default();
        let writer = Writer {
            shared: Arc::clone(shared),
            written: written.clone(),
        };
        let service = layers(BoxService::new(writer));
        Self {
            service,
            written,
            waiting: VecDeque::new(),
            in_flight: None,
            blocked: None,
            weight: 0,
            timeout,
        }
    }

    pub(super) fn push(&mut self, in_flight: InFlight) {
        self.weight += in_flight.weight;
        self.waiting.push_back(in_flight);
    }

    /// Returns the bytes of the stanzas in the layers and queued for them.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.in_flight.is_none()
    }

    /// Keeps only the queued stanzas for which `keep` returns `true`.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&InFlight) -> bool) {
        let weight = &mut self.weight;
        self.waiting.retain(|in_flight| {
            let kept = keep(in_flight);
            *weight -= if kept { 0 } else { in_flight.weight };
            kept
        });
    }

    /// Drops everything, including the stanza in the layers.
    pub(super) fn clear(&mut self) {
        (self.in_flight, self.weight) = (None, 0);
        self.waiting.clear();
        self.written.take();
    }

    /// Passes stanzas through the layers as far as they are ready. Returns `true` if there is more
    /// to do at once.
    ///
    /// # Errors
    /// If the layers will never be ready again.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        pending: &Pending,
        mut passed: impl FnMut(LayerResult),
    ) -> Result<bool, BoxError> {
        for _ in 0..TURN {
            if self.in_flight.is_none() && !self.begin(cx, pending)? {
                let Some(in_flight) = self.take_timed_out() else {
                    return Ok(false);
                };
                passed(LayerResult {
                    result: Err(Elapsed::new().into()),
                    in_flight,
                });
                continue;
            }
            let Some((_, since, future)) = &mut self.in_flight else {
                return Ok(false);
            };
            let result = match (poll(future, cx), since.elapsed() >= self.timeout) {
                (Poll::Ready(result), _) => result,
                (Poll::Pending, true) => Err(Elapsed::new().into()),
                (Poll::Pending, false) => return Ok(false),
            };
            let written = self.written.take();
            if let Some((in_flight, ..)) = self.in_flight.take() {
                self.weight -= in_flight.weight;
                passed(LayerResult {
                    result: result.map(|()| written),
                    in_flight,
                });
            }
        }
        Ok(true)
    }

    /// Passes the next stanza to the layers. Returns `false` if there is none, or if the layers are
    /// not ready for it.
    fn begin(&mut self, cx: &mut Context<'_>, pending: &Pending) -> Result<bool, BoxError> {
        while self
            .waiting
            .front()
            .is_some_and(|in_flight| !in_flight.completion.is_wanted(pending))
        {
            self.weight -= self
                .waiting
                .pop_front()
                .map_or(0, |in_flight| in_flight.weight);
        }
        if self.waiting.is_empty() {
            return Ok(false);
        }
        match checked(|| self.service.poll_ready(cx)) {
            Ok(Poll::Ready(Ok(()))) => self.blocked = None,
            Ok(Poll::Pending) => {
                self.blocked.get_or_insert_with(Instant::now);
                return Ok(false);
            }
            Ok(Poll::Ready(Err(error))) | Err(error) => return Err(error),
        }
        let Some(in_flight) = self.waiting.pop_front() else {
            return Ok(false);
        };
        let stanza = in_flight.stanza.clone();
        let future = checked(|| -> LayerFuture { self.service.call(stanza) });
        let future = future.unwrap_or_else(|error| Box::pin(ready(Err(error))));
        self.in_flight = Some((in_flight, Instant::now(), future));
        Ok(true)
    }

    /// Removes the next stanza if the layers have not been ready for it for too long.
    fn take_timed_out(&mut self) -> Option<InFlight> {
        self.blocked
            .take_if(|since| since.elapsed() >= self.timeout)?;
        let in_flight = self.waiting.pop_front()?;
        self.weight -= in_flight.weight;
        Some(in_flight)
    }
}

/// Boxes the outermost layer.
pub(crate) fn wrapped<S>(service: S) -> Outbound
where
    S: Service<Stanza, Response = ()> + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    BoxService::new(service.map_err(Into::into))
}

/// Polls without tokio's cooperative budget, so that earlier stanzas cannot force this one to
/// yield.
fn poll(future: &mut LayerFuture, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
    checked(|| std::pin::pin!(tokio::task::coop::unconstrained(future.as_mut())).poll(cx))
        .unwrap_or_else(|error| Poll::Ready(Err(error)))
}

/// The panic of a layer. The message is only for the log.
#[derive(Debug)]
pub(super) struct Panicked(String);

impl std::fmt::Display for Panicked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "outbound layer panicked: {}", self.0)
    }
}

impl std::error::Error for Panicked {}

/// Calls a layer, and turns its panic into an error.
fn checked<T>(call: impl FnOnce() -> T) -> Result<T, BoxError> {
    catch_panic(call).map_err(|text| Panicked(text).into())
}

/// The innermost service: checks the stanza again, since layers may have changed it, and serializes
/// it.
#[derive(Debug)]
struct Writer {
    shared: Arc<Shared>,
    written: Written,
}

impl Service<Stanza> for Writer {
    type Response = ();
    type Error = BoxError;
    type Future = Ready<Result<(), BoxError>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut stanza: Stanza) -> Self::Future {
        let completed = self.shared.complete(&mut stanza);
        let written =
            completed.and_then(|()| self.shared.append(&stanza, &mut self.written.lock()));
        ready(written.map_err(Into::into))
    }
}

/// The output of the writer for the stanza in flight: usually one stanza, but a layer may drop or
/// duplicate it.
#[derive(Debug, Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        // No code that can panic runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for OutboundLayers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutboundLayers")
            .field("waiting", &self.waiting.len())
            .field("weight", &self.weight)
            .finish()
    }
}
