//! The extractor for the arguments of a chat command.

use std::fmt;

use serde::de::DeserializeOwned;

use super::{FromInbound, PlaceholderError, Placeholders, RouteInfo};
use crate::error::BoxError;
use crate::inbound::Inbound;

/// The arguments of a [`ChatCommand`](crate::router::ChatCommand), or the reason why they cannot be
/// parsed.
#[derive(Debug)]
pub(crate) struct CommandArguments(pub(crate) Result<Placeholders, ArgumentError>);

/// The arguments of a command are missing or invalid. The text is sent to the user.
#[derive(Debug, Clone)]
pub(crate) struct ArgumentError(pub(crate) String);

/// The arguments of a chat command, as one value, as a tuple in the order of the placeholders, or
/// as a struct with fields of the same names.
///
/// Use `Option` for an optional placeholder, and an enum without fields for a choice of words. If
/// an argument is missing or invalid, the router replies with the usage of the command and does not
/// call the handler. A handler that needs more placeholders than the command has is rejected at
/// registration.
///
/// ```
/// use campanile::extract::Args;
/// use campanile::router::Router;
///
/// async fn weather(Args((city, days)): Args<(String, Option<u8>)>) -> String {
///     format!("{city} for {} days: rain", days.unwrap_or(1))
/// }
///
/// let router: Router = Router::new()
///     .chat_command(("!weather {city} {days?}", "The weather in a city"), weather);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Args<T>(pub T);

impl<S, T: DeserializeOwned + 'static> FromInbound<S> for Args<T> {
    type Rejection = BoxError;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, BoxError> {
        // A programming error, which is not disclosed to the peer.
        let Some(CommandArguments(arguments)) = inbound.extensions().get() else {
            return Err("the route has no chat command".into());
        };
        let texts = arguments.as_ref().map_err(Clone::clone)?;
        texts.to().map(Self).map_err(|error| match error {
            PlaceholderError::Text { .. } => ArgumentError(error.to_string()).into(),
            PlaceholderError::Shape(_) => error.into(),
        })
    }

    fn validate(route: &RouteInfo) -> Result<(), String> {
        route.validate_command::<T>()
    }
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ArgumentError {}
