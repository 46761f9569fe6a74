//! Answers to requests that another bridge on the same JID has made, carried there.

use std::sync::OnceLock;

use campanile::client::Handover;
use campanile::stanza::Stanza;
use tokio::sync::mpsc;

/// Answers that may wait to be written to the broker.
const WAIT: usize = 1024;

/// What takes answers where the stream is read, and never waits.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    line: OnceLock<mpsc::Sender<Carried>>,
}

/// An answer, and the instance that it belongs to.
pub(super) type Carried = (String, Stanza);

impl Answers {
    /// The end at which they come out; none for who asks a second time.
    #[cfg_attr(not(feature = "nats"), expect(dead_code, reason = "there is no broker"))]
    pub(super) fn open(&self) -> Option<mpsc::Receiver<Carried>> {
        let (line, end) = mpsc::channel(WAIT);
        self.line.set(line).ok().map(|()| end)
    }
}

impl Handover for Answers {
    fn hand_over(&self, instance: &str, answer: Stanza) {
        let carried = (instance.to_owned(), answer);
        if self.line.get().is_none_or(|line| line.try_send(carried).is_err()) {
            tracing::warn!(instance, "an answer to another bridge's request is lost: the broker is slow");
        }
    }
}
