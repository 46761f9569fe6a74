//! Handlers: async functions that handle one stanza, and objects chosen at run time.
//!
//! ```
//! use campanile::error::BoxError;
//! use campanile::extract::{Body, Sender, State};
//! use campanile::router::Router;
//!
//! async fn greet(
//!     Sender(who): Sender,
//!     State(greeting): State<&'static str>,
//!     Body(body): Body,
//! ) -> Result<String, BoxError> {
//!     let times: u32 = body.trim().parse()?; // on error: internal-server-error, and a log line
//!     Ok(format!("{greeting} {who}, {times} times"))
//! }
//!
//! let router: Router = Router::new().message(greet).with_state("hello");
//! ```
//!
//! The arguments are up to sixteen [extractors](crate::extract) in any order. The result is any
//! type that implements [`IntoReply`](crate::reply::IntoReply). Routes check the arguments and the
//! result in separate trait bounds, so the compiler names the argument or the result that does not
//! satisfy them.

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;

use crate::error::BoxError;
use crate::extract::FromInbound;
use crate::inbound::Inbound;
use crate::reply::Reply;
pub use crate::reply_future::ReplyFuture;

/// An async function of up to sixteen arguments, or an `Arc` of a [`StanzaHandler`].
///
/// The trait is implemented for every such function; you need not implement it. It describes the
/// signature only: the methods that register a handler require that `Args` can be extracted from a
/// stanza and that `Output` converts into a reply.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a stanza handler",
    label = "not an async function of zero to sixteen arguments",
    note = "a handler is an `async fn` of up to sixteen arguments, or a closure that returns a \
        future, and is `Clone + Send + Sync + 'static`",
    note = "for more values, give one argument a type that implements `FromInbound` and reads \
        several of them, or take `Inbound`",
    note = "an object that implements `StanzaHandler` is registered as `Arc<_>`"
)]
pub trait Handler<Args>: Clone + Send + Sync + 'static {
    /// The return type of the function.
    #[doc(hidden)]
    type Output;
    /// The future that the function returns.
    #[doc(hidden)]
    type Future: Future<Output = Self::Output> + 'static;

    /// Calls the function.
    #[doc(hidden)]
    fn call(&self, args: Args) -> Self::Future;
}

/// The object-safe form of a handler, for handlers chosen at run time, such as by configuration.
///
/// Register an `Arc<dyn StanzaHandler>`, or an `Arc` of any type that implements the trait, like a
/// function:
///
/// ```
/// use std::sync::Arc;
///
/// use async_trait::async_trait;
/// use campanile::error::BoxError;
/// use campanile::handler::StanzaHandler;
/// use campanile::inbound::Inbound;
/// use campanile::reply::{IntoReply, Reply};
/// use campanile::router::Router;
///
/// struct Greeter {
///     greeting: String,
/// }
///
/// #[async_trait]
/// impl StanzaHandler for Greeter {
///     async fn handle(&self, _: Inbound) -> Result<Reply, BoxError> {
///         self.greeting.as_str().into_reply()
///     }
/// }
///
/// let handler: Arc<dyn StanzaHandler> = Arc::new(Greeter { greeting: "hello".into() });
/// let router: Router = Router::new().message(handler);
/// ```
#[async_trait]
pub trait StanzaHandler: Send + Sync + 'static {
    /// Handles one stanza.
    ///
    /// # Errors
    /// Any error becomes the reply described at
    /// [`into_stanza_error`](crate::error::into_stanza_error).
    async fn handle(&self, inbound: Inbound) -> Result<Reply, BoxError>;
}

/// The argument type that tells a [`StanzaHandler`] object from an async function.
///
/// It holds the stanza. It appears in the trait bounds only; user code never names it.
#[derive(Debug)]
#[doc(hidden)]
pub struct ViaObject(Inbound);

impl<S> FromInbound<S> for ViaObject {
    type Rejection = std::convert::Infallible;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(inbound.clone()))
    }
}

impl<H: StanzaHandler + ?Sized> Handler<ViaObject> for Arc<H> {
    type Output = Result<Reply, BoxError>;
    type Future = ReplyFuture;

    fn call(&self, ViaObject(inbound): ViaObject) -> ReplyFuture {
        let handler = Self::clone(self);
        ReplyFuture::new(async move { handler.handle(inbound).await })
    }
}

macro_rules! functions {
    ($(($($argument:ident)*))+) => {$(
        impl<F, Fut, $($argument,)*> Handler<($($argument,)*)> for F
        where
            F: Fn($($argument),*) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future + 'static,
        {
            type Output = Fut::Output;
            type Future = Fut;

            #[allow(non_snake_case, reason = "one name for the type and the value")]
            fn call(&self, ($($argument,)*): ($($argument,)*)) -> Fut {
                self($($argument),*)
            }
        }
    )+};
}

functions! {
    ()
    (A)
    (A B)
    (A B C)
    (A B C D)
    (A B C D E)
    (A B C D E G)
    (A B C D E G H)
    (A B C D E G H I)
    (A B C D E G H I J)
    (A B C D E G H I J K)
    (A B C D E G H I J K L)
    (A B C D E G H I J K L M)
    (A B C D E G H I J K L M N)
    (A B C D E G H I J K L M N O)
    (A B C D E G H I J K L M N O P)
    (A B C D E G H I J K L M N O P Q)
}
