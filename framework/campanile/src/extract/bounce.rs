//! Stanzas that came back.

use super::{FromInbound, Rejection, missing};
use crate::error::StanzaError;
use crate::inbound::Inbound;

/// Why a message or presence of ours came back. Such stanzas are routed by
/// [`Router::bounced`](crate::router::Router::bounced).
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
            Err(missing("the stanza is no error"))
        }
    }
}
