//! What a handler is: a plain async function, or an object chosen at run time.
//!
//! ```
//! use campanile::error::BoxError;
//! use campanile::extract::{Body, Sender, State};
//! use campanile::router::Router;
//!
//! async fn greet(Sender(who): Sender, State(greeting): State<&'static str>, Body(body): Body) -> Result<String, BoxError> {
//!     let times: u32 = body.trim().parse()?; // any error: internal-server-error, and a line in the log
//!     Ok(format!("{greeting} {who}, {times} times"))
//! }
//!
//! let router: Router = Router::new().message(greet).with_state("hello");
//! ```
//!
//! The arguments are [extractors](crate::extract), up to eight in any order; the result is anything
//! that [can be a reply](crate::reply::IntoReply). Registration asks for the two things one by one,
//! so the compiler names the argument or the result that does not fit.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;

use crate::error::BoxError;
use crate::extract::FromInbound;
use crate::inbound::Inbound;
use crate::reply::Reply;

/// The future of every route and every service here.
pub type ReplyFuture = Pin<Box<dyn Future<Output = Result<Reply, BoxError>> + Send>>;

/// An async function of up to eight arguments, or an `Arc` of a [`StanzaHandler`].
///
/// This is about the shape only: whether `Args` can be taken from a stanza and `Output` can be a
/// reply is asked where the handler is registered.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a stanza handler",
    label = "not an async function of zero to eight arguments",
    note = "a handler is an `async fn` of up to eight arguments, or a closure that returns a \
        future, and is `Clone + Send + Sync + 'static`",
    note = "an object that implements `StanzaHandler` is registered as `Arc<_>`"
)]
pub trait Handler<Args>: Clone + Send + Sync + 'static {
    /// What the function returns.
    type Output;
    /// Its future.
    type Future: Future<Output = Self::Output> + 'static;

    /// Calls the function.
    fn call(&self, args: Args) -> Self::Future;
}

/// The object-safe form of a handler, for one that a configuration chooses at run time.
///
/// `Arc<dyn StanzaHandler>`, and an `Arc` of any type that implements it, can be registered like a
/// function.
#[async_trait]
pub trait StanzaHandler: Send + Sync + 'static {
    /// Handles one stanza.
    async fn handle(&self, inbound: Inbound) -> Result<Reply, BoxError>;
}

/// The only argument of a [`StanzaHandler`]: the stanza itself. Marks the handler as an object.
#[derive(Debug)]
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
        Box::pin(async move { handler.handle(inbound).await })
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

            #[allow(non_snake_case, reason = "one name serves for the type and the value")]
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
}
