//! Replies of handlers, and the rules that turn them into stanzas.
//!
//! A handler returns any type that implements [`IntoReply`]. The resulting [`Reply`] has no
//! addresses; the component adds them from the request and applies the rules of RFC 6120 and RFC
//! 6121: an IQ request gets exactly one response, errors and results are never answered.

mod deferred;
mod into;
#[cfg(test)]
mod tests;

pub use self::deferred::{Deferred, Responder};
pub use self::into::{InLanguage, IntoReply, Text};
use crate::address::bare;
use crate::error::{Condition, StanzaError};
use crate::payload::WritePayload;
use crate::stanza::{Child, Children, IqType, Kind, MessageType, Stanza, WriteError};

/// A reply without addresses, which [`address`](Reply::address) adds.
///
/// The rows are the variants, the columns the kinds of stanza being answered; “–” means that
/// nothing is sent. A returned groupchat message without an address goes to the bare JID of the
/// room.
///
/// | reply to → | IQ get, set | chat, normal | groupchat, headline | presence | error, result |
/// |---|---|---|---|---|---|
/// | [`Empty`](Reply::Empty) | empty result | – | – | – | – |
/// | [`Children`][children] | result, at most one child | message of the same type and id | – | – | – |
/// | [`Stanza`][stanza] | the stanza, an empty result | the stanza | the stanza | the stanza | – |
/// | [`Error`](Reply::Error) | error | error, if the message has content | – | – | – |
/// | [`Multiple`](Reply::Multiple) | all, with at most one result or error | all | all | all | – |
/// | [`Deferred`](Reply::Deferred) | as above, when the reply arrives | | | | – |
/// | [`InLanguage`](Reply::InLanguage) | as above, with `xml:lang` | | | | – |
///
/// Messages that an automatic reply could turn into a loop get no reply either: those from the
/// address that they are sent to, room history (`groupchat` with a delay, XEP-0045 §7.2.13), and
/// copies of other messages (XEP-0280, XEP-0313). A delayed one-to-one message, as from offline
/// storage, is answered.
///
/// [children]: Reply::Children
/// [stanza]: Reply::Stanza
#[derive(Debug)]
pub enum Reply {
    /// No content: an empty result for an IQ request, nothing for other stanzas.
    Empty,
    /// The payload of an IQ result, or the child elements of a message of the same type.
    Children(Children),
    /// A message or presence stanza with its own type. Missing addresses are filled in.
    Stanza(Box<Stanza>),
    /// An error reply.
    Error(StanzaError),
    /// Several replies, sent in order. An empty IQ result is added at the end if none is among
    /// them.
    Multiple(Vec<Reply>),
    /// A reply that the handler's [`Responder`] sends later.
    Deferred(Deferred),
    /// A reply in a language (RFC 6120 §8.1.5); see [`InLanguage`].
    InLanguage(String, Box<Reply>),
}

impl Reply {
    /// Creates a reply from a typed payload.
    ///
    /// # Errors
    /// Returns a [`WriteError`] if the value cannot be serialized as XML.
    pub fn payload<P: WritePayload>(payload: &P) -> Result<Self, WriteError> {
        Children::of(payload).map(Self::Children)
    }

    /// Converts the reply into the stanzas to send, each with both addresses, and passes them to
    /// `send` in order.
    ///
    /// Await a [`Deferred`] first. One that is still pending here, such as one inside
    /// [`Multiple`](Self::Multiple), is an internal error and becomes `internal-server-error`.
    #[doc(hidden)]
    pub fn address(self, request: &Stanza, mut send: impl FnMut(Stanza)) {
        if !permits_reply(request) {
            return;
        }
        let mut answered = !request.kind().is_request();
        self.parts(request, &mut answered, &mut send);
        if !answered {
            send(back(request, Kind::Iq(IqType::Result), Children::new()));
        }
    }

    fn parts(self, request: &Stanza, answered: &mut bool, send: &mut dyn FnMut(Stanza)) {
        match self {
            Self::Empty => {}
            Self::Children(children) => match request.kind() {
                Kind::Iq(_) if *answered => {}
                // RFC 6120 §8.2.3: a result has at most one child.
                Kind::Iq(_) if children.len() > 1 => {
                    tracing::error!(
                        children = children.len(),
                        "handler replied to an IQ request with more than one child; \
                        internal-server-error sent"
                    );
                    Self::Error(Condition::InternalServerError.into())
                        .parts(request, answered, send);
                }
                Kind::Iq(_) => {
                    *answered = true;
                    send(back(request, Kind::Iq(IqType::Result), children));
                }
                Kind::Message(MessageType::Chat | MessageType::Normal) => {
                    send(back(request, request.kind(), children));
                }
                // A room must not receive automatic replies; headlines and presence expect none.
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
            Self::InLanguage(lang, reply) => {
                let mut spoken = |stanza: Stanza| {
                    send(if stanza.lang().is_none() {
                        stanza.with_lang(&lang)
                    } else {
                        stanza
                    });
                };
                reply.parts(request, answered, &mut spoken);
            }
            Self::Multiple(replies) => replies
                .into_iter()
                .for_each(|reply| reply.parts(request, answered, send)),
            Self::Deferred(_) => {
                tracing::error!(
                    "handler returned a deferred reply inside Reply::Multiple; \
                    internal-server-error sent"
                );
                let error = StanzaError::new(Condition::InternalServerError);
                Self::Error(error).parts(request, answered, send);
            }
        }
    }
}

/// Returns `true` if an automatic reply may be sent to a stanza.
///
/// Errors and results are never answered (RFC 6120 §8.3.1, §8.2.3). A message is not answered if
/// its reply could come back as the next message.
#[doc(hidden)]
#[must_use]
pub fn permits_reply(request: &Stanza) -> bool {
    if request.kind().is_error() || request.kind().is_response() {
        return false;
    }
    let Kind::Message(kind) = request.kind() else {
        return true;
    };
    let is_own = match (request.from(), request.to()) {
        (Some(from), Some(to)) => bare(from) == bare(to),
        _ => false,
    };
    !is_own
        && !request
            .children()
            .iter()
            .any(|child| marks_copy(&child, kind))
}

/// Returns `true` for the mark of a message that was sent before, or to another address.
fn marks_copy(child: &Child<'_>, kind: MessageType) -> bool {
    match child.name() {
        // XEP-0045 §7.2.13: with a delay, a message of a room is history.
        "delay" => kind == MessageType::Groupchat && child.is("urn:xmpp:delay", "delay"),
        name @ ("received" | "sent") => child.is("urn:xmpp:carbons:2", name),
        "result" => child.is("urn:xmpp:mam:2", "result"),
        _ => false,
    }
}

/// Returns the error stanza for a request or a message.
pub(crate) fn error_reply(request: &Stanza, error: &StanzaError) -> Stanza {
    back(request, request.kind().to_error(), error.to_children())
}

/// Returns `true` if an unhandled or failed message must be bounced.
///
/// A person must learn that a message was not delivered (RFC 6121 §8.5.1), but two automated
/// entities must not send errors to each other in a loop.
pub(crate) fn should_bounce(stanza: &Stanza) -> bool {
    let conversation = matches!(
        stanza.kind(),
        Kind::Message(MessageType::Chat | MessageType::Normal)
    );
    let own = match (stanza.from_domain(), stanza.to_domain()) {
        (Some(from), Some(to)) => from == to,
        _ => true,
    };
    // XEP-0203: a delayed message was delivered before, or its sender may be offline by now.
    conversation
        && !own
        && stanza.has_content()
        && stanza.children().find("urn:xmpp:delay", "delay").is_none()
}

/// Returns a stanza from the recipient of `request` to its sender, with the same id.
fn back(request: &Stanza, kind: Kind, children: Children) -> Stanza {
    request.reply(kind).with_children(children)
}

/// Fills in missing addresses from the request.
fn complete(request: &Stanza, mut stanza: Stanza) -> Stanza {
    if stanza.from_text().is_none() {
        stanza.set_from_recipient_of(request);
    }
    if stanza.to_text().is_none() {
        // XEP-0045 §7.4: a groupchat message is addressed to the room, not to an occupant.
        if stanza.kind() == Kind::Message(MessageType::Groupchat) {
            stanza.set_to(request.from().map(|from| from.to_bare().into()));
        } else {
            stanza.set_to_sender_of(request);
        }
    }
    stanza
}
