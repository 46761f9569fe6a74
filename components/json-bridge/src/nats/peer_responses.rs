//! Answers to requests that another bridge on the same JID has made, to be carried there.

use std::sync::{Arc, OnceLock};

use campanile::client::ResponseForwarder;
use campanile::stanza::Stanza;
use tokio::sync::mpsc;

use crate::metrics::Metrics;

/// Answers that may wait to be written to the broker.
const WAIT: usize = 1024;

/// What takes answers where the stream is read, and never waits.
#[derive(Debug)]
pub(crate) struct PeerResponses {
    line: OnceLock<mpsc::Sender<PeerResponse>>,
    metrics: Arc<Metrics>,
}

/// An answer, and the instance that it belongs to.
pub(super) type PeerResponse = (String, Stanza);

impl PeerResponses {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            line: OnceLock::new(),
            metrics,
        }
    }

    /// The end at which they come out; none for who asks a second time.
    #[cfg_attr(
        not(feature = "nats"),
        expect(dead_code, reason = "there is no broker")
    )]
    pub(super) fn open(&self) -> Option<mpsc::Receiver<PeerResponse>> {
        let (line, end) = mpsc::channel(WAIT);
        self.line.set(line).ok().map(|()| end)
    }

    /// One is lost: counted, and said. Whoever asked is told by the end of its time.
    pub(super) fn record_lost(&self, instance: &str, why: &str) {
        self.metrics.lost_answers.add(1);
        tracing::warn!(
            instance,
            "an answer to another bridge's request is lost: {why}"
        );
    }
}

impl ResponseForwarder for PeerResponses {
    fn forward(&self, instance: &str, answer: Stanza) {
        let carried = (instance.to_owned(), answer);
        if self
            .line
            .get()
            .is_none_or(|line| line.try_send(carried).is_err())
        {
            self.record_lost(instance, "the broker is slow");
        }
    }
}
