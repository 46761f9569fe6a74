//! IQ requests that wait for their responses.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use compact_str::CompactString;
use jid::Jid;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{IqError, IqResponse, ResponseCollector};
use crate::error::StanzaError;
use crate::metrics::RequestCounters;
use crate::stanza::{IqType, Kind, Stanza};

/// The pending requests by id. A response must come from the peer that was asked.
#[derive(Debug)]
pub(crate) struct Pending {
    table: Mutex<Table>,
    /// The number of requests that collect messages; while it is zero, messages need not be
    /// checked.
    collecting: AtomicUsize,
    bounds: PendingBounds,
    pub(crate) counters: RequestCounters,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct PendingBounds {
    /// Maximum number of pending requests.
    pub(crate) requests: usize,
    /// Maximum number of messages collected by one request.
    pub(crate) collected: usize,
    /// Maximum bytes of messages collected by all requests together.
    pub(crate) collected_bytes: usize,
}

#[derive(Debug, Default)]
struct Table {
    requests: HashMap<CompactString, PendingRequest>,
    /// Ids of the requests that collect messages, by peer.
    collectors: HashMap<Jid, Vec<CompactString>>,
    collected_bytes: usize,
    connected: bool,
    closed: bool,
}

#[derive(Debug)]
struct PendingRequest {
    peer: Jid,
    since: Instant,
    answer: oneshot::Sender<Answer>,
    collector: Option<Collector>,
}

#[derive(Debug)]
struct Collector {
    collect: ResponseCollector,
    messages: Vec<Stanza>,
    bytes: usize,
    full: bool,
}

/// The outcome of offering a message to the pending requests.
#[allow(
    clippy::large_enum_variant,
    reason = "it is taken apart where it is made"
)]
#[derive(Debug)]
pub(crate) enum Offered {
    /// No request collects it: it is dispatched as usual.
    Unwanted(Stanza),
    Collected,
    /// Its collector is full; the request will fail.
    TooMany,
}

type Answer = Result<IqResponse, IqError>;

/// An entry of the table, removed on drop.
#[derive(Debug)]
pub(crate) struct PendingGuard<'p> {
    pending: &'p Pending,
    id: CompactString,
    answer: oneshot::Receiver<Answer>,
}

impl Pending {
    pub(crate) fn new(bounds: PendingBounds) -> Self {
        Self {
            table: Mutex::default(),
            collecting: AtomicUsize::new(0),
            bounds,
            counters: RequestCounters::default(),
        }
    }

    /// Registers a request. Called before the request is sent, so that no response can come too
    /// early.
    pub(crate) fn register(
        &self,
        id: CompactString,
        peer: Jid,
        collect: Option<ResponseCollector>,
    ) -> Result<PendingGuard<'_>, IqError> {
        let (send, answer) = oneshot::channel();
        let mut table = self.lock();
        if table.closed {
            return Err(IqError::Closed);
        }
        if !table.connected {
            return Err(IqError::Disconnected);
        }
        if table.requests.len() >= self.bounds.requests {
            return Err(IqError::TooMany);
        }
        let collector = collect.map(|collect| Collector {
            collect,
            messages: Vec::new(),
            bytes: 0,
            full: false,
        });
        if collector.is_some() {
            table
                .collectors
                .entry(peer.clone())
                .or_default()
                .push(id.clone());
            self.collecting.fetch_add(1, Ordering::Relaxed);
        }
        table.requests.insert(
            id.clone(),
            PendingRequest {
                peer,
                since: Instant::now(),
                answer: send,
                collector,
            },
        );
        drop(table);
        Ok(PendingGuard {
            pending: self,
            id,
            answer,
        })
    }

    /// Returns `true` if any request collects messages.
    pub(crate) fn is_collecting(&self) -> bool {
        // The request is sent after it was registered, with a lock in between, and its messages
        // come after that: relaxed ordering is sufficient.
        self.collecting.load(Ordering::Relaxed) > 0
    }

    /// Offers a message to the request that collects it.
    pub(crate) fn offer(&self, mut message: Stanza) -> Offered {
        let mut table = self.lock();
        let bounds = self.bounds;
        let Table {
            requests,
            collectors,
            collected_bytes,
            ..
        } = &mut *table;
        let ids = message.from().and_then(|from| collectors.get(from));
        for id in ids.into_iter().flatten() {
            let collector = requests
                .get_mut(id)
                .and_then(|request| request.collector.as_mut());
            let Some(collector) = collector.filter(|collector| collector.collect.wants(&message))
            else {
                continue;
            };
            let weight = message.weight();
            let fits = collector.messages.len() < bounds.collected
                && *collected_bytes + weight <= bounds.collected_bytes;
            if collector.full || !fits {
                collector.full = true;
                *collected_bytes -= std::mem::take(&mut collector.bytes);
                collector.messages = Vec::new();
                return Offered::TooMany;
            }
            // A kept message must not keep alive the much larger chunk that it was read in.
            message.children_mut().detach();
            collector.bytes += weight;
            *collected_bytes += weight;
            collector.messages.push(message);
            return Offered::Collected;
        }
        Offered::Unwanted(message)
    }

    /// Completes the request that an IQ result or error responds to; returns `false` if there is
    /// none.
    pub(crate) fn resolve(&self, response: Stanza) -> bool {
        let (Some(id), Some(from)) = (response.id(), response.from()) else {
            return false;
        };
        let mut table = self.lock();
        // RFC 6120 §8.1.2.1, §8.2.3: matching both peer and id tells a response from a forgery.
        if table
            .requests
            .get(id)
            .is_none_or(|request| request.peer != *from)
        {
            return false;
        }
        let request = self.remove(&mut table, id);
        drop(table);
        let Some(PendingRequest {
            answer,
            collector,
            since,
            ..
        }) = request
        else {
            return false;
        };
        self.counters.latency.record(since.elapsed());
        match response.kind() {
            Kind::Iq(IqType::Result) => self.counters.result.inc(),
            _ => self.counters.error.inc(),
        }
        let result = match response.kind() {
            Kind::Iq(IqType::Result)
                if collector.as_ref().is_some_and(|collector| collector.full) =>
            {
                Err(IqError::TooMuch)
            }
            Kind::Iq(IqType::Result) => Ok(IqResponse {
                children: response.into_children(),
                collected: collector
                    .map(|collector| collector.messages)
                    .unwrap_or_default(),
            }),
            _ => Err(IqError::Refused(StanzaError::from_stanza(&response))),
        };
        answer.send(result).is_ok()
    }

    /// Fails a request that will not be sent.
    pub(crate) fn fail(&self, id: &str, error: IqError) {
        let request = self.remove(&mut self.lock(), id);
        if let Some(request) = request {
            // The requester may have dropped its future just now; then the result is not needed.
            let _ = request.answer.send(Err(error));
        }
    }

    /// Allows requests from now on.
    pub(crate) fn connect(&self) {
        self.lock().connected = true;
    }

    /// Fails every request, including later ones.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.disconnect();
    }

    /// Fails every pending request: their responses would come on a stream that is gone.
    pub(crate) fn disconnect(&self) -> usize {
        let mut table = self.lock();
        table.connected = false;
        let requests = std::mem::take(&mut table.requests);
        table.collectors.clear();
        table.collected_bytes = 0;
        self.collecting.store(0, Ordering::Relaxed);
        drop(table);
        let count = requests.len();
        self.counters.disconnected.add(count as u64);
        for (_, request) in requests {
            // The requester may have dropped its future just now; then the result is not needed.
            let _ = request.answer.send(Err(IqError::Disconnected));
        }
        count
    }

    /// Returns the number of pending requests.
    pub(crate) fn len(&self) -> usize {
        self.lock().requests.len()
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.lock().requests.contains_key(id)
    }

    fn remove(&self, table: &mut Table, id: &str) -> Option<PendingRequest> {
        let request = table.requests.remove(id)?;
        if let Some(collector) = &request.collector {
            table.collected_bytes -= collector.bytes;
            self.collecting.fetch_sub(1, Ordering::Relaxed);
            if let Some(ids) = table.collectors.get_mut(&request.peer) {
                ids.retain(|other| other != id);
                if ids.is_empty() {
                    table.collectors.remove(&request.peer);
                }
            }
        }
        Some(request)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // No code that can panic runs under this lock.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PendingGuard<'_> {
    pub(crate) async fn answer(mut self) -> Answer {
        (&mut self.answer)
            .await
            .unwrap_or(Err(IqError::Disconnected))
    }
}

impl Drop for PendingGuard<'_> {
    fn drop(&mut self) {
        if self
            .pending
            .remove(&mut self.pending.lock(), &self.id)
            .is_some()
        {
            self.pending.counters.unanswered.inc();
        }
    }
}
