//! Answers to requests that another bridge on the same JID has made, to be carried there.

use std::sync::{Arc, OnceLock};

use campanile::client::Handover;
use campanile::stanza::Stanza;
use tokio::sync::mpsc;

use crate::counters::Counters;

/// Answers that may wait to be written to the broker.
const WAIT: usize = 1024;

/// What takes answers where the stream is read, and never waits.
#[derive(Debug)]
pub(crate) struct Answers {
    line: OnceLock<mpsc::Sender<Carried>>,
    counters: Arc<Counters>,
}

/// An answer, and the instance that it belongs to.
pub(super) type Carried = (String, Stanza);

impl Answers {
    pub(crate) fn new(counters: Arc<Counters>) -> Self {
        Self {
            line: OnceLock::new(),
            counters,
        }
    }

    /// The end at which they come out; none for who asks a second time.
    #[cfg_attr(
        not(feature = "nats"),
        expect(dead_code, reason = "there is no broker")
    )]
    pub(super) fn open(&self) -> Option<mpsc::Receiver<Carried>> {
        let (line, end) = mpsc::channel(WAIT);
        self.line.set(line).ok().map(|()| end)
    }

    /// One is lost: counted, and said. Whoever asked is told by the end of its time.
    pub(super) fn lose(&self, instance: &str, why: &str) {
        self.counters.lost_answers.add(1);
        tracing::warn!(
            instance,
            "an answer to another bridge's request is lost: {why}"
        );
    }
}

impl Handover for Answers {
    fn hand_over(&self, instance: &str, answer: Stanza) {
        let carried = (instance.to_owned(), answer);
        if self
            .line
            .get()
            .is_none_or(|line| line.try_send(carried).is_err())
        {
            self.lose(instance, "the broker is slow");
        }
    }
}
