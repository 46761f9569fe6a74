//! The sending handle: messages, presence and IQ requests that a component starts by itself.

mod fault;
mod id;
mod pending;
mod queue;

use std::sync::Arc;
use std::time::Duration;

use jid::{BareJid, Jid};
use xso::{AsXml, FromXml};

pub use self::fault::{IqError, SendError};
pub(crate) use self::id::Ids;
pub(crate) use self::pending::Pending;
pub(crate) use self::queue::{Content, Entry, Note, Queue};
use crate::stanza::{Children, Kind, Stanza, WriteError};

/// Sends stanzas and makes requests, from anywhere, as long as the component runs.
///
/// Cloning is cheap. A client is there before the first connection and stays across reconnects.
///
/// XEP-0114 knows no acknowledgements: what [`send`](Client::send) reports as done has been written to the
/// stream, and whether it arrived is not known.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

/// What clients and the connection share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) domain: Jid,
    pub(crate) ids: Ids,
    pub(crate) pending: Pending,
    pub(crate) queue: Queue,
    pub(crate) bounds: Bounds,
}

/// Bounds of the client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Largest stanza sent, in bytes after escaping.
    pub(crate) max_stanza: usize,
    /// Requests without an answer at a time.
    pub(crate) pending: usize,
    /// How long an answer may take.
    pub(crate) timeout: Duration,
    /// Bytes that may wait in the queue.
    pub(crate) queued: usize,
    /// The component has outbound layers, which want stanzas and not bytes.
    pub(crate) layered: bool,
}

impl Default for Bounds {
    fn default() -> Self {
        let timeout = Duration::from_secs(30);
        Self { max_stanza: 524_288, pending: 4096, timeout, queued: 1024 * 1024, layered: false }
    }
}

impl Client {
    pub(crate) fn new(domain: &BareJid, bounds: Bounds) -> Self {
        let shared = Shared {
            domain: domain.clone().into(),
            ids: Ids::new(),
            pending: Pending::new(bounds.pending),
            queue: Queue::new(bounds.queued.max(bounds.max_stanza)),
            bounds,
        };
        Self { shared: Arc::new(shared) }
    }

    /// A client of a component that is not running: whatever is sent with it fails. For tests of handlers.
    #[must_use]
    pub fn detached(domain: &BareJid) -> Self {
        let client = Self::new(domain, Bounds::default());
        client.shared.queue.close();
        client.shared.pending.close();
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

    /// A fresh id that nobody can guess.
    #[must_use]
    pub fn fresh_id(&self) -> String {
        self.shared.ids.fresh().into()
    }

    /// Sends a message or presence, and waits until it has been written to the stream.
    ///
    /// Waits for room first, and for a connection when there is none. `from` defaults to the component's domain,
    /// a message without id gets a fresh one. Dropping the future takes the stanza back while that is possible.
    ///
    /// # Errors
    /// When the stanza cannot be written ([`SendError::Write`]), or when the component has ended
    /// ([`SendError::Closed`]).
    pub async fn send(&self, stanza: Stanza) -> Result<(), SendError> {
        let content = self.shared.encode(stanza)?;
        self.shared.queue.written(content).await
    }

    /// Sends an IQ get and waits for the children of the result.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn iq_get<P: AsXml>(&self, to: impl Into<Jid>, payload: &P) -> Result<Children, IqError> {
        self.iq(Stanza::iq_get(to, payload)?, self.shared.bounds.timeout).await
    }

    /// Sends an IQ set and waits for the children of the result.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn iq_set<P: AsXml>(&self, to: impl Into<Jid>, payload: &P) -> Result<Children, IqError> {
        self.iq(Stanza::iq_set(to, payload)?, self.shared.bounds.timeout).await
    }

    /// Sends an IQ get and waits for a payload of type `A`.
    ///
    /// # Errors
    /// See [`IqError`]; an answer that is no `A` is [`IqError::Answer`].
    pub async fn request<P: AsXml, A: FromXml>(&self, to: impl Into<Jid>, payload: &P) -> Result<A, IqError> {
        let children = self.iq_get(to, payload).await?;
        Stanza::new(Kind::Iq(crate::stanza::IqType::Result)).with_children(children).child().map_err(IqError::Answer)
    }

    /// Sends an IQ request and waits for the children of the result, `timeout` at the most.
    ///
    /// The answer counts only when it comes from the very address that was asked. Dropping the future forgets the
    /// request.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn iq(&self, request: Stanza, timeout: Duration) -> Result<Children, IqError> {
        let id = self.shared.ids.fresh();
        let Some(peer) = request.to.clone() else { return Err(WriteError::NoRecipient.into()) };
        let content = self.shared.encode(request.with_id(id.clone()))?;
        let waiting = self.shared.pending.register(id.clone(), peer)?;
        let answered = async {
            self.shared.queue.request(content, id).await?;
            waiting.answer().await
        };
        tokio::time::timeout(timeout, answered).await.unwrap_or(Err(IqError::Timeout))
    }
}

impl Shared {
    /// Completes a stanza, checks it, and serialises it unless layers want to see it.
    pub(crate) fn encode(&self, mut stanza: Stanza) -> Result<Content, WriteError> {
        let mut out = Vec::new();
        self.complete(&mut stanza)?;
        self.append(&stanza, &mut out)?;
        Ok(if self.bounds.layered { Content::Stanza(Box::new(stanza), out.len()) } else { Content::Bytes(out) })
    }

    /// Fills in what the server wants on every stanza (servers.md of both: `from`, `to`; an id on messages and IQ).
    pub(crate) fn complete(&self, stanza: &mut Stanza) -> Result<(), WriteError> {
        match &stanza.from {
            None => stanza.from = Some(self.domain.clone()),
            // Prosody closes the stream with invalid-from for anything else.
            Some(from) if from.domain() != self.domain.domain() => {
                return Err(WriteError::ForeignSender(from.clone()));
            }
            Some(_) => {}
        }
        // ejabberd closes the stream with improper-addressing.
        if stanza.to.is_none() {
            return Err(WriteError::NoRecipient);
        }
        if stanza.id.is_none() && !matches!(stanza.kind, Kind::Presence(_)) {
            stanza.id = Some(self.ids.fresh());
        }
        for text in [stanza.id.as_deref(), stanza.lang.as_deref()].into_iter().flatten() {
            if let Some(c) = crate::stanza::xml::chars::forbidden(text) {
                return Err(WriteError::Character(c));
            }
        }
        Ok(())
    }

    /// Appends a complete stanza, or nothing when it is too large for the server.
    pub(crate) fn append(&self, stanza: &Stanza, out: &mut Vec<u8>) -> Result<(), WriteError> {
        let start = out.len();
        crate::stanza::wire::encode(stanza, out);
        let size = out.len() - start;
        if size > self.bounds.max_stanza {
            out.truncate(start);
            return Err(WriteError::TooLarge { size, limit: self.bounds.max_stanza });
        }
        Ok(())
    }
}
