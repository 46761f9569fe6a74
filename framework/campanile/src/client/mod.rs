//! The sending handle: messages, presence and IQ requests that a component starts by itself.

mod confirm;
mod error;
mod forwarder;
mod id;
mod pending;
mod queue;
mod request;

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use jid::{BareJid, Jid};
use tokio::time::Instant;

use self::confirm::Budget;
pub(crate) use self::confirm::Confirm;
pub use self::confirm::{ConfirmError, Confirmation};
pub use self::error::{IqError, SendError};
pub use self::forwarder::ResponseForwarder;
pub(crate) use self::forwarder::instance_of;
pub(crate) use self::id::Ids;
use self::pending::PendingBounds;
pub(crate) use self::pending::{Offered, Pending};
pub(crate) use self::queue::{Completion, Content, Entry, Queue};
use self::request::Layered;
pub use self::request::{IqRequest, IqResponse, IqResponseFuture, ResponseCollector};
use crate::limits::Limits;
use crate::metrics::Registry;
use crate::stanza::{Kind, Stanza, WriteError};
pub use campanile_stanza::payload::{Empty, FromResult};
use campanile_stanza::xml;

/// So many keepalive intervals another process on the same JID is believed to be there. Of two,
/// every second ping of the other comes back to itself: ten in a row do so once in a thousand
/// times.
const PEER_MEMORY: u32 = 10;

/// Sends stanzas and makes requests, from anywhere, as long as the component runs.
///
/// Cloning is cheap. A client is there before the first connection and stays across reconnects.
///
/// XEP-0114 knows no acknowledgements: what [`send`](Client::send) reports as done has been written
/// to the stream, and whether it arrived is not known. What matters more is sent by
/// [`send_confirmed`](Client::send_confirmed).
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
    /// What requests pass, in a client that was given layers of its own.
    layers: Option<Arc<Layered>>,
}

/// What clients and the connection share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) domain: Jid,
    pub(crate) ids: Ids,
    pub(crate) pending: Pending,
    pub(crate) queue: Queue,
    response_forwarder: RwLock<Option<Arc<dyn ResponseForwarder>>>,
    /// When another process on the same JID was last heard of.
    peer_instance: Mutex<Option<Instant>>,
    unconfirmed: Budget,
    bounds: Bounds,
    /// What the component has counted.
    pub(crate) counters: Arc<Registry>,
}

/// Bounds of the client.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// Largest stanza sent, in bytes after escaping.
    max_stanza: usize,
    /// How long an answer may take.
    timeout: Duration,
    /// Bytes that may wait in the queue.
    queued: usize,
    pending: PendingBounds,
    /// How long another process on the same JID is believed to be there.
    peer_instance: Duration,
    /// The component has outbound layers, which want stanzas and not bytes.
    layered: bool,
}

impl Bounds {
    fn new(limits: &Limits, layered: bool) -> Self {
        Self {
            max_stanza: limits.max_stanza_out,
            timeout: limits.iq_timeout,
            queued: limits.outbound.max(limits.max_stanza_out),
            pending: PendingBounds {
                requests: limits.max_pending_iqs,
                collected: limits.max_collected,
                collected_bytes: limits.max_collected_bytes,
            },
            peer_instance: limits.keepalive * PEER_MEMORY,
            layered,
        }
    }
}

impl Client {
    /// `layered`: the component has outbound layers.
    pub(crate) fn new(domain: &BareJid, limits: &Limits, layered: bool) -> Self {
        let bounds = Bounds::new(limits, layered);
        let shared = Shared {
            domain: domain.clone().into(),
            ids: Ids::new(),
            pending: Pending::new(bounds.pending),
            queue: Queue::new(bounds.queued),
            response_forwarder: RwLock::default(),
            peer_instance: Mutex::default(),
            unconfirmed: Budget::new(limits),
            bounds,
            counters: Arc::default(),
        };
        Self {
            shared: Arc::new(shared),
            layers: None,
        }
    }

    /// A client of a component that is not running: whatever is sent with it fails. For tests of
    /// handlers.
    #[must_use]
    pub fn detached(domain: &BareJid) -> Self {
        let client = Self::new(domain, &Limits::default(), false);
        client.shared.close();
        client
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The component's own address.
    #[must_use]
    pub fn domain(&self) -> &Jid {
        &self.shared.domain
    }

    /// What tells this process from every other that is mounted on the same JID: the ids of its
    /// requests begin with it.
    #[must_use]
    pub fn instance(&self) -> &str {
        self.shared.ids.instance()
    }

    /// Whether another process is mounted on the same JID, as far as is known: one of its pings
    /// came here within the last ten [keepalive intervals](crate::limits::Limits::keepalive).
    #[must_use]
    pub fn has_peers(&self) -> bool {
        self.shared
            .peer_instance()
            .is_some_and(|heard| heard.elapsed() < self.shared.bounds.peer_instance)
    }

    /// Takes an IQ result or error that came to another process on the same JID, and was [handed
    /// over](ResponseForwarder). False when nobody here waits for it, or it is not from the address that was
    /// asked.
    pub fn accept_response(&self, answer: Stanza) -> bool {
        answer.kind().is_response() && self.shared.pending.resolve(answer)
    }

    /// A fresh id that nobody can guess.
    #[must_use]
    pub fn fresh_id(&self) -> String {
        self.shared.ids.fresh().into()
    }

    /// Sends a message or presence, and waits until it has been written to the stream.
    ///
    /// Waits for room first, and for a connection when there is none. `from` defaults to the
    /// component's domain, a message without id gets a fresh one. Dropping the future takes the
    /// stanza back while that is possible.
    ///
    /// # Errors
    /// When the stanza cannot be written ([`SendError::Write`]), or when the component has ended
    /// ([`SendError::Closed`]).
    pub async fn send(&self, stanza: Stanza) -> Result<(), SendError> {
        let content = self.shared.encode(stanza)?;
        self.shared.queue.written(content).await
    }
}

impl Shared {
    /// What carries answers to the process that asked, from now on.
    pub(crate) fn set_response_forwarder(
        &self,
        response_forwarder: Option<Arc<dyn ResponseForwarder>>,
    ) {
        *self
            .response_forwarder
            .write()
            .unwrap_or_else(PoisonError::into_inner) = response_forwarder;
    }

    /// What carries answers to the process that asked.
    pub(crate) fn response_forwarder(&self) -> Option<Arc<dyn ResponseForwarder>> {
        self.response_forwarder
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Another process on the same JID has been heard of.
    pub(crate) fn heard_peer_instance(&self, now: Instant) {
        *self
            .peer_instance
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    fn peer_instance(&self) -> Option<Instant> {
        *self
            .peer_instance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails whatever waits, and all that comes later.
    pub(crate) fn close(&self) {
        self.queue.close();
        self.unconfirmed.close();
        self.pending.close();
    }

    /// Sends a request and waits for the answer.
    async fn ask(&self, request: IqRequest) -> Result<IqResponse, IqError> {
        let IqRequest {
            stanza,
            timeout,
            collect,
        } = request;
        let id = self.ids.fresh();
        let peer = stanza.to().cloned().ok_or(WriteError::NoRecipient)?;
        if !stanza.kind().is_request() {
            return Err(WriteError::Value(format!("{} is no request", stanza.kind())).into());
        }
        let content = self.encode(stanza.with_id(&id))?;
        let waiting = self.pending.register(id.clone(), peer, collect)?;
        let answered = async {
            self.queue.request(content, id).await?;
            waiting.answer().await
        };
        let timeout = timeout.unwrap_or(self.bounds.timeout);
        tokio::time::timeout(timeout, answered)
            .await
            .unwrap_or(Err(IqError::Timeout))
    }

    /// Completes a stanza, checks it, and serialises it unless layers want to see it.
    pub(crate) fn encode(&self, mut stanza: Stanza) -> Result<Content, WriteError> {
        let mut out = Vec::new();
        self.complete(&mut stanza)?;
        self.append(&stanza, &mut out)?;
        Ok(if self.bounds.layered {
            Content::Stanza(Box::new(stanza), out.len())
        } else {
            Content::Bytes(out)
        })
    }

    /// Fills in what the server wants on every stanza (servers.md of both: `from`, `to`; an id on
    /// messages and IQ).
    pub(crate) fn complete(&self, stanza: &mut Stanza) -> Result<(), WriteError> {
        match stanza.from() {
            None => stanza.set_from(Some(self.domain.clone())),
            // Prosody closes the stream with invalid-from for anything else.
            Some(from) if from.domain() != self.domain.domain() => {
                return Err(WriteError::ForeignSender(from.clone()));
            }
            Some(_) => {}
        }
        // ejabberd closes the stream with improper-addressing.
        if stanza.to().is_none() {
            return Err(WriteError::NoRecipient);
        }
        if stanza.id().is_none() && !matches!(stanza.kind(), Kind::Presence(_)) {
            stanza.set_id(Some(&self.ids.fresh()));
        }
        for text in [stanza.id(), stanza.lang()].into_iter().flatten() {
            if let Some(c) = xml::forbidden_char(text) {
                return Err(WriteError::Character(c));
            }
        }
        Ok(())
    }

    /// Appends a complete stanza, or nothing when it is too large for the server.
    pub(crate) fn append(&self, stanza: &Stanza, out: &mut Vec<u8>) -> Result<(), WriteError> {
        let start = out.len();
        stanza.write_to(out);
        let size = out.len() - start;
        if size > self.bounds.max_stanza {
            out.truncate(start);
            return Err(WriteError::TooLarge {
                size,
                limit: self.bounds.max_stanza,
            });
        }
        Ok(())
    }
}
