//! What clients want sent, until the connection takes it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use compact_str::CompactString;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{Confirm, ConfirmError, IqError, Pending, SendError};
use crate::error::BoxError;
use crate::error::StreamError;
use crate::stanza::Stanza;

/// Stanzas in the order in which they were sent, bounded by their bytes.
#[derive(Debug)]
pub(crate) struct Queue {
    budget: std::sync::Arc<Semaphore>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: VecDeque<Entry>,
    connection: Option<Waker>,
    closed: bool,
}

/// One stanza, and who wants to know of it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) content: Content,
    pub(crate) completion: Completion,
}

/// What a client wants sent, checked.
#[derive(Debug)]
pub(crate) enum Content {
    /// Serialised.
    Bytes(Vec<u8>),
    /// For the outbound layers of the component, and how many bytes it has as it is.
    Stanza(Box<Stanza>, usize),
}

/// Who wants to know that a stanza was written.
#[derive(Debug)]
pub(crate) enum Completion {
    /// A sender; the permit is the room that the stanza takes up.
    Sender {
        written: oneshot::Sender<Result<(), SendError>>,
        _permit: OwnedSemaphorePermit,
    },
    /// Nobody, but the stanza goes with its request: when that is forgotten, it need not be sent.
    Request {
        id: CompactString,
        _permit: OwnedSemaphorePermit,
    },
    /// A sender who waits until the server has taken it.
    Confirmed(Box<Confirm>),
    /// Whoever it is, the stanza itself is kept, and they with it.
    Kept,
    /// Nobody: an answer.
    Answer,
    /// Nobody, and no other stream than this one: what the connection itself has to say.
    Stream,
}

impl Completion {
    /// Whether anybody still wants the stanza to be sent.
    pub(crate) fn is_wanted(&self, pending: &Pending) -> bool {
        match self {
            Self::Sender { written, .. } => !written.is_closed(),
            Self::Request { id, .. } => pending.contains(id),
            Self::Confirmed(confirm) => confirm.is_wanted(),
            Self::Kept | Self::Answer | Self::Stream => true,
        }
    }

    /// The stanza has been written, or taken where that was asked for, or a layer has seen to it.
    pub(crate) fn done(self) {
        match self {
            // The sender may have gone away; its stanza was sent all the same.
            Self::Sender { written, .. } => drop(written.send(Ok(()))),
            Self::Confirmed(confirm) => confirm.end(Ok(())),
            Self::Request { .. } | Self::Kept | Self::Answer | Self::Stream => {}
        }
    }

    /// The server ends streams over the stanza.
    pub(crate) fn fail_poisoned(self, error: &StreamError) {
        match self {
            Self::Sender { written, .. } => {
                drop(written.send(Err(SendError::Refused(error.clone()))))
            }
            Self::Confirmed(confirm) => confirm.end(Err(ConfirmError::Refused(error.clone()))),
            // A request has failed with its link.
            Self::Request { .. } | Self::Kept | Self::Answer | Self::Stream => {}
        }
    }

    /// An outbound layer did not let the stanza out: whoever waits is told.
    pub(crate) fn refuse(self, error: BoxError, pending: &Pending) {
        match self {
            // The sender may have gone away; then nobody misses the news.
            Self::Sender { written, .. } => drop(written.send(Err(SendError::of_layer(error)))),
            Self::Request { id, .. } => pending.fail(&id, IqError::of_layer(error)),
            Self::Confirmed(confirm) => confirm.end(Err(ConfirmError::of_layer(error))),
            Self::Kept | Self::Answer | Self::Stream => {}
        }
    }
}

impl Content {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Stanza(_, len) => *len,
        }
    }
}

impl Queue {
    pub(crate) fn new(bytes: usize) -> Self {
        let budget = Semaphore::new(bytes.min(Semaphore::MAX_PERMITS));
        Self {
            budget: std::sync::Arc::new(budget),
            inner: Mutex::default(),
        }
    }

    /// Queues a stanza and waits until it is written.
    pub(crate) async fn written(&self, content: Content) -> Result<(), SendError> {
        let budget = self.budget(content.len()).await.ok_or(SendError::Closed)?;
        let (written, done) = oneshot::channel();
        self.push(Entry {
            content,
            completion: Completion::Sender {
                written,
                _permit: budget,
            },
        });
        done.await.unwrap_or(Err(SendError::Closed))
    }

    /// Queues a request; its answer will tell what became of it.
    pub(crate) async fn request(&self, content: Content, id: CompactString) -> Result<(), IqError> {
        let budget = self.budget(content.len()).await.ok_or(IqError::Closed)?;
        self.push(Entry {
            content,
            completion: Completion::Request {
                id,
                _permit: budget,
            },
        });
        Ok(())
    }

    /// The next stanza to write. Without one, the connection is woken when there is.
    pub(crate) fn poll_pop(&self, waker: &Waker) -> Option<Entry> {
        let mut inner = self.lock();
        let entry = inner.entries.pop_front();
        if entry.is_none()
            && inner
                .connection
                .as_ref()
                .is_none_or(|known| !known.will_wake(waker))
        {
            inner.connection = Some(waker.clone());
        }
        entry
    }

    /// Drops requests that nobody waits for any more.
    pub(crate) fn forget_requests(&self) {
        self.lock()
            .entries
            .retain(|entry| !matches!(entry.completion, Completion::Request { .. }));
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Fails what waits, and all that comes later.
    pub(crate) fn close(&self) {
        self.budget.close();
        let mut inner = self.lock();
        inner.closed = true;
        let entries = std::mem::take(&mut inner.entries);
        drop(inner);
        drop(entries);
    }

    async fn budget(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        std::sync::Arc::clone(&self.budget)
            .acquire_many_owned(bytes)
            .await
            .ok()
    }

    pub(super) fn push(&self, entry: Entry) {
        let mut inner = self.lock();
        if inner.closed {
            return;
        }
        inner.entries.push_back(entry);
        let connection = inner.connection.take();
        drop(inner);
        if let Some(connection) = connection {
            connection.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code that can panic runs under this lock.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
