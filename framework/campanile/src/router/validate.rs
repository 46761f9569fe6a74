//! What a handler wants of its route, asked before any stanza comes.

use std::fmt;
use std::panic::Location;

use super::Filter;
use crate::extract::{FromInbound, RouteInfo};

/// What a handler wants of its route, and where it was registered.
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

    /// Whether the route has it. It has all its placeholders only when nothing can be put around it
    /// any more.
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

/// A handler asks for placeholders that its route does not have: it could never be called.
#[derive(Debug, Clone)]
pub struct RouteError {
    route: String,
    why: String,
    at: &'static Location<'static>,
}

impl RouteError {
    /// Where in the program the route is registered.
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
