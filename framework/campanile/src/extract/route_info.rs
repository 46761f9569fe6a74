//! Information about a route that is known at start-up.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::Placeholders;

/// The placeholders of a route: those of its recipient pattern and of its chat command.
///
/// See [`FromInbound::validate`](super::FromInbound::validate).
#[derive(Debug, Clone, Default)]
#[doc(hidden)]
pub struct RouteInfo {
    /// `None` while `Router::at` may still add placeholders.
    pub(crate) address: Option<Vec<Arc<str>>>,
    /// `None` if the route has no chat command.
    pub(crate) command: Option<Vec<Arc<str>>>,
}

impl RouteInfo {
    /// Checks that a `T` can be deserialized from the placeholders of the recipient pattern.
    pub(super) fn validate_address<T: DeserializeOwned>(&self) -> Result<(), String> {
        match self.address.as_deref() {
            None => Ok(()),
            Some([]) => Err("the route's recipient pattern has no placeholder".to_owned()),
            Some(names) => Placeholders::validate::<T>(names),
        }
    }

    /// Checks that a `T` can be deserialized from the arguments of the chat command.
    pub(super) fn validate_command<T: DeserializeOwned>(&self) -> Result<(), String> {
        match self.command.as_deref() {
            None => Err("the route has no chat command".to_owned()),
            Some(names) => Placeholders::validate::<T>(names),
        }
    }
}
