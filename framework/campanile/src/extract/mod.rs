//! Extractors: the arguments of handlers.
//!
//! | extractor | value | extraction fails if |
//! |---|---|---|
//! | [`Sender`], [`Recipient`] | the address | – |
//! | [`Id`], [`Lang`] | the id, the language | missing |
//! | [`Kind`] | kind and type | – |
//! | [`IqType`], [`MessageType`], [`PresenceType`] | the type | not of this kind |
//! | [`Localpart<T>`] | the placeholders of the recipient pattern | not a valid `T` |
//! | [`Args<T>`] | the arguments of a chat command | not a valid `T`; the peer gets the usage |
//! | [`Payload<P>`](struct@Payload) | the first child that is a `P` | missing or invalid |
//! | [`Payloads<P>`] | all children that are a `P`, possibly none | one of them is invalid |
//! | [`Json<T>`] | the JSON value in an XEP-0335 container | missing or invalid |
//! | [`JsonMessage<T>`] | the XEP-0432 payload with the datatype of `T` | missing or invalid |
//! | [`Body`], [`Subject`] | the text in the language of the message | missing |
//! | [`Bodies`], [`Subjects`] | the text in every language sent | missing |
//! | [`Thread`] | the conversation thread | missing |
//! | [`Show`], [`StatusText`] | the availability in presence | missing or invalid |
//! | [`Priority`] | the priority in presence, 0 by default | invalid |
//! | [`Delay`] | the time at which the stanza was first sent (XEP-0203) | missing or invalid |
//! | [`StanzaError`] | the error in a bounced stanza | the stanza is not an error |
//! | [`Message`], [`Presence`] | the whole stanza, parsed | not of this kind, or invalid |
//! | [`Children`] | the children, unparsed | – |
//! | [`StanzaRef`] | the stanza, unparsed | – |
//! | [`State<T>`] | the state set by [`with_state`] | – |
//! | [`Extension<T>`] | a value added by a layer | missing; the peer gets `internal-server-error` |
//! | [`Client`] | the handle for sending stanzas | – |
//! | [`Inbound`] | the stanza with its context | – |
//! | `Option<T>` | `None` if `T` is missing | `T` is invalid |
//! | `Result<T, T::Rejection>` | the value or the rejection | – |
//!
//! Extraction is synchronous and borrows the stanza, so extractors can be combined in any order. To
//! load something with I/O, use a layer that stores the result in the extensions.
//!
//! [`Kind`]: crate::stanza::Kind
//! [`IqType`]: crate::stanza::IqType
//! [`MessageType`]: crate::stanza::MessageType
//! [`PresenceType`]: crate::stanza::PresenceType
//! [`Children`]: crate::stanza::Children
//! [`with_state`]: crate::router::Router::with_state
//! [`Client`]: crate::client::Client

mod address;
mod arguments;
mod bounce;
mod header;
mod json;
mod json_message;
mod language;
mod localpart;
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

pub use campanile_derive::{FromRef, Payload};

pub use self::address::{Recipient, Sender};
pub use self::arguments::Args;
pub(crate) use self::arguments::{ArgumentError, CommandArguments};
pub use self::header::{Id, Lang};
pub use self::json::Json;
pub(crate) use self::json_message::NS as JSON_MESSAGE;
pub use self::json_message::{Datatype, JsonMessage};
pub use self::language::Localized;
pub use self::localpart::{Localpart, Parsed};
pub use self::payload::{Delay, Payload, Payloads};
pub(crate) use self::placeholder::{AddressPlaceholders, PlaceholderError, Placeholders};
pub use self::presence::{Priority, Show, StatusText};
pub use self::rejection::Rejection;
pub use self::route_info::RouteInfo;
pub use self::state::{Extension, FromRef, State};
pub(crate) use self::text::body;
pub use self::text::{Bodies, Body, Subject, Subjects, Thread};
pub use self::whole::{Message, Presence, StanzaRef};
use crate::error::{BoxError, Condition, StanzaError};
use crate::inbound::Inbound;

/// A type that can be extracted from a stanza, given the state `S`.
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
    message = "`{Self}` cannot be extracted from a stanza",
    label = "a handler has this argument",
    note = "arguments implement `FromInbound<S>`: `Sender`, `Payload<P>`, `Json<T>`, `Body`, \
        `State<T>`, `Client`, ...",
    note = "for `State<T>` the router's state must be a `T`, or `T` must implement `FromRef` of it"
)]
pub trait FromInbound<S>: Sized + 'static {
    /// The error if extraction fails. If it contains a [`StanzaError`], that error is sent to the
    /// peer.
    type Rejection: Into<BoxError>;

    /// Extracts the value.
    ///
    /// # Errors
    /// Returns a rejection if the value is missing or invalid.
    fn from_inbound(inbound: &Inbound, state: &S) -> Result<Self, Self::Rejection>;

    /// Checks that extraction can succeed on this route, given its placeholders.
    ///
    /// It is called once at start-up, so that a handler that needs more placeholders than its route
    /// has is reported before the first stanza arrives. Wrapper extractors should delegate to the
    /// inner extractor.
    ///
    /// # Errors
    /// Returns a message for the developer that explains why extraction can never succeed on this
    /// route.
    #[doc(hidden)]
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

            #[allow(unused_variables, reason = "unused for the empty tuple")]
            fn from_inbound(inbound: &Inbound, state: &S) -> Result<Self, BoxError> {
                Ok(($($argument::from_inbound(inbound, state).map_err(Into::into)?,)*))
            }

            #[allow(unused_variables, reason = "unused for the empty tuple")]
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
    (A B C D E F G H I)
    (A B C D E F G H I J)
    (A B C D E F G H I J K)
    (A B C D E F G H I J K L)
    (A B C D E F G H I J K L M)
    (A B C D E F G H I J K L M N)
    (A B C D E F G H I J K L M N O)
    (A B C D E F G H I J K L M N O P)
}

/// Returns the rejection for a missing value.
fn missing(text: &str) -> Rejection {
    Rejection::missing(
        StanzaError::new(Condition::BadRequest)
            .with_text(text)
            .with_lang("en"),
    )
}
