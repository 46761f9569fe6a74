//! Replies that are sent after the handler has returned.

use std::fmt;
use std::time::Duration;

use tokio::sync::oneshot;

use super::Reply;
use crate::error::BoxError;

/// A reply that is not known yet: the receiving half of [`Deferred::channel`].
///
/// Return it from a handler whose reply depends on work that should not block the following
/// stanzas of the same sender, such as a call to a slow service. The component waits for the
/// [`Responder`] without occupying a handler, and sends the reply when it arrives.
///
/// A reply that does not arrive within the [handler timeout](crate::limits::Limits), or within the
/// deadline set with [`within`](Self::within), becomes `remote-server-timeout`.
pub struct Deferred {
    answer: oneshot::Receiver<Result<Reply, BoxError>>,
    within: Option<Duration>,
    map: Option<Map>,
}

type Map = Box<dyn FnOnce(Reply) -> Reply + Send + Sync>;

/// Sends the reply to a stanza whose handler has returned a [`Deferred`].
///
/// The stanza counts as in flight until the responder is used or dropped. Dropping it without a
/// reply sends `internal-server-error`.
#[derive(Debug)]
pub struct Responder {
    answer: oneshot::Sender<Result<Reply, BoxError>>,
}

impl Deferred {
    /// Creates a deferred reply and the responder that completes it.
    ///
    /// ```
    /// use campanile::reply::{Deferred, Reply};
    ///
    /// async fn store() -> Deferred {
    ///     let (deferred, responder) = Deferred::channel();
    ///     tokio::spawn(async move {
    ///         // Work that takes a while.
    ///         responder.send(Reply::Empty);
    ///     });
    ///     deferred
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

    /// Sets how long to wait for the reply, instead of the component's handler timeout.
    #[must_use]
    pub fn within(mut self, deadline: Duration) -> Self {
        self.within = Some(deadline);
        self
    }

    /// Transforms the reply when it arrives, unless it is an error.
    ///
    /// Middleware uses it to change replies that are not known yet. Several transformations are
    /// applied in the order in which they were added.
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
    /// If the responder was dropped, or the deadline has passed.
    pub async fn wait(self, deadline: Duration) -> Result<Reply, BoxError> {
        match tokio::time::timeout(self.within.unwrap_or(deadline), self.answer).await {
            Ok(Ok(reply)) => match self.map {
                Some(map) => reply.map(map),
                None => reply,
            },
            Ok(Err(_)) => {
                Err("the responder of a deferred reply was dropped without a reply".into())
            }
            Err(elapsed) => Err(Box::new(elapsed)),
        }
    }
}

impl Responder {
    /// Sends the reply.
    ///
    /// A reply that arrives after the deadline is dropped, which the responder cannot observe.
    pub fn send(self, reply: Reply) {
        self.give(Ok(reply));
    }

    /// Fails the stanza with an error, as if the handler had returned it.
    pub fn fail(self, error: impl Into<BoxError>) {
        self.give(Err(error.into()));
    }

    fn give(self, answer: Result<Reply, BoxError>) {
        if self.answer.send(answer).is_err() {
            tracing::debug!("deferred reply dropped: it arrived after its deadline");
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
