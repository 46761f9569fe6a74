//! Start-up validation: does each route provide the placeholders that its handler extracts?

use std::fmt;
use std::panic::Location;

use super::Filter;
use crate::extract::{FromInbound, RouteInfo};

/// The placeholders that a handler needs, and the place where it was registered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Requirements {
    validate: fn(&RouteInfo) -> Result<(), String>,
    at: &'static Location<'static>,
}

impl Requirements {
    #[track_caller]
    pub(super) fn of<A: FromInbound<S>, S>() -> Self {
        Self {
            validate: A::validate,
            at: Location::caller(),
        }
    }

    /// Checks the route against the handler. `complete` is `false` while `at` may still add
    /// placeholders.
    pub(super) fn validate(&self, filter: &Filter, complete: bool) -> Result<(), RouteError> {
        let facts = RouteInfo {
            address: complete.then(|| filter.recipient.placeholders()),
            command: filter
                .command
                .as_ref()
                .map(super::ChatCommand::placeholders),
        };
        (self.validate)(&facts).map_err(|why| RouteError {
            route: filter.to_string(),
            why,
            at: self.at,
        })
    }
}

/// A route does not provide the placeholders that its handler extracts, so the handler can never be
/// called.
#[derive(Debug, Clone)]
pub struct RouteError {
    route: String,
    why: String,
    at: &'static Location<'static>,
}

impl RouteError {
    /// Returns the source location at which the route is registered.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.at
    }
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the handler of the route \"{}\" can never be called: {}",
            self.route, self.why
        )
    }
}

impl std::error::Error for RouteError {}
