//! The extractor for bounced stanzas.

use super::{FromInbound, Rejection, missing};
use crate::error::StanzaError;
use crate::inbound::Inbound;

/// The reason why a message or presence sent by the component bounced. Use
/// [`Router::bounced`](crate::router::Router::bounced) to route such stanzas.
///
/// ```
/// use campanile::error::StanzaError;
/// use campanile::extract::{Id, Sender};
/// use campanile::router::Router;
///
/// async fn bounced(Sender(who): Sender, id: Option<Id>, why: StanzaError) {
///     println!("{who} did not take {id:?}: {why}");
/// }
///
/// let router: Router = Router::new().bounced(bounced);
/// ```
impl<S> FromInbound<S> for StanzaError {
    type Rejection = Rejection;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Rejection> {
        if inbound.kind().is_error() {
            Ok(Self::from_stanza(inbound.stanza()))
        } else {
            Err(missing("the stanza is not of type error"))
        }
    }
}
