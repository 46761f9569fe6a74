//! To the server, until it has taken a stanza: what callers have sent, and what webhooks have
//! answered.

use std::sync::Arc;
use std::time::Duration;

use campanile::client::{Client, ConfirmError};
use campanile::stanza::Stanza;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock::now;
use crate::mapping;
use crate::metrics::Metrics;
use crate::outbox::{Entry, Outbox};

/// Stanzas that may be on their way to the server. Confirmed delivery holds as many.
const MAX_IN_FLIGHT: usize = 4096;

/// The way to the server.
pub(crate) struct ToServer {
    client: Client,
    outbox: Option<Outbox>,
    permits: Arc<Semaphore>,
    max_age: Duration,
    metrics: Arc<Metrics>,
}

/// How the way of a stanza has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SendOutcome {
    /// The server has it.
    Confirmed,
    /// It cannot be written: it was never sent.
    Invalid(String),
    /// The server refuses it, or its time was over: it stays in the outbox for an operator.
    GivenUp(String),
    /// The process ends; the next one goes on.
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

    /// Room for one more stanza, where there is some.
    pub(crate) fn try_reserve(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    /// Room for so many stanzas, as soon as there is.
    pub(crate) async fn reserve(&self, stanzas: usize) -> Option<OwnedSemaphorePermit> {
        let stanzas = u32::try_from(stanzas.min(MAX_IN_FLIGHT)).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        Arc::clone(&self.permits)
            .acquire_many_owned(stanzas)
            .await
            .ok()
    }

    /// Sends until the server has it, with the same id each time.
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

    /// Notes in the outbox how it has ended.
    pub(crate) fn settle(&self, seq: i64, outcome: &SendOutcome) {
        match outcome {
            SendOutcome::Confirmed | SendOutcome::Invalid(_) => {
                self.mark(|outbox| outbox.done(seq))
            }
            SendOutcome::GivenUp(why) => {
                self.metrics.dead.add(1);
                self.mark(|outbox| outbox.dead(seq, why));
            }
            SendOutcome::Interrupted => {}
        }
    }

    /// Goes on with what an earlier process was to send.
    pub(crate) fn resume(self: &Arc<Self>, entry: Entry) {
        let this = Arc::clone(self);
        // As many as were accepted, and that was bounded.
        tokio::spawn(async move {
            match mapping::from_xml(&entry.xml) {
                Ok(stanza) => {
                    let outcome = this.send(&stanza.with_id(&entry.id), entry.received).await;
                    outcome.warn(&entry.peer, &entry.id);
                    this.settle(entry.seq, &outcome);
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

impl SendOutcome {
    /// Says in the log that a stanza was not sent.
    pub(crate) fn warn(&self, to: &str, id: &str) {
        if let Self::Invalid(why) | Self::GivenUp(why) = self {
            tracing::warn!(to, id, "not sent: {why}");
        }
    }
}
