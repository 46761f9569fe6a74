//! The text of a message.

use super::{FromInbound, Rejection};
use crate::error::{Condition, StanzaError};
use crate::inbound::Inbound;
use crate::stanza::xml::CLIENT;
use crate::stanza::{Child, Stanza};

/// The body of a message: in the message's own language when there are several, else the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body(pub String);

impl<S> FromInbound<S> for Body {
    type Rejection = Rejection;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Rejection> {
        match best(inbound.stanza()) {
            Some(body) => Ok(Self(body.text().into_owned())),
            None => Err(Rejection::absent(StanzaError::new(Condition::BadRequest).with_text("no body"))),
        }
    }
}

fn best(stanza: &Stanza) -> Option<Child<'_>> {
    let mut bodies = stanza.children().iter().filter(|child| child.is(CLIENT, "body"));
    let first = bodies.next()?;
    let Some(second) = bodies.next() else { return Some(first) };
    // RFC 6121 §5.2.3: bodies differ in language; one without `xml:lang` is in that of the message.
    let own = |body: &Child<'_>| body.attribute("xml:lang").is_none_or(|lang| Some(&*lang) == stanza.lang());
    [first, second].into_iter().chain(bodies).find(own).or(Some(first))
}
