//! Extraction of the placeholders in a recipient address.

use jid::{NodeRef, ResourceRef};

use super::RecipientPattern;
use super::recipient::LocalpartPattern;
use super::route::{Endpoint, Route};
use crate::extract::{AddressPlaceholders, Placeholders};
use crate::handler::ReplyFuture;
use crate::inbound::Inbound;

/// A route whose recipient pattern has named placeholders.
pub(super) struct Capture {
    route: Route,
    pattern: RecipientPattern,
}

impl Capture {
    /// Wraps the route, or returns it unchanged if the pattern has no named placeholder.
    pub(super) fn around(route: Route, pattern: &RecipientPattern) -> Route {
        if pattern.names.iter().all(|name| name.get().is_none()) {
            return route;
        }
        Route::from_endpoint(Self {
            route,
            pattern: pattern.clone(),
        })
    }

    fn texts(&self, inbound: &Inbound) -> Placeholders {
        let mut texts = Placeholders::default();
        let [local, resource] = &self.pattern.names;
        let to = inbound.recipient();
        let shape = &self.pattern.local;
        if let (Some(name), LocalpartPattern::Prefix(beginning), Some(localpart)) =
            (local.get(), shape, to.node())
        {
            let rest = NodeRef::as_str(localpart)
                .get(beginning.len()..)
                .unwrap_or_default();
            texts.push(name, Some(rest.to_owned()));
        }
        if let Some(name) = resource.get() {
            texts.push(
                name,
                to.resource()
                    .map(|resource| ResourceRef::as_str(resource).to_owned()),
            );
        }
        texts
    }
}

impl Endpoint for Capture {
    fn call(&self, mut inbound: Inbound) -> ReplyFuture {
        let texts = self.texts(&inbound);
        inbound.extensions_mut().insert(AddressPlaceholders(texts));
        self.route.handle(inbound)
    }
}
