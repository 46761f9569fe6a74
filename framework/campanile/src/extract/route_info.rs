//! What is known of a route before any stanza comes.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::Placeholders;

/// What is known of a route before any stanza comes: the placeholders of its recipient's pattern
/// and of its text command.
///
/// See [`FromInbound::validate`](super::FromInbound::validate).
#[derive(Debug, Clone, Default)]
pub struct RouteInfo {
    /// `None` while the route may still be put below another address.
    pub(crate) address: Option<Vec<Arc<str>>>,
    /// `None` when it is for no text command.
    pub(crate) command: Option<Vec<Arc<str>>>,
}

impl RouteInfo {
    /// Whether a `T` can stand for the placeholders of the recipient's pattern.
    pub(super) fn validate_address<T: DeserializeOwned>(&self) -> Result<(), String> {
        match self.address.as_deref() {
            None => Ok(()),
            Some([]) => Err("the route's recipient pattern has no placeholder".to_owned()),
            Some(names) => Placeholders::validate::<T>(names),
        }
    }

    /// Whether a `T` can stand for the placeholders of the text command.
    pub(super) fn validate_command<T: DeserializeOwned>(&self) -> Result<(), String> {
        match self.command.as_deref() {
            None => Err("the route is for no text command".to_owned()),
            Some(names) => Placeholders::validate::<T>(names),
        }
    }
}
