//! JSON containers (XEP-0335), as extractor and reply.

use minidom::Element;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{FromInbound, Rejection};
use crate::error::{BoxError, Condition, StanzaError};
use crate::inbound::Inbound;
use crate::reply::{IntoReply, Reply};
use crate::stanza::{ChildrenBuilder, Stanza};

/// Namespace of JSON containers.
pub(super) const NS: &str = "urn:xmpp:json:0";

/// The JSON value in an XEP-0335 container. The container is a child of the stanza, or nested
/// anywhere within one.
///
/// As a reply, it is the payload of an IQ result or the child of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<S, T: DeserializeOwned + 'static> FromInbound<S> for Json<T> {
    type Rejection = Rejection;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Rejection> {
        if let Some(container) = inbound.stanza().children().find(NS, "json") {
            return read(&container.text()).map(Self);
        }
        match nested(inbound.stanza()) {
            Some(text) => read(&text).map(Self),
            None => Err(Rejection::missing(no_container())),
        }
    }
}

impl<T: Serialize> IntoReply for Json<T> {
    fn into_reply(self) -> Result<Reply, BoxError> {
        let mut children = ChildrenBuilder::default();
        children.push_text(NS, "json", &serde_json::to_string(&self.0)?)?;
        Ok(Reply::Children(children.finish()))
    }
}

pub(super) fn no_container() -> StanzaError {
    StanzaError::new(Condition::BadRequest)
        .with_text("no JSON container (XEP-0335)")
        .with_lang("en")
}

pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Rejection> {
    // The error message of serde quotes only what the sender wrote, with its position.
    serde_json::from_str(text).map_err(|error| {
        Rejection::invalid(
            StanzaError::new(Condition::BadRequest)
                .with_text(format!("invalid JSON: {error}"))
                .with_lang("en"),
        )
    })
}

fn nested(stanza: &Stanza) -> Option<String> {
    fn search(element: &Element) -> Option<String> {
        if element.is("json", NS) {
            return Some(element.text());
        }
        element.children().find_map(search)
    }
    // Most stanzas have no container, and searching the bytes is much cheaper than building a tree.
    let candidates = stanza
        .children()
        .iter()
        .filter(|child| memchr::memmem::find(child.as_bytes(), NS.as_bytes()).is_some());
    candidates
        .filter_map(|child| child.element().ok())
        .find_map(|element| search(&element))
}
