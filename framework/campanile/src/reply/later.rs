//! Answers that come after the handler has returned.

use std::fmt;
use std::time::Duration;

use tokio::sync::oneshot;

use super::Reply;
use crate::error::BoxError;

/// The answer that a [`Reply::Later`] waits for.
pub struct Later {
    answer: oneshot::Receiver<Result<Reply, BoxError>>,
    within: Option<Duration>,
    map: Option<Map>,
}

type Map = Box<dyn FnOnce(Reply) -> Reply + Send + Sync>;

/// Owes the answer to a stanza whose handler has returned [`Later`].
///
/// It counts as in flight until it is used. Dropped without an answer it sends
/// internal-server-error.
#[derive(Debug)]
pub struct Answer {
    answer: oneshot::Sender<Result<Reply, BoxError>>,
}

impl Later {
    /// A promise and the handle that keeps it.
    ///
    /// ```
    /// use campanile::reply::{Later, Reply};
    ///
    /// async fn store() -> Later {
    ///     let (later, answer) = Later::promise();
    ///     tokio::spawn(async move { answer.send(Reply::Empty) });
    ///     later
    /// }
    /// ```
    #[must_use]
    pub fn promise() -> (Self, Answer) {
        let (send, receive) = oneshot::channel();
        (
            Self {
                answer: receive,
                within: None,
                map: None,
            },
            Answer { answer: send },
        )
    }

    /// Sets a deadline other than the component's time for a handler.
    #[must_use]
    pub fn within(mut self, deadline: Duration) -> Self {
        self.within = Some(deadline);
        self
    }

    /// Changes the answer when it is there, if it is no error: for layers.
    #[must_use]
    pub fn map(mut self, map: impl FnOnce(Reply) -> Reply + Send + Sync + 'static) -> Self {
        self.map = Some(match self.map.take() {
            Some(first) => Box::new(move |reply| map(first(reply))),
            None => Box::new(map),
        });
        self
    }

    /// Waits for the answer: an error when the handle is dropped or when the deadline passes.
    pub(crate) async fn wait(self, deadline: Duration) -> Result<Reply, BoxError> {
        match tokio::time::timeout(self.within.unwrap_or(deadline), self.answer).await {
            Ok(Ok(reply)) => match self.map {
                Some(map) => reply.map(map),
                None => reply,
            },
            Ok(Err(_)) => Err("the handle for a later answer was dropped without one".into()),
            Err(elapsed) => Err(Box::new(elapsed)),
        }
    }
}

impl Answer {
    /// Gives the answer. Whether anybody still waits for it is not known.
    pub fn send(self, reply: Reply) {
        self.give(Ok(reply));
    }

    /// Gives up; the error becomes a stanza error as if the handler had returned it.
    pub fn fail(self, error: impl Into<BoxError>) {
        self.give(Err(error.into()));
    }

    fn give(self, answer: Result<Reply, BoxError>) {
        if self.answer.send(answer).is_err() {
            tracing::debug!("an answer came after its deadline and is dropped");
        }
    }
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Later")
            .field("within", &self.within)
            .finish_non_exhaustive()
    }
}
