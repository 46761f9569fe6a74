//! What stanzas pass on their way out: the layers that the component was built with, in front of
//! the writer.
//!
//! One stanza after the other, in the order in which they will stand on the wire: a layer that
//! awaits holds up those behind it, and is given up after a while. Without layers there is no
//! stack, and nothing is paid for it.

use std::collections::VecDeque;
use std::future::{Future, Ready, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::time::{Duration, Instant};
use tower::ServiceExt;
use tower::timeout::error::Elapsed;
use tower::util::BoxService;
use tower_service::Service;

use crate::client::{Completion, Pending, Shared};
use crate::error::BoxError;
use crate::stanza::Stanza;

/// The whole stack, boxed once at its outermost layer.
pub(crate) type Outbound = BoxService<Stanza, (), BoxError>;

/// Stanzas that are passed on before others get their turn.
const TURN: usize = 64;

type LayerFuture = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// The layers of a component, and the stanzas that wait for them.
pub(crate) struct OutboundLayers {
    service: Outbound,
    written: Written,
    waiting: VecDeque<InFlight>,
    /// The stanza that the layers have, since when, and what they do with it.
    in_flight: Option<(InFlight, Instant, LayerFuture)>,
    /// Since when the layers are not ready for the next one.
    blocked: Option<Instant>,
    /// Bytes of everything that waits, about.
    weight: usize,
    /// How long the layers may keep a stanza.
    timeout: Duration,
}

/// A stanza on its way through the layers.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) stanza: Stanza,
    pub(crate) completion: Completion,
    pub(crate) since: Instant,
    /// The stanza that this one answers, without children, where its sender must hear of it in any
    /// case.
    pub(crate) request: Option<Box<Stanza>>,
    pub(crate) weight: usize,
}

/// A stanza that has passed, as bytes, or what a layer has against it.
pub(crate) struct LayerResult {
    pub(crate) result: Result<Vec<u8>, BoxError>,
    pub(crate) in_flight: InFlight,
}

impl OutboundLayers {
    /// Puts the layers around the writer.
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

    /// Bytes of what is within the layers and before them.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.in_flight.is_none()
    }

    /// Removes what may no longer be sent.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&InFlight) -> bool) {
        let weight = &mut self.weight;
        self.waiting.retain(|in_flight| {
            let kept = keep(in_flight);
            *weight -= if kept { 0 } else { in_flight.weight };
            kept
        });
    }

    /// Forgets everything, also what the layers have.
    pub(super) fn clear(&mut self) {
        (self.in_flight, self.weight) = (None, 0);
        self.waiting.clear();
        self.written.take();
    }

    /// Passes stanzas on, as far as the layers let them. `Ok(true)` when there is more to do at
    /// once.
    ///
    /// # Errors
    /// When the layers will never be ready again.
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

    /// Hands the next stanza to the layers. False when there is none, or they are not ready for it.
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
        match catch_panic(|| self.service.poll_ready(cx)) {
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
        let future = catch_panic(|| -> LayerFuture { self.service.call(stanza) });
        let future = future.unwrap_or_else(|error| Box::pin(ready(Err(error))));
        self.in_flight = Some((in_flight, Instant::now(), future));
        Ok(true)
    }

    /// The next stanza, when the layers have not been ready for it for too long.
    fn take_timed_out(&mut self) -> Option<InFlight> {
        self.blocked
            .take_if(|since| since.elapsed() >= self.timeout)?;
        let in_flight = self.waiting.pop_front()?;
        self.weight -= in_flight.weight;
        Some(in_flight)
    }
}

/// One layer more, further outside.
pub(crate) fn wrapped<S>(service: S) -> Outbound
where
    S: Service<Stanza, Response = ()> + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    BoxService::new(service.map_err(Into::into))
}

/// Polls without tokio's budget: the stanzas before this one must not make it yield.
fn poll(future: &mut LayerFuture, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
    catch_panic(|| std::pin::pin!(tokio::task::coop::unconstrained(future.as_mut())).poll(cx))
        .unwrap_or_else(|error| Poll::Ready(Err(error)))
}

/// A layer panicked; the message is for the log alone.
#[derive(Debug)]
pub(super) struct Panicked(String);

impl std::fmt::Display for Panicked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an outbound layer panicked: {}", self.0)
    }
}

impl std::error::Error for Panicked {}

fn catch_panic<T>(run: impl FnOnce() -> T) -> Result<T, BoxError> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Panicked(text.unwrap_or_else(|| "no message".to_owned())).into()
    })
}

/// The innermost service: checks the stanza once more, since layers may have changed it, and writes
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

/// What the writer has written of the stanza that passes: usually one, but a layer may drop or
/// double it.
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
