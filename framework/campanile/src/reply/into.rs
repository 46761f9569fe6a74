//! The [`IntoReply`] trait: the types that a handler may return.

use std::borrow::Cow;

use xmpp_parsers::message::Message;
use xmpp_parsers::presence::Presence;

use super::{Deferred, Reply};
use crate::error::{BoxError, Condition, StanzaError};
use crate::stanza::{Children, ChildrenBuilder, Stanza};
use campanile_stanza::xml::CLIENT;

/// Types that a handler may return.
///
/// | type | reply |
/// |---|---|
/// | `()`, `None` | an empty result for an IQ request, nothing for other stanzas |
/// | [`Payload`], [`Json`], [`Children`] | an IQ result, or a message of the request's type |
/// | `&str`, `String`, `Cow<str>`, [`Text`] | a message of the request's type with this body |
/// | [`Stanza`], [`Message`], [`Presence`] | that stanza, its missing addresses filled in |
/// | [`StanzaError`], [`Condition`] | an error reply |
/// | `Vec`, tuples of two to four | several replies, in order |
/// | [`InLanguage`] | that of the value, with its language |
/// | `Result` | that of the value; an error is converted by [`into_stanza_error`] |
/// | [`Deferred`] | the reply that its [`Responder`](super::Responder) sends later |
///
/// [`Payload`]: struct@crate::extract::Payload
/// [`Json`]: crate::extract::Json
///
/// [`Reply`] lists what each of them sends in answer to which kind of stanza. To return a type of
/// your own, implement the trait in terms of these:
///
/// ```
/// use campanile::error::BoxError;
/// use campanile::reply::{IntoReply, Reply};
///
/// struct Weather {
///     degrees: i32,
/// }
///
/// impl IntoReply for Weather {
///     fn into_reply(self) -> Result<Reply, BoxError> {
///         format!("{} °C", self.degrees).into_reply()
///     }
/// }
/// ```
///
/// [`into_stanza_error`]: crate::error::into_stanza_error
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent as a reply",
    label = "a handler returns this",
    note = "replies implement `IntoReply`: `()`, `Payload<P>`, `Json<T>`, `String`, `Message`, \
        `Stanza`, `StanzaError`, `Option`, `Vec`, `Result<_, E>` with any error, ..."
)]
pub trait IntoReply {
    /// Converts the value into a reply.
    ///
    /// # Errors
    /// Returns an error if the value cannot be serialized as XML, or if it is an `Err` itself.
    fn into_reply(self) -> Result<Reply, BoxError>;
}

/// A message body: replies like the `String` it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(pub String);

/// A reply whose text is in this language: the value's reply with `xml:lang`.
///
/// Without it, the recipient has to guess the language, and some servers stamp their own on it.
///
/// ```
/// use campanile::extract::Lang;
/// use campanile::reply::InLanguage;
///
/// async fn greet(lang: Option<Lang>) -> InLanguage<&'static str> {
///     match lang {
///         Some(Lang(lang)) if lang.starts_with("de") => InLanguage("de".into(), "Guten Tag"),
///         _ => InLanguage("en".into(), "Good day"),
///     }
/// }
/// # let _: campanile::Router = campanile::Router::new().message(greet);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InLanguage<R>(pub String, pub R);

impl<R: IntoReply> IntoReply for InLanguage<R> {
    fn into_reply(self) -> Result<Reply, BoxError> {
        let Self(lang, reply) = self;
        Ok(in_language(lang, reply.into_reply()?))
    }
}

fn in_language(lang: String, reply: Reply) -> Reply {
    match reply {
        Reply::Error(error) if error.lang().is_none() => Reply::Error(error.with_lang(&lang)),
        Reply::Deferred(later) => Reply::Deferred(later.map(move |reply| in_language(lang, reply))),
        reply => Reply::InLanguage(lang, Box::new(reply)),
    }
}

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
            #[allow(non_snake_case, reason = "one name for the type and the value")]
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
