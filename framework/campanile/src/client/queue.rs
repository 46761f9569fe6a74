//! The queue between clients and the connection.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use compact_str::CompactString;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{Confirm, ConfirmError, IqError, Pending, SendError};
use crate::error::BoxError;
use crate::error::StreamError;
use crate::stanza::Stanza;

/// A queue of stanzas in the order in which they were sent, bounded by their bytes.
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

/// One stanza and its completion.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) content: Content,
    pub(crate) completion: Completion,
}

/// The content of a queued stanza, already checked.
#[derive(Debug)]
pub(crate) enum Content {
    /// Serialized bytes.
    Bytes(Vec<u8>),
    /// A stanza for the outbound layers, and its size in bytes as it is.
    Stanza(Box<Stanza>, usize),
}

/// The party to notify when a stanza has been written, accepted or rejected.
#[derive(Debug)]
pub(crate) enum Completion {
    /// A sender; the permit is the stanza's share of the queue.
    Sender {
        written: oneshot::Sender<Result<(), SendError>>,
        _permit: OwnedSemaphorePermit,
    },
    /// A request. If the request is gone, the stanza need not be sent.
    Request {
        id: CompactString,
        _permit: OwnedSemaphorePermit,
    },
    /// A sender that waits until the server has accepted the stanza.
    Confirmed(Box<Confirm>),
    /// None here: the stanza is kept elsewhere together with its completion.
    Kept,
    /// None: a reply.
    Answer,
    /// None, and not to be sent on another stream: data of the connection itself.
    Stream,
}

impl Completion {
    /// Returns `true` if the stanza still has to be sent.
    pub(crate) fn is_wanted(&self, pending: &Pending) -> bool {
        match self {
            Self::Sender { written, .. } => !written.is_closed(),
            Self::Request { id, .. } => pending.contains(id),
            Self::Confirmed(confirm) => confirm.is_wanted(),
            Self::Kept | Self::Answer | Self::Stream => true,
        }
    }

    /// Reports success: the stanza was written, was confirmed if that was requested, or was
    /// consumed by a layer.
    pub(crate) fn done(self) {
        match self {
            // The sender may have dropped its future; its stanza was sent all the same.
            Self::Sender { written, .. } => drop(written.send(Ok(()))),
            Self::Confirmed(confirm) => confirm.end(Ok(())),
            Self::Request { .. } | Self::Kept | Self::Answer | Self::Stream => {}
        }
    }

    /// Reports that the stanza makes the server close the stream.
    pub(crate) fn fail_poisoned(self, error: &StreamError) {
        match self {
            Self::Sender { written, .. } => {
                drop(written.send(Err(SendError::Refused(error.clone()))));
            }
            Self::Confirmed(confirm) => confirm.end(Err(ConfirmError::Refused(error.clone()))),
            // A request has already failed with its connection.
            Self::Request { .. } | Self::Kept | Self::Answer | Self::Stream => {}
        }
    }

    /// Reports that an outbound layer rejected the stanza.
    pub(crate) fn refuse(self, error: BoxError, pending: &Pending) {
        match self {
            // The sender may have dropped its future; then the result is not needed.
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

    /// Queues a stanza and waits until it has been written.
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

    /// Queues a request, which is completed by its response.
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

    /// Returns the next stanza to write. If there is none, the connection is woken when one
    /// arrives.
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

    /// Removes all queued requests, whose callers have been failed with the connection.
    pub(crate) fn forget_requests(&self) {
        self.lock()
            .entries
            .retain(|entry| !matches!(entry.completion, Completion::Request { .. }));
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Fails everything that is waiting and everything queued later.
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
