//! What somebody wrote behind a command.

use std::fmt;

use serde::de::DeserializeOwned;

use super::{FromInbound, PlaceholderError, Placeholders, RouteInfo};
use crate::error::BoxError;
use crate::inbound::Inbound;

/// What stands for the placeholders of the [`ChatCommand`](crate::router::ChatCommand), or why
/// something does not.
#[derive(Debug)]
pub(crate) struct CommandArguments(pub(crate) Result<Placeholders, ArgumentError>);

/// A command was written wrongly: why, for people.
#[derive(Debug, Clone)]
pub(crate) struct ArgumentError(pub(crate) String);

/// What stands for the placeholders of a text command: one value, a tuple in their order, or a
/// struct with fields of their names.
///
/// What may be left out is an `Option`; an enum without fields is a choice of words. What does not
/// fit is answered by the router with how the command is written; the handler is not called. A
/// handler that asks for more than the command has is refused at its registration.
///
/// ```
/// use campanile::extract::Args;
/// use campanile::router::Router;
///
/// async fn weather(Args((city, days)): Args<(String, Option<u8>)>) -> String {
///     format!("{city} for {} days: rain", days.unwrap_or(1))
/// }
///
/// let router: Router = Router::new().chat_command(("!weather {city} {days?}", "The weather in a city"), weather);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Args<T>(pub T);

impl<S, T: DeserializeOwned + 'static> FromInbound<S> for Args<T> {
    type Rejection = BoxError;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, BoxError> {
        // A fault of ours, which the peer does not learn of.
        let Some(CommandArguments(arguments)) = inbound.extensions().get() else {
            return Err("the route is for no text command".into());
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
