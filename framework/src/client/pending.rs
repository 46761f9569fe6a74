//! Requests that wait for their answers.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use compact_str::CompactString;
use jid::Jid;
use tokio::sync::oneshot;

use super::IqError;
use crate::error::StanzaError;
use crate::stanza::{Children, IqType, Kind, Stanza};

/// The requests without an answer, by id; the answer must come from the peer that was asked.
#[derive(Debug)]
pub(crate) struct Pending {
    table: Mutex<Table>,
    limit: usize,
}

#[derive(Debug, Default)]
struct Table {
    requests: HashMap<CompactString, Request>,
    connected: bool,
    closed: bool,
}

#[derive(Debug)]
struct Request {
    peer: Jid,
    answer: oneshot::Sender<Result<Children, IqError>>,
}

/// A place in the table, left when dropped.
#[derive(Debug)]
pub(crate) struct Waiting<'p> {
    pending: &'p Pending,
    id: CompactString,
    answer: oneshot::Receiver<Result<Children, IqError>>,
}

impl Pending {
    pub(crate) fn new(limit: usize) -> Self {
        Self { table: Mutex::default(), limit }
    }

    /// Takes a place before the request is sent, so that no answer can come too early.
    pub(crate) fn register(&self, id: CompactString, peer: Jid) -> Result<Waiting<'_>, IqError> {
        let (send, answer) = oneshot::channel();
        let mut table = self.lock();
        if table.closed {
            return Err(IqError::Closed);
        }
        if !table.connected {
            return Err(IqError::Disconnected);
        }
        if table.requests.len() >= self.limit {
            return Err(IqError::TooMany);
        }
        table.requests.insert(id.clone(), Request { peer, answer: send });
        drop(table);
        Ok(Waiting { pending: self, id, answer })
    }

    /// Gives an IQ result or error to whoever waits for it; false when nobody does.
    pub(crate) fn resolve(&self, response: Stanza) -> bool {
        let (Some(id), Some(from)) = (&response.id, &response.from) else { return false };
        let mut table = self.lock();
        // RFC 6120 §8.1.2.1, §8.2.3: the pair of peer and id tells an answer from a forgery.
        if table.requests.get(id).is_none_or(|request| request.peer != *from) {
            return false;
        }
        let request = table.requests.remove(id);
        drop(table);
        let answer = match response.kind {
            Kind::Iq(IqType::Result) => Ok(response.children),
            _ => Err(IqError::Refused(StanzaError::of(&response))),
        };
        request.is_some_and(|request| request.answer.send(answer).is_ok())
    }

    /// Ends a request that will not be sent.
    pub(crate) fn fail(&self, id: &str, error: IqError) {
        let request = self.lock().requests.remove(id);
        if let Some(request) = request {
            // The asker may have gone away in this moment; then nobody misses the news.
            let _ = request.answer.send(Err(error));
        }
    }

    /// From now on requests can be sent.
    pub(crate) fn connect(&self) {
        self.lock().connected = true;
    }

    /// Fails every request, and all that come later.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.disconnect();
    }

    /// Fails every request at once: their answers would come on a stream that is gone.
    pub(crate) fn disconnect(&self) -> usize {
        let mut table = self.lock();
        table.connected = false;
        let requests = std::mem::take(&mut table.requests);
        drop(table);
        let count = requests.len();
        for (_, request) in requests {
            // The asker may have gone away in this moment; then nobody misses the news.
            let _ = request.answer.send(Err(IqError::Disconnected));
        }
        count
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.lock().requests.contains_key(id)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // No code that can panic runs under this lock.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting<'_> {
    pub(crate) async fn answer(mut self) -> Result<Children, IqError> {
        (&mut self.answer).await.unwrap_or(Err(IqError::Disconnected))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.pending.lock().requests.remove(&self.id);
    }
}
