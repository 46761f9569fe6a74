//! To the server, until it has taken a stanza: what callers have sent, and what webhooks have
//! answered.

use std::sync::Arc;
use std::time::Duration;

use campanile::client::{Client, ConfirmError};
use campanile::stanza::Stanza;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock::now;
use crate::counters::Counters;
use crate::mapping;
use crate::outbox::{Entry, Outbox};

/// Stanzas that may be on their way to the server. Confirmed delivery holds as many.
const MOST: usize = 4096;

/// The way to the server.
pub(crate) struct Sending {
    client: Client,
    outbox: Option<Outbox>,
    room: Arc<Semaphore>,
    max_age: Duration,
    counters: Arc<Counters>,
}

/// How the way of a stanza has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The server has it.
    Taken,
    /// It cannot be written: it was never sent.
    Unwritable(String),
    /// The server refuses it, or its time was over: it stays in the outbox for an operator.
    GivenUp(String),
    /// The process ends; the next one goes on.
    Left,
}

impl Sending {
    pub(crate) fn new(
        client: Client,
        outbox: Option<Outbox>,
        max_age: Duration,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            client,
            outbox,
            room: Arc::new(Semaphore::new(MOST)),
            max_age,
            counters,
        }
    }

    /// Room for one more stanza, where there is some.
    pub(crate) fn try_room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).try_acquire_owned().ok()
    }

    /// Room for so many stanzas, as soon as there is.
    pub(crate) async fn room(&self, stanzas: usize) -> Option<OwnedSemaphorePermit> {
        let stanzas = u32::try_from(stanzas.min(MOST)).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        Arc::clone(&self.room)
            .acquire_many_owned(stanzas)
            .await
            .ok()
    }

    /// Sends until the server has it, with the same id each time.
    pub(crate) async fn send(&self, stanza: &Stanza, accepted: i64) -> Fate {
        loop {
            return match self.client.send_confirmed(stanza.clone()).await {
                Ok(_) => Fate::Taken,
                Err(error @ ConfirmError::Write(_)) => Fate::Unwritable(error.to_string()),
                Err(ConfirmError::Closed) => Fate::Left,
                Err(error @ (ConfirmError::Refused(_) | ConfirmError::Layer(_))) => {
                    Fate::GivenUp(error.to_string())
                }
                Err(error) if self.is_too_old(accepted) => Fate::GivenUp(error.to_string()),
                Err(_) => continue,
            };
        }
    }

    /// Notes in the outbox how it has ended.
    pub(crate) fn settle(&self, seq: i64, fate: &Fate) {
        match fate {
            Fate::Taken | Fate::Unwritable(_) => self.mark(|outbox| outbox.done(seq)),
            Fate::GivenUp(why) => {
                self.counters.dead.add(1);
                self.mark(|outbox| outbox.dead(seq, why));
            }
            Fate::Left => {}
        }
    }

    /// Goes on with what an earlier process was to send.
    pub(crate) fn resume(self: &Arc<Self>, entry: Entry) {
        let this = Arc::clone(self);
        // As many as were accepted, and that was bounded.
        tokio::spawn(async move {
            match mapping::from_xml(&entry.xml) {
                Ok(stanza) => {
                    let fate = this.send(&stanza.with_id(&entry.id), entry.received).await;
                    fate.warn(&entry.peer, &entry.id);
                    this.settle(entry.seq, &fate);
                }
                Err(fault) => {
                    tracing::error!(
                        id = entry.id,
                        "an entry of the outbox is no stanza: {fault}"
                    );
                    this.mark(|outbox| outbox.dead(entry.seq, "this is no stanza"));
                }
            }
        });
    }

    fn is_too_old(&self, accepted: i64) -> bool {
        let lived = u64::try_from(now() - accepted).unwrap_or(0);
        Duration::from_millis(lived) >= self.max_age
    }

    fn mark(&self, how: impl FnOnce(&Outbox)) {
        if let Some(outbox) = &self.outbox {
            how(outbox);
        }
    }
}

impl Fate {
    /// Says in the log that a stanza was not sent.
    pub(crate) fn warn(&self, to: &str, id: &str) {
        if let Self::Unwritable(why) | Self::GivenUp(why) = self {
            tracing::warn!(to, id, "not sent: {why}");
        }
    }
}
