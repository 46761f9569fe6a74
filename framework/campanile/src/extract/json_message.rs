//! Simple JSON messages (XEP-0432), as extractor and reply.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{FromInbound, Rejection, json};
use crate::error::{BoxError, Condition, StanzaError};
use crate::inbound::Inbound;
use crate::reply::{IntoReply, Reply};
use crate::stanza::{Child, ChildrenBuilder};

/// Namespace of JSON messages.
pub(crate) const NS: &str = "urn:xmpp:json-msg:0";

/// A type with a datatype, the URI that identifies its JSON form between applications (XEP-0432
/// §2).
pub trait Datatype {
    /// The URI of the datatype.
    const DATATYPE: &'static str;
}

/// The JSON message (XEP-0432) of datatype `T::DATATYPE`, found among all children of the stanza.
///
/// A route for the datatype advertises it. As a reply, it is the payload of an IQ result or the
/// child of a message.
///
/// ```
/// use campanile::extract::{Datatype, JsonMessage};
/// use campanile::router::{PayloadPattern, Router};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Position { x: f64, y: f64 }
///
/// impl Datatype for Position {
///     const DATATYPE: &'static str = "urn:example:position";
/// }
///
/// async fn mirror(JsonMessage(at): JsonMessage<Position>) -> JsonMessage<Position> {
///     JsonMessage(Position { x: -at.x, y: at.y })
/// }
///
/// let position = PayloadPattern::datatype(Position::DATATYPE);
/// let router: Router = Router::new().message_with(position, mirror);
/// let disco = router.disco();
/// let info = disco.info(None, None).unwrap();
/// assert!(info.features.contains("urn:xmpp:json-msg:0#urn:example:position"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonMessage<T>(pub T);

impl<S, T: Datatype + DeserializeOwned + 'static> FromInbound<S> for JsonMessage<T> {
    type Rejection = Rejection;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Rejection> {
        let wanted = |child: &Child<'_>| {
            child.is(NS, "payload") && child.attribute("datatype").as_deref() == Some(T::DATATYPE)
        };
        let Some(payload) = inbound.stanza().children().iter().find(wanted) else {
            let text = format!("no JSON message of datatype {} (XEP-0432)", T::DATATYPE);
            return Err(Rejection::missing(
                StanzaError::new(Condition::BadRequest)
                    .with_text(text)
                    .with_lang("en"),
            ));
        };
        // XEP-0432 §3: the payload holds one XEP-0335 container.
        let element = payload.element()?;
        match element.get_child("json", json::NS) {
            Some(container) => json::read(&container.text()).map(Self),
            None => Err(Rejection::invalid(json::no_container())),
        }
    }
}

impl<T: Datatype + Serialize> IntoReply for JsonMessage<T> {
    fn into_reply(self) -> Result<Reply, BoxError> {
        let text = serde_json::to_string(&self.0)?;
        let mut children = ChildrenBuilder::default();
        children.push_with(|emitter| {
            emitter.start(NS, "payload")?;
            emitter.attribute("", "datatype", T::DATATYPE)?;
            emitter.start(json::NS, "json")?;
            emitter.text(&text)?;
            emitter.end();
            emitter.end();
            Ok(())
        })?;
        Ok(Reply::Children(children.finish()))
    }
}
