//! What a handler wants of its route, asked before any stanza comes.

use std::fmt;
use std::panic::Location;

use super::Filter;
use crate::extract::{FromInbound, RouteFacts};

/// What a handler wants of its route, and where it was registered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wants {
    fits: fn(&RouteFacts) -> Result<(), String>,
    at: &'static Location<'static>,
}

impl Wants {
    #[track_caller]
    pub(super) fn of<A: FromInbound<S>, S>() -> Self {
        Self {
            fits: A::fits,
            at: Location::caller(),
        }
    }

    /// Whether the route has it. It has all its placeholders only when nothing can be put around it
    /// any more.
    pub(super) fn check(&self, filter: &Filter, complete: bool) -> Result<(), Unfit> {
        let facts = RouteFacts {
            address: complete.then(|| filter.recipient.placeholders()),
            command: filter
                .command
                .as_ref()
                .map(super::TextCommand::placeholders),
        };
        (self.fits)(&facts).map_err(|why| Unfit {
            route: filter.to_string(),
            why,
            at: self.at,
        })
    }
}

/// A handler asks for placeholders that its route does not have: it could never be called.
#[derive(Debug, Clone)]
pub struct Unfit {
    route: String,
    why: String,
    at: &'static Location<'static>,
}

impl Unfit {
    /// Where in the program the route is registered.
    #[must_use]
    pub fn place(&self) -> &'static Location<'static> {
        self.at
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the handler of the route \"{}\" can never be called: {}",
            self.route, self.why
        )
    }
}

impl std::error::Error for Unfit {}
