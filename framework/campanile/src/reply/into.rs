//! What a handler may return.

use std::borrow::Cow;

use xmpp_parsers::message::Message;
use xmpp_parsers::presence::Presence;

use super::{Deferred, Reply};
use crate::error::{BoxError, Condition, StanzaError};
use crate::stanza::{Children, ChildrenBuilder, Stanza};
use campanile_stanza::xml::CLIENT;

/// What a handler may return.
///
/// | type | answer |
/// |---|---|
/// | `()`, `None` | nothing: an empty result for an IQ, silence for all else |
/// | [`Payload`](crate::extract::Payload), [`Json`](crate::extract::Json), [`Children`] | IQ result, or message of the request's type |
/// | `&str`, `String`, `Cow<str>`, [`Text`] | a message of the request's type with this body |
/// | [`Stanza`], [`Message`], [`Presence`] | that stanza, its missing addresses filled in |
/// | [`StanzaError`], [`Condition`] | a refusal |
/// | `Vec`, tuples of two to four | one after the other |
/// | `Result` | as its value; any error goes the way of all errors: see [`into_stanza_error`](crate::error::into_stanza_error) |
/// | [`Deferred`] | what its [`Responder`](super::Responder) says |
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent as a reply",
    label = "a handler returns this",
    note = "replies implement `IntoReply`: `()`, `Payload<P>`, `Json<T>`, `String`, `Message`, \
        `Stanza`, `StanzaError`, `Option`, `Vec`, `Result<_, E>` with any error, ..."
)]
pub trait IntoReply {
    /// The answer, or why there is none.
    ///
    /// # Errors
    /// When the value cannot be written as XML, or is an error itself.
    fn into_reply(self) -> Result<Reply, BoxError>;
}

/// A message body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(pub String);

impl IntoReply for Reply {
    fn into_reply(self) -> Result<Reply, BoxError> {
        Ok(self)
    }
}

impl IntoReply for () {
    fn into_reply(self) -> Result<Reply, BoxError> {
        Ok(Reply::Empty)
    }
}

impl IntoReply for Children {
    fn into_reply(self) -> Result<Reply, BoxError> {
        Ok(Reply::Children(self))
    }
}

impl IntoReply for &str {
    fn into_reply(self) -> Result<Reply, BoxError> {
        let mut children = ChildrenBuilder::default();
        children.push_text(CLIENT, "body", self)?;
        Ok(Reply::Children(children.finish()))
    }
}

impl IntoReply for Cow<'_, str> {
    fn into_reply(self) -> Result<Reply, BoxError> {
        (&*self).into_reply()
    }
}

impl IntoReply for String {
    fn into_reply(self) -> Result<Reply, BoxError> {
        self.as_str().into_reply()
    }
}

impl IntoReply for Text {
    fn into_reply(self) -> Result<Reply, BoxError> {
        self.0.as_str().into_reply()
    }
}

impl IntoReply for Stanza {
    fn into_reply(self) -> Result<Reply, BoxError> {
        Ok(Reply::Stanza(Box::new(self)))
    }
}

impl IntoReply for Message {
    fn into_reply(self) -> Result<Reply, BoxError> {
        Stanza::try_from(&self)?.into_reply()
    }
}

impl IntoReply for Presence {
    fn into_reply(self) -> Result<Reply, BoxError> {
        Stanza::try_from(&self)?.into_reply()
    }
}

impl IntoReply for StanzaError {
    fn into_reply(self) -> Result<Reply, BoxError> {
        Ok(Reply::Error(self))
    }
}

impl IntoReply for Condition {
    fn into_reply(self) -> Result<Reply, BoxError> {
        Ok(Reply::Error(self.into()))
    }
}

impl IntoReply for Deferred {
    fn into_reply(self) -> Result<Reply, BoxError> {
        Ok(Reply::Deferred(self))
    }
}

impl<T: IntoReply> IntoReply for Option<T> {
    fn into_reply(self) -> Result<Reply, BoxError> {
        self.map_or(Ok(Reply::Empty), T::into_reply)
    }
}

impl<T: IntoReply> IntoReply for Vec<T> {
    fn into_reply(self) -> Result<Reply, BoxError> {
        self.into_iter()
            .map(T::into_reply)
            .collect::<Result<_, _>>()
            .map(Reply::Multiple)
    }
}

macro_rules! tuples {
    ($(($($part:ident)+))+) => {$(
        impl<$($part: IntoReply),+> IntoReply for ($($part,)+) {
            #[allow(non_snake_case, reason = "one name serves for the type and the value")]
            fn into_reply(self) -> Result<Reply, BoxError> {
                let ($($part,)+) = self;
                Ok(Reply::Multiple(vec![$($part.into_reply()?),+]))
            }
        }
    )+};
}

tuples! {
    (A B)
    (A B C)
    (A B C D)
}

impl<T: IntoReply, E: Into<BoxError>> IntoReply for Result<T, E> {
    fn into_reply(self) -> Result<Reply, BoxError> {
        self.map_err(Into::into)?.into_reply()
    }
}
