//! IQ responses to requests of other bridges on the same JID, queued for forwarding.

use std::sync::{Arc, OnceLock};

use campanile::client::ResponseForwarder;
use campanile::stanza::Stanza;
use tokio::sync::mpsc;

use crate::metrics::Metrics;

/// Maximum number of responses that wait to be published.
const WAIT: usize = 1024;

/// Queues responses without blocking the task that reads the XMPP stream.
#[derive(Debug)]
pub(crate) struct PeerResponses {
    queue: OnceLock<mpsc::Sender<PeerResponse>>,
    metrics: Arc<Metrics>,
}

/// A response, and the instance of the component that has sent the request.
pub(super) type PeerResponse = (String, Stanza);

impl PeerResponses {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            queue: OnceLock::new(),
            metrics,
        }
    }

    /// Returns the receiving end of the queue, or `None` on the second call.
    #[cfg_attr(
        not(feature = "nats"),
        expect(dead_code, reason = "there is no broker")
    )]
    pub(super) fn open(&self) -> Option<mpsc::Receiver<PeerResponse>> {
        let (queue, end) = mpsc::channel(WAIT);
        self.queue.set(queue).ok().map(|()| end)
    }

    /// Counts and logs a lost response. The request fails by its timeout.
    pub(super) fn record_lost(&self, instance: &str, why: &str) {
        self.metrics.lost_answers.add(1);
        tracing::warn!(instance, "response for another bridge lost: {why}");
    }
}

impl ResponseForwarder for PeerResponses {
    fn forward(&self, instance: &str, answer: Stanza) {
        let response = (instance.to_owned(), answer);
        if self
            .queue
            .get()
            .is_none_or(|queue| queue.try_send(response).is_err())
        {
            self.record_lost(instance, "the broker is not keeping up");
        }
    }
}
