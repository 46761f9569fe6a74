//! A layer that is an async function.

use std::fmt;
use std::future::Future;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use crate::error::BoxError;
use crate::handler::ReplyFuture;
use crate::inbound::Inbound;
use crate::reply::{IntoReply, Reply};

/// A layer that calls this function for each stanza. What the function is given besides the stanza
/// calls what is below.
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
/// It fits around whatever is `Clone`: routes, a router. Each stanza costs two small allocations; a
/// layer that must be cheaper is written by hand, as the ones here are.
pub fn from_fn<F>(function: F) -> FromFnLayer<F> {
    FromFnLayer { function }
}

/// The layer of [`from_fn`].
#[derive(Clone, Copy)]
pub struct FromFnLayer<F> {
    function: F,
}

/// The service of [`from_fn`].
#[derive(Clone, Copy)]
pub struct FromFn<F, S> {
    function: F,
    inner: S,
}

/// What is below a layer.
pub struct Next {
    call: Box<dyn FnOnce(Inbound) -> ReplyFuture + Send>,
}

impl Next {
    /// Hands the stanza down, and gives back the answer.
    ///
    /// # Errors
    /// Whatever the services below fail with.
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
        // The one that was ready goes with the call; its clone stays, and has to become ready by
        // itself.
        let clone = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, clone);
        let call = move |inbound| -> ReplyFuture {
            let answer = ready.call(inbound);
            Box::pin(async move { answer.await.map_err(Into::into)?.into_reply() })
        };
        let answer = (self.function)(
            inbound,
            Next {
                call: Box::new(call),
            },
        );
        Box::pin(async move { answer.await.into_reply() })
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
    fn what_a_function_adds_is_there_below() {
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
    fn a_function_may_answer_itself() {
        let refuse = |_: Inbound, _: Next| std::future::ready(Condition::Forbidden);
        let mut router = Router::new().iq_get("urn:a", number).layer(from_fn(refuse));
        let told = answer(&mut router, "<iq type='get' id='1'><a xmlns='urn:a'/></iq>");
        assert!(told.contains("<forbidden xmlns"), "{told}");
    }
}
