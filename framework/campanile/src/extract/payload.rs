//! Typed payloads, as extractor and reply.

pub use xmpp_parsers::delay::Delay;

use super::{FromInbound, Rejection};
use crate::error::BoxError;
use crate::inbound::Inbound;
use crate::payload::{ReadPayload, WritePayload};
use crate::reply::{IntoReply, Reply};
use crate::stanza::ChildrenBuilder;

/// A child element of the stanza as a Rust type; for an IQ, its payload.
///
/// `P` is a struct with `#[derive(Payload)]`, a type of `xmpp-parsers`, or any other type that
/// implements [`ReadPayload`] to be extracted, and [`WritePayload`] to be a reply. The first child
/// whose namespace and name match is parsed.
///
/// ```
/// use campanile::extract::Payload;
/// use campanile::router::Router;
///
/// #[derive(Payload)]
/// #[xml(namespace = "urn:example:shelf", name = "order")]
/// struct Order {
///     #[xml(attribute)]
///     count: u32,
///     #[xml(attribute(default))]
///     express: bool,
///     #[xml(child(n = ..))]
///     books: Vec<Book>,
/// }
///
/// #[derive(Payload)]
/// #[xml(namespace = "urn:example:shelf", name = "book")]
/// struct Book {
///     #[xml(text)]
///     title: String,
/// }
///
/// async fn order(Payload(mut order): Payload<Order>) -> Payload<Order> {
///     order.books.truncate(order.count as usize);
///     Payload(order)
/// }
///
/// let router: Router = Router::new().iq_set(("urn:example:shelf", "order"), order);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload<P>(pub P);

/// All child elements of the stanza that are a `P`, in order, possibly none. As a reply, all of
/// them are sent.
///
/// Extraction fails if one of them is invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payloads<P>(pub Vec<P>);

impl<S, P: ReadPayload + 'static> FromInbound<S> for Payload<P> {
    type Rejection = Rejection;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Rejection> {
        Ok(Self(inbound.stanza().child()?))
    }
}

impl<S, P: ReadPayload + 'static> FromInbound<S> for Payloads<P> {
    type Rejection = Rejection;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Rejection> {
        Ok(Self(inbound.stanza().every_child()?))
    }
}

/// The time at which a delayed stanza was first sent (XEP-0203).
impl<S> FromInbound<S> for Delay {
    type Rejection = Rejection;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Rejection> {
        Ok(inbound.stanza().child()?)
    }
}

impl<P: WritePayload> IntoReply for Payload<P> {
    fn into_reply(self) -> Result<Reply, BoxError> {
        Ok(Reply::payload(&self.0)?)
    }
}

impl<P: WritePayload> IntoReply for Payloads<P> {
    fn into_reply(self) -> Result<Reply, BoxError> {
        let mut children = ChildrenBuilder::default();
        self.0
            .iter()
            .try_for_each(|payload| children.push(payload))?;
        Ok(Reply::Children(children.finish()))
    }
}
