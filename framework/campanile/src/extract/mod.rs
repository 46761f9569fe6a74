//! Typed access to a stanza: what the arguments of a handler may be.
//!
//! | extractor | what it holds | refused when |
//! |---|---|---|
//! | [`Sender`], [`Recipient`] | the address | – |
//! | [`Id`], [`Lang`] | what the header says | it does not |
//! | [`Kind`](crate::stanza::Kind) | kind and type | – |
//! | [`IqType`](crate::stanza::IqType), [`MessageType`](crate::stanza::MessageType), [`PresenceType`](crate::stanza::PresenceType) | the type | it is of another kind |
//! | [`Localpart<T>`] | what stands for the placeholders of the recipient's pattern | it is no `T` |
//! | [`Args<T>`] | what stands for the placeholders of a text command | it is no `T`: the person is told the usage |
//! | [`Payload<P>`] | the first child that is a `P` | there is none, or it is a bad one |
//! | [`Payloads<P>`] | every child that is a `P`, or none | one of them is a bad one |
//! | [`Json<T>`] | the JSON of an XEP-0335 container | there is none, or it is no `T` |
//! | [`JsonMessage<T>`] | the XEP-0432 payload of `T`'s datatype | there is none, or it is no `T` |
//! | [`Body`], [`Subject`] | the text, in the message's own language | there is none |
//! | [`Bodies`], [`Subjects`] | the text in each of its languages | there is none |
//! | [`Thread`] | the conversation | there is none |
//! | [`Show`], [`StatusText`] | the availability of presence | it says none, or a bad one |
//! | [`Priority`] | the priority of presence, 0 when it says none | it is a bad one |
//! | [`Delay`] | when the stanza was first sent (XEP-0203) | it does not say so, or badly |
//! | [`StanzaError`] | why our stanza came back | it is no error |
//! | [`Message`], [`Presence`] | the whole stanza, parsed | it is of another kind, or a child is a bad one |
//! | [`Children`](crate::stanza::Children) | the children, unparsed | – |
//! | [`StanzaRef`] | the stanza, unparsed | – |
//! | [`State<T>`] | what [`with_state`](crate::router::Router::with_state) was given | – |
//! | [`Extension<T>`] | what a layer has added | no layer did: internal-server-error |
//! | [`Client`](crate::client::Client) | the sending handle | – |
//! | [`Inbound`] | everything | – |
//! | `Option<T>` | `None` when the thing is absent; a bad one is refused all the same | – |
//! | `Result<T, T::Rejection>` | the handler decides | – |
//!
//! Extraction is synchronous, looks at the stanza by reference and takes nothing away from it: any
//! arguments fit in any order. What needs I/O belongs into a layer that leaves its result in the
//! extensions.

mod address;
mod arguments;
mod bounce;
mod header;
mod json;
mod json_message;
mod language;
mod payload;
mod placeholder;
mod presence;
mod rejection;
mod route_info;
mod state;
#[cfg(test)]
mod tests;
mod text;
mod whole;

use std::convert::Infallible;

pub use self::address::{Recipient, Sender};
pub use self::arguments::Args;
pub(crate) use self::arguments::{ArgumentError, CommandArguments};
pub use self::header::{Id, Lang};
pub use self::json::Json;
pub(crate) use self::json_message::NS as JSON_MESSAGE;
pub use self::json_message::{Datatype, JsonMessage};
pub use self::language::Localized;
pub use self::payload::{Delay, Payload, Payloads};
pub(crate) use self::placeholder::{AddressPlaceholders, PlaceholderError, Placeholders};
pub use self::placeholder::{Localpart, Parsed};
pub use self::presence::{Priority, Show, StatusText};
pub use self::rejection::Rejection;
pub use self::route_info::RouteInfo;
pub use self::state::{Extension, FromRef, MissingExtension, State};
pub(crate) use self::text::body;
pub use self::text::{Bodies, Body, Subject, Subjects, Thread};
pub use self::whole::{Message, Presence, StanzaRef};
use crate::error::{BoxError, Condition, StanzaError};
use crate::inbound::Inbound;

/// Something that can be taken from a stanza, given the state `S`.
///
/// ```
/// use campanile::error::{Condition, StanzaError};
/// use campanile::extract::FromInbound;
/// use campanile::inbound::Inbound;
///
/// struct Nick(String);
///
/// impl<S> FromInbound<S> for Nick {
///     type Rejection = StanzaError;
///
///     fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, StanzaError> {
///         let node = inbound.sender().node().ok_or(Condition::JidMalformed)?;
///         Ok(Self(node.to_string()))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be taken from a stanza",
    label = "a handler has this argument",
    note = "arguments implement `FromInbound<S>`: `Sender`, `Payload<P>`, `Json<T>`, `Body`, \
        `State<T>`, `Client`, ...",
    note = "for `State<T>` the router's state must be a `T`, or `T` must implement `FromRef` of it"
)]
pub trait FromInbound<S>: Sized + 'static {
    /// Why it cannot be taken. A [`StanzaError`] in it is what the peer is told.
    type Rejection: Into<BoxError>;

    /// Takes it.
    ///
    /// # Errors
    /// When the stanza does not have it.
    fn from_inbound(inbound: &Inbound, state: &S) -> Result<Self, Self::Rejection>;

    /// Whether a route can ever give it. This is asked when a program starts, so that a handler
    /// that asks for more placeholders than its route has does not fail with the first stanza. What
    /// holds another extractor asks that one.
    ///
    /// # Errors
    /// Why it can never be taken there, for who has written the program.
    fn validate(_route: &RouteInfo) -> Result<(), String> {
        Ok(())
    }
}

impl<S, T: FromInbound<S>> FromInbound<S> for Option<T> {
    type Rejection = BoxError;

    fn from_inbound(inbound: &Inbound, state: &S) -> Result<Self, BoxError> {
        match T::from_inbound(inbound, state).map_err(Into::into) {
            Ok(value) => Ok(Some(value)),
            Err(error) if rejection::is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn validate(route: &RouteInfo) -> Result<(), String> {
        T::validate(route)
    }
}

impl<S, T: FromInbound<S>> FromInbound<S> for Result<T, T::Rejection>
where
    T::Rejection: 'static,
{
    type Rejection = Infallible;

    fn from_inbound(inbound: &Inbound, state: &S) -> Result<Self, Infallible> {
        Ok(T::from_inbound(inbound, state))
    }
}

macro_rules! tuples {
    ($(($($argument:ident)*))+) => {$(
        impl<S, $($argument: FromInbound<S>,)*> FromInbound<S> for ($($argument,)*) {
            type Rejection = BoxError;

            #[allow(unused_variables, reason = "without arguments nothing is looked at")]
            fn from_inbound(inbound: &Inbound, state: &S) -> Result<Self, BoxError> {
                Ok(($($argument::from_inbound(inbound, state).map_err(Into::into)?,)*))
            }

            #[allow(unused_variables, reason = "without arguments nothing is looked at")]
            fn validate(route: &RouteInfo) -> Result<(), String> {
                $($argument::validate(route)?;)*
                Ok(())
            }
        }
    )+};
}

tuples! {
    ()
    (A)
    (A B)
    (A B C)
    (A B C D)
    (A B C D E)
    (A B C D E F)
    (A B C D E F G)
    (A B C D E F G H)
}

/// What a stanza does not have at all.
fn missing(text: &str) -> Rejection {
    Rejection::missing(StanzaError::new(Condition::BadRequest).with_text(text))
}
