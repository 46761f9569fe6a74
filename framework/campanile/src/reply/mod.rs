//! What a handler answers with, and the rules that turn it into stanzas.

mod deferred;
mod into;
#[cfg(test)]
mod tests;

pub use self::deferred::{Deferred, Responder};
pub use self::into::{IntoReply, Text};
use crate::error::{Condition, StanzaError};
use crate::stanza::{Children, IqType, Kind, MessageType, Stanza, WriteError};

/// An answer without addresses: [`address`](Reply::address) adds them, in one place.
///
/// | answer to → | IQ get, set | message chat, normal | groupchat, headline | presence | error, result |
/// |---|---|---|---|---|---|
/// | [`Empty`](Reply::Empty) | empty result | – | – | – | – |
/// | [`Children`](Reply::Children) | result, of at most one child | message of the same type and id | – | – | – |
/// | [`Stanza`](Reply::Stanza) | the stanza, and an empty result | the stanza | the stanza; groupchat to the bare room | the stanza | – |
/// | [`Error`](Reply::Error) | error | error, when the message has content | – | – | – |
/// | [`Multiple`](Reply::Multiple) | all, with at most one result or error | all | all | all | – |
/// | [`Deferred`](Reply::Deferred) | as above, when the answer is there | | | | – |
#[derive(Debug)]
pub enum Reply {
    /// Nothing to say: the empty result that an IQ request is owed, silence for all else.
    Empty,
    /// The payload of an IQ result, or the children of a message of the same type.
    Children(Children),
    /// A message or presence of its own type. `to` is filled in when it is missing.
    Stanza(Box<Stanza>),
    /// A refusal.
    Error(StanzaError),
    /// One after the other. Stanzas come before the result, which is added when none is given.
    Multiple(Vec<Reply>),
    /// The handler has taken the stanza over and answers by the [`Responder`] that belongs to this.
    Deferred(Deferred),
}

impl Reply {
    /// A payload, serialised.
    ///
    /// # Errors
    /// When the value cannot be written as XML.
    pub fn payload<P: xso::AsXml>(payload: &P) -> Result<Self, WriteError> {
        Children::of(payload).map(Self::Children)
    }

    /// Turns the answer into the stanzas that are due, each with both addresses, in the order to
    /// send them.
    ///
    /// A [`Deferred`] must have been awaited before; one that was not, such as one among several, is a
    /// fault of ours.
    pub fn address(self, request: &Stanza, mut send: impl FnMut(Stanza)) {
        // RFC 6120 §8.3.1, §8.2.3: errors and results are never answered.
        if request.kind().is_error() || request.kind().is_response() {
            return;
        }
        let mut answered = !request.kind().is_request();
        self.parts(request, &mut answered, &mut send);
        if !answered {
            send(back(request, Kind::Iq(IqType::Result), Children::new()));
        }
    }

    fn parts(self, request: &Stanza, answered: &mut bool, send: &mut impl FnMut(Stanza)) {
        match self {
            Self::Empty => {}
            Self::Children(children) => match request.kind() {
                Kind::Iq(_) if *answered => {}
                // RFC 6120 §8.2.3: a result has at most one child.
                Kind::Iq(_) if children.len() > 1 => {
                    tracing::error!(
                        children = children.len(),
                        "a handler answered an IQ with more than one child"
                    );
                    Self::Error(Condition::InternalServerError.into())
                        .parts(request, answered, send);
                }
                Kind::Iq(_) => {
                    *answered = true;
                    send(back(request, Kind::Iq(IqType::Result), children));
                }
                Kind::Message(MessageType::Chat | MessageType::Normal) => {
                    send(back(request, request.kind(), children))
                }
                // Nothing is said in a room unasked, and nobody waits for an answer to a headline
                // or to presence.
                Kind::Message(_) | Kind::Presence(_) => {}
            },
            Self::Stanza(stanza) if stanza.kind().is_response() => {
                if !std::mem::replace(answered, true) {
                    send(back(request, stanza.kind(), stanza.into_children()));
                }
            }
            Self::Stanza(stanza) => send(complete(request, *stanza)),
            Self::Error(error) => {
                let due = if request.kind().is_request() {
                    !*answered
                } else {
                    should_bounce(request)
                };
                if due {
                    *answered = true;
                    send(error_reply(request, &error));
                }
            }
            Self::Multiple(replies) => replies
                .into_iter()
                .for_each(|reply| reply.parts(request, answered, send)),
            Self::Deferred(_) => {
                tracing::error!("a later answer among several, which nobody can wait for");
                let fault = StanzaError::new(Condition::InternalServerError);
                Self::Error(fault).parts(request, answered, send);
            }
        }
    }
}

/// The error stanza for a request or a message.
pub(crate) fn error_reply(request: &Stanza, error: &StanzaError) -> Stanza {
    back(request, request.kind().to_error(), error.to_children())
}

/// Whether a message that is not taken must be bounced: a person must not write into the void (RFC
/// 6121 §8.5.1), and two machines must not send each other errors for ever.
pub(crate) fn should_bounce(stanza: &Stanza) -> bool {
    let conversation = matches!(
        stanza.kind(),
        Kind::Message(MessageType::Chat | MessageType::Normal)
    );
    let own = match (stanza.from(), stanza.to()) {
        (Some(from), Some(to)) => from.domain() == to.domain(),
        _ => true,
    };
    // XEP-0203: it was delivered once before, or its sender is long gone.
    conversation
        && !own
        && stanza.has_content()
        && stanza.children().find("urn:xmpp:delay", "delay").is_none()
}

/// A stanza from the recipient of `request` to its sender, with its id.
fn back(request: &Stanza, kind: Kind, children: Children) -> Stanza {
    request.reply(kind).with_children(children)
}

fn complete(request: &Stanza, mut stanza: Stanza) -> Stanza {
    if stanza.from().is_none() {
        stanza.set_from(request.to().cloned());
    }
    if stanza.to().is_none() {
        // Only the room itself can be spoken to in a room (XEP-0045 §7.4).
        let in_room = stanza.kind() == Kind::Message(MessageType::Groupchat);
        let to = request.from().cloned();
        stanza.set_to(if in_room {
            to.map(|to| to.into_bare().into())
        } else {
            to
        });
    }
    stanza
}
