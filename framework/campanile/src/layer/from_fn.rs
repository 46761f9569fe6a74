//! Middleware from an async function.

use std::fmt;
use std::future::Future;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use crate::error::BoxError;
use crate::handler::ReplyFuture;
use crate::inbound::Inbound;
use crate::reply::{IntoReply, Reply};

/// Creates a layer that calls an async function for each stanza.
///
/// The function receives the stanza and a [`Next`], which calls the inner service.
///
/// ```
/// use campanile::error::BoxError;
/// use campanile::extract::Extension;
/// use campanile::inbound::Inbound;
/// use campanile::layer::{Next, from_fn};
/// use campanile::reply::Reply;
/// use campanile::router::Router;
///
/// #[derive(Clone)]
/// struct Tenant(String);
///
/// async fn tenant(mut inbound: Inbound, next: Next) -> Result<Reply, BoxError> {
///     let tenant = Tenant(inbound.sender().domain().to_string());
///     inbound.extensions_mut().insert(tenant);
///     next.run(inbound).await
/// }
///
/// async fn greet(Extension(Tenant(name)): Extension<Tenant>) -> String {
///     format!("welcome, {name}")
/// }
///
/// let router: Router = Router::new().message(greet).layer(from_fn(tenant));
/// ```
///
/// The layer can be applied to any service that is `Clone`, such as a route or a router. It
/// allocates twice for each stanza. To avoid that, implement `Layer` and `Service` by hand, as the
/// layers in this module do.
pub fn from_fn<F>(function: F) -> FromFnLayer<F> {
    FromFnLayer { function }
}

/// The layer of [`from_fn`].
#[derive(Clone, Copy)]
#[doc(hidden)]
pub struct FromFnLayer<F> {
    function: F,
}

/// The service of [`from_fn`].
#[derive(Clone, Copy)]
#[doc(hidden)]
pub struct FromFn<F, S> {
    function: F,
    inner: S,
}

/// The inner service of a [`from_fn`] layer, for one call.
pub struct Next {
    call: Box<dyn FnOnce(Inbound) -> ReplyFuture + Send>,
}

impl Next {
    /// Passes the stanza to the inner service and returns its reply.
    ///
    /// # Errors
    /// Returns the error of the inner service.
    pub async fn run(self, inbound: Inbound) -> Result<Reply, BoxError> {
        (self.call)(inbound).await
    }
}

impl<F: Clone, S> Layer<S> for FromFnLayer<F> {
    type Service = FromFn<F, S>;

    fn layer(&self, inner: S) -> FromFn<F, S> {
        FromFn {
            function: self.function.clone(),
            inner,
        }
    }
}

impl<F, Fut, S> Service<Inbound> for FromFn<F, S>
where
    F: FnMut(Inbound, Next) -> Fut,
    Fut: Future + Send + 'static,
    Fut::Output: IntoReply,
    S: Service<Inbound> + Clone + Send + 'static,
    S::Response: IntoReply,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = Reply;
    type Error = BoxError;
    type Future = ReplyFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, inbound: Inbound) -> ReplyFuture {
        // The instance that was polled ready handles the call. Its clone replaces it and must be
        // polled again.
        let clone = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, clone);
        let call = move |inbound| -> ReplyFuture {
            let reply = ready.call(inbound);
            ReplyFuture::new(async move { reply.await.map_err(Into::into)?.into_reply() })
        };
        let reply = (self.function)(
            inbound,
            Next {
                call: Box::new(call),
            },
        );
        ReplyFuture::new(async move { reply.await.into_reply() })
    }
}

impl<F> fmt::Debug for FromFnLayer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FromFnLayer({})", std::any::type_name::<F>())
    }
}

impl<F, S: fmt::Debug> fmt::Debug for FromFn<F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromFn")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Next")
    }
}

#[cfg(test)]
mod tests {
    use tower::{Layer as _, limit::ConcurrencyLimitLayer};

    use super::*;
    use crate::error::Condition;
    use crate::extract::Extension;
    use crate::router::Router;
    use crate::test_util::answer;

    async fn numbered(mut inbound: Inbound, next: Next) -> Result<Reply, BoxError> {
        let number = inbound
            .extensions()
            .get::<u8>()
            .map_or(1, |number| number + 1);
        inbound.extensions_mut().insert(number);
        next.run(inbound).await
    }

    async fn number(number: Option<Extension<u8>>) -> String {
        number.map_or(0, |Extension(number)| number).to_string()
    }

    #[test]
    fn extensions_added_by_a_function_reach_the_handler() {
        let mut router = Router::new()
            .message(number)
            .layer(from_fn(numbered))
            .layer(from_fn(numbered))
            .presence(number);
        assert!(answer(&mut router, "<message/>").contains("<body>2</body>"));
        let mut whole = from_fn(numbered).layer(ConcurrencyLimitLayer::new(1).layer(router));
        assert!(answer(&mut whole, "<message/>").contains("<body>3</body>"));
    }

    #[test]
    fn function_can_reply_without_calling_next() {
        let refuse = |_: Inbound, _: Next| std::future::ready(Condition::Forbidden);
        let mut router = Router::new().iq_get("urn:a", number).layer(from_fn(refuse));
        let reply = answer(&mut router, "<iq type='get' id='1'><a xmlns='urn:a'/></iq>");
        assert!(reply.contains("<forbidden xmlns"), "{reply}");
    }
}
