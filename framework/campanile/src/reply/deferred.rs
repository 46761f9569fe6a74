//! Answers that come after the handler has returned.

use std::fmt;
use std::time::Duration;

use tokio::sync::oneshot;

use super::Reply;
use crate::error::BoxError;

/// The answer that a [`Reply::Deferred`] waits for.
pub struct Deferred {
    answer: oneshot::Receiver<Result<Reply, BoxError>>,
    within: Option<Duration>,
    map: Option<Map>,
}

type Map = Box<dyn FnOnce(Reply) -> Reply + Send + Sync>;

/// Owes the answer to a stanza whose handler has returned [`Deferred`].
///
/// It counts as in flight until it is used. Dropped without an answer it sends
/// internal-server-error.
#[derive(Debug)]
pub struct Responder {
    answer: oneshot::Sender<Result<Reply, BoxError>>,
}

impl Deferred {
    /// A promise and the handle that keeps it.
    ///
    /// ```
    /// use campanile::reply::{Deferred, Reply};
    ///
    /// async fn store() -> Deferred {
    ///     let (later, answer) = Deferred::channel();
    ///     tokio::spawn(async move { answer.send(Reply::Empty) });
    ///     later
    /// }
    /// ```
    #[must_use]
    pub fn channel() -> (Self, Responder) {
        let (send, receive) = oneshot::channel();
        (
            Self {
                answer: receive,
                within: None,
                map: None,
            },
            Responder { answer: send },
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

    /// Waits for the reply.
    ///
    /// # Errors
    /// Returns an error if the responder was dropped, or did not answer within `deadline`.
    pub async fn wait(self, deadline: Duration) -> Result<Reply, BoxError> {
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

impl Responder {
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

impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deferred")
            .field("within", &self.within)
            .finish_non_exhaustive()
    }
}
