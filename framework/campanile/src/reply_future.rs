//! The future of routes and of the services of this crate.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Duration, Sleep, sleep};
use tower::timeout::error::Elapsed;

use crate::error::BoxError;
use crate::reply::Reply;

/// The future returned by routes and by the services of this crate.
///
/// ```
/// use campanile::handler::ReplyFuture;
/// use campanile::reply::Reply;
///
/// let known = ReplyFuture::ready(Ok(Reply::Empty));
/// let later = ReplyFuture::new(async { known.await });
/// # drop(later);
/// ```
#[must_use = "a future does nothing unless it is awaited"]
pub struct ReplyFuture {
    response: Response,
    deadline: Deadline,
}

enum Response {
    /// Known already: a rejection, or the reply of a built-in handler. `None` once it was taken.
    Ready(Option<Result<Reply, BoxError>>),
    Running(Pin<Box<dyn Future<Output = Result<Reply, BoxError>> + Send>>),
}

/// The time at which the call is canceled. Most calls complete at their first poll, which needs no
/// timer.
enum Deadline {
    None,
    Within(Duration),
    At(Pin<Box<Sleep>>),
}

impl ReplyFuture {
    /// Boxes a future.
    pub fn new(future: impl Future<Output = Result<Reply, BoxError>> + Send + 'static) -> Self {
        Self::from_response(Response::Running(Box::pin(future)))
    }

    /// Returns a future that is complete, without boxing anything.
    pub fn ready(response: Result<Reply, BoxError>) -> Self {
        Self::from_response(Response::Ready(Some(response)))
    }

    fn from_response(response: Response) -> Self {
        Self {
            response,
            deadline: Deadline::None,
        }
    }

    /// Cancels the call if it has not completed at this time after its first poll. The error is
    /// that of `tower::timeout`.
    pub(crate) fn within(self, deadline: Duration) -> Self {
        match self.deadline {
            Deadline::None => Self {
                deadline: Deadline::Within(deadline),
                ..self
            },
            // It has a deadline already, which stays.
            _ => Self::new(self).within(deadline),
        }
    }
}

impl Future for ReplyFuture {
    type Output = Result<Reply, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match &mut this.response {
            // Polled again after completion, which callers must not do. An empty reply is as good
            // as any.
            Response::Ready(response) => Poll::Ready(response.take().unwrap_or(Ok(Reply::Empty))),
            Response::Running(future) => match future.as_mut().poll(cx) {
                Poll::Ready(response) => Poll::Ready(response),
                Poll::Pending => this.deadline.poll(cx).map(Err),
            },
        }
    }
}

impl Deadline {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<BoxError> {
        if let Self::Within(deadline) = self {
            *self = Self::At(Box::pin(sleep(*deadline)));
        }
        match self {
            Self::At(timer) => timer.as_mut().poll(cx).map(|()| Elapsed::new().into()),
            Self::None | Self::Within(_) => Poll::Pending,
        }
    }
}

impl fmt::Debug for ReplyFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplyFuture")
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::Instant;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn shortest_deadline_cancels_the_call() {
        for (inner, outer) in [(3, 5), (5, 3)] {
            let began = Instant::now();
            let call = ReplyFuture::new(pending());
            let error = call.within(inner * SECOND).within(outer * SECOND).await;
            assert!(error.unwrap_err().is::<Elapsed>());
            assert_eq!(began.elapsed(), 3 * SECOND);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn call_within_its_deadline_completes() {
        let call = ReplyFuture::new(async {
            sleep(2 * SECOND).await;
            Ok(Reply::Empty)
        });
        assert!(call.within(3 * SECOND).await.is_ok());
        let ready = ReplyFuture::ready(Ok(Reply::Empty));
        assert!(ready.within(Duration::ZERO).await.is_ok());
    }
}
