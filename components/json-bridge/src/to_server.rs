//! Confirmed delivery to the server, for stanzas from API clients and from webhook responses.

use std::sync::Arc;
use std::time::Duration;

use campanile::client::{Client, ConfirmError};
use campanile::stanza::Stanza;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock::age;
use crate::mapping;
use crate::metrics::Metrics;
use crate::outbox::{Entry, Outbox};

/// Maximum number of stanzas in flight to the server; confirmed delivery holds as many.
const MAX_IN_FLIGHT: usize = 4096;

/// Sends stanzas to the server and retries until the server has confirmed them.
pub(crate) struct ToServer {
    client: Client,
    outbox: Option<Outbox>,
    permits: Arc<Semaphore>,
    max_age: Duration,
    pub(crate) metrics: Arc<Metrics>,
}

/// The outcome of sending a stanza to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SendOutcome {
    /// The server has received the stanza.
    Confirmed,
    /// The stanza cannot be serialized, and was never sent.
    Invalid(String),
    /// The server rejected the stanza, or `max_age` has passed; it stays in the outbox as a dead
    /// letter.
    GivenUp(String),
    /// The process is shutting down; the next process sends the stanza.
    Interrupted,
}

impl ToServer {
    pub(crate) fn new(
        client: Client,
        outbox: Option<Outbox>,
        max_age: Duration,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            client,
            outbox,
            permits: Arc::new(Semaphore::new(MAX_IN_FLIGHT)),
            max_age,
            metrics,
        }
    }

    /// Reserves capacity for one stanza, or returns `None` if too many are in flight.
    pub(crate) fn try_reserve(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    /// Waits for capacity for `stanzas` stanzas.
    pub(crate) async fn reserve(&self, stanzas: usize) -> Option<OwnedSemaphorePermit> {
        let stanzas = u32::try_from(stanzas.min(MAX_IN_FLIGHT)).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        Arc::clone(&self.permits)
            .acquire_many_owned(stanzas)
            .await
            .ok()
    }

    /// Sends a stanza until the server has confirmed it, with the same id each time.
    pub(crate) async fn send(&self, stanza: &Stanza, accepted: i64) -> SendOutcome {
        loop {
            return match self.client.send_confirmed(stanza.clone()).await {
                Ok(_) => SendOutcome::Confirmed,
                Err(error @ ConfirmError::Write(_)) => SendOutcome::Invalid(error.to_string()),
                Err(ConfirmError::Closed) => SendOutcome::Interrupted,
                Err(error @ (ConfirmError::Refused(_) | ConfirmError::Layer(_))) => {
                    SendOutcome::GivenUp(error.to_string())
                }
                Err(error) if self.is_too_old(accepted) => SendOutcome::GivenUp(error.to_string()),
                Err(_) => continue,
            };
        }
    }

    /// Sends a stanza from the outbox, and records the outcome there. After a panic it is sent
    /// again.
    pub(crate) async fn send_stored(
        &self,
        stanza: &Stanza,
        seq: i64,
        accepted: i64,
    ) -> SendOutcome {
        let sending = || async {
            let outcome = self.send(stanza, accepted).await;
            self.settle(seq, &outcome);
            Ok(outcome)
        };
        self.metrics.tasks.until_ok("sending", sending).await
    }

    /// Records the outcome in the outbox.
    pub(crate) fn settle(&self, seq: i64, outcome: &SendOutcome) {
        match outcome {
            SendOutcome::Confirmed => self.mark(|outbox| outbox.done(seq)),
            SendOutcome::Invalid(why) => self.mark(|outbox| outbox.refused(seq, why)),
            SendOutcome::GivenUp(why) => {
                self.metrics.dead.add(1);
                self.mark(|outbox| outbox.dead(seq, why));
            }
            SendOutcome::Interrupted => {}
        }
    }

    /// Resumes sending an entry that an earlier process accepted.
    pub(crate) fn resume(self: &Arc<Self>, entry: Entry) {
        let this = Arc::clone(self);
        // The number of tasks is bounded by the number of entries accepted earlier.
        tokio::spawn(async move {
            match mapping::from_xml(&entry.xml) {
                Ok(stanza) => {
                    let stanza = stanza.with_id(&entry.id);
                    let outcome = this.send_stored(&stanza, entry.seq, entry.received).await;
                    outcome.warn(&entry.peer, &entry.id);
                }
                Err(fault) => {
                    tracing::error!(
                        id = entry.id,
                        "outbox entry is not a valid stanza, kept as a dead letter: {fault}"
                    );
                    this.mark(|outbox| outbox.dead(entry.seq, "not a valid stanza"));
                }
            }
        });
    }

    fn is_too_old(&self, accepted: i64) -> bool {
        age(accepted) >= self.max_age
    }

    fn mark(&self, how: impl FnOnce(&Outbox)) {
        if let Some(outbox) = &self.outbox {
            how(outbox);
        }
    }
}

impl SendOutcome {
    /// Logs a warning if the stanza was not sent.
    pub(crate) fn warn(&self, to: &str, id: &str) {
        if let Self::Invalid(why) | Self::GivenUp(why) = self {
            tracing::warn!(to, id, "stanza not sent: {why}");
        }
    }
}
