//! The sending handle of a component: messages, presence and IQ requests outside of a reply.

mod confirm;
mod error;
mod observer;
mod pending;
mod queue;
mod request;
mod send_confirmed;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jid::{BareJid, Jid};

pub(crate) use self::confirm::Confirm;
pub use self::confirm::{ConfirmError, Confirmation};
pub use self::error::{IqError, SendError};
pub(crate) use self::observer::StanzaObserver;
use self::pending::PendingBounds;
pub(crate) use self::pending::{Offered, Pending};
pub(crate) use self::queue::{Completion, Content, Entry, Queue};
use self::request::Layered;
pub use self::request::{IqRequest, IqResponse, IqResponseFuture, ResponseCollector};
use self::send_confirmed::Budget;
pub use crate::instances::ResponseForwarder;
use crate::instances::{Ids, Instances, SharedJid, SingleInstance};
use crate::limits::Limits;
use crate::metrics::Registry;
use crate::stanza::{Kind, Stanza, WriteError};
pub use campanile_stanza::payload::{Empty, FromResult};
use campanile_stanza::xml;

/// Sends stanzas and IQ requests from anywhere, as long as the component runs.
///
/// Cloning is cheap. A client can be created before the first connection and stays valid across
/// reconnects.
///
/// XEP-0114 has no acknowledgements: when [`send`](Client::send) returns, the stanza has been
/// written to the stream, but whether it arrived is unknown. Use
/// [`send_confirmed`](Client::send_confirmed) for stanzas that must not be lost.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
    /// The layers around requests, if any were added to this client.
    layers: Option<Arc<Layered>>,
}

/// State shared between clients and the connection.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) domain: Jid,
    pub(crate) ids: Ids,
    pub(crate) pending: Pending,
    pub(crate) queue: Queue,
    /// The processes that are connected with the same JID.
    pub(crate) instances: Arc<dyn Instances>,
    /// The observer of messages and presence, if there is one.
    pub(crate) observer: OnceLock<Arc<dyn StanzaObserver>>,
    unconfirmed: Budget,
    bounds: Bounds,
    /// The metrics of the component.
    pub(crate) counters: Arc<Registry>,
}

/// The limits that apply to the client.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// Largest outbound stanza, in bytes after escaping.
    max_stanza: usize,
    /// Default timeout of a request.
    timeout: Duration,
    /// Maximum number of bytes in the queue.
    queued: usize,
    pending: PendingBounds,
    /// Set if the component has outbound layers, which take stanzas instead of bytes.
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
            layered,
        }
    }
}

impl Client {
    /// Creates the client of a component. `layered` is set if the component has outbound layers.
    pub(crate) fn new(domain: &BareJid, limits: &Limits, layered: bool) -> Self {
        let ids = Ids::new();
        let instances = Arc::new(SharedJid::new(&ids, limits));
        Self::with_instances(domain, limits, layered, ids, instances)
    }

    fn with_instances(
        domain: &BareJid,
        limits: &Limits,
        layered: bool,
        ids: Ids,
        instances: Arc<dyn Instances>,
    ) -> Self {
        let bounds = Bounds::new(limits, layered);
        let shared = Shared {
            domain: domain.clone().into(),
            ids,
            instances,
            pending: Pending::new(bounds.pending),
            queue: Queue::new(bounds.queued),
            observer: OnceLock::new(),
            unconfirmed: Budget::new(limits),
            bounds,
            counters: Arc::default(),
        };
        Self {
            shared: Arc::new(shared),
            layers: None,
        }
    }

    /// Creates a client that is not connected to a component, for tests of handlers.
    ///
    /// Everything sent with it fails.
    #[must_use]
    pub fn detached(domain: &BareJid) -> Self {
        let instances = Arc::new(SingleInstance);
        let client = Self::with_instances(domain, &Limits::default(), false, Ids::new(), instances);
        client.shared.close();
        client
    }

    /// Returns a client of a component that runs.
    pub(crate) fn of(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            layers: None,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Returns the JID of the component.
    #[must_use]
    pub fn domain(&self) -> &Jid {
        &self.shared.domain
    }

    /// Returns the id of this process, unique among the processes connected with the same JID.
    ///
    /// The ids of its requests begin with it.
    #[must_use]
    pub fn instance(&self) -> &str {
        self.shared.ids.instance()
    }

    /// Returns `true` if another process is connected with the same JID, as far as is known.
    ///
    /// Another process is detected when one of its pings arrives here, and is assumed to be
    /// connected for ten [keepalive intervals](crate::limits::Limits::keepalive) after that.
    #[must_use]
    pub fn has_peers(&self) -> bool {
        self.shared.instances.has_peers()
    }

    /// Accepts an IQ result or error that was [forwarded](ResponseForwarder) by another process on
    /// the same JID.
    ///
    /// Returns `false` if no request is waiting for it, or if it is not from the address that was
    /// asked.
    pub fn accept_response(&self, response: Stanza) -> bool {
        response.kind().is_response() && self.shared.pending.resolve(response)
    }

    /// Returns a new unguessable id.
    #[must_use]
    pub fn fresh_id(&self) -> String {
        self.shared.ids.fresh().into()
    }

    /// Sends a message or presence and waits until it has been written to the stream.
    ///
    /// Waits for space in the queue first, and for a connection if there is none. `from` defaults
    /// to the component's domain; a message without an id gets a new one. Dropping the future
    /// withdraws the stanza if it has not been written yet.
    ///
    /// # Errors
    /// See [`SendError`]; among them: the stanza cannot be serialized ([`SendError::Write`]), or
    /// the component has ended ([`SendError::Closed`]).
    pub async fn send(&self, stanza: Stanza) -> Result<(), SendError> {
        let content = self.shared.encode(stanza)?;
        self.shared.queue.written(content).await
    }
}

impl Shared {
    /// Fails everything that is waiting and everything sent later.
    pub(crate) fn close(&self) {
        self.queue.close();
        self.unconfirmed.close();
        self.pending.close();
        if let Some(observer) = self.observer.get() {
            observer.closed();
        }
    }

    /// Sends a request and waits for the response.
    async fn ask(&self, request: IqRequest) -> Result<IqResponse, IqError> {
        let IqRequest {
            stanza,
            timeout,
            collect,
        } = request;
        let id = self.ids.fresh();
        let peer = stanza.to().cloned().ok_or(WriteError::NoRecipient)?;
        if !stanza.kind().is_request() {
            return Err(WriteError::Value(format!("{} is not a request", stanza.kind())).into());
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

    /// Completes and checks a stanza, and serializes it unless outbound layers need it as a stanza.
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

    /// Fills in the attributes that both servers require: `from`, `to`, and an id on messages and
    /// IQs.
    pub(crate) fn complete(&self, stanza: &mut Stanza) -> Result<(), WriteError> {
        match stanza.from() {
            // A reply from the address that the request was sent to.
            None if stanza.raw_from().is_some() => {}
            None => stanza.set_from(Some(self.domain.clone())),
            // Prosody closes the stream with invalid-from for anything else.
            Some(from) if from.domain() != self.domain.domain() => {
                return Err(WriteError::ForeignSender(from.clone()));
            }
            Some(_) => {}
        }
        // ejabberd closes the stream with improper-addressing.
        if stanza.to_text().is_none() {
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

    /// Serializes a complete stanza; appends nothing if it is too large for the server.
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
