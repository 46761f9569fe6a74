//! Received stanzas: round trips of pings, responses to requests, and stanzas for the handlers.

use std::task::Context;

use tower_service::Service;

use super::{Ended, Link, Phase, Route};
use crate::client::Offered;
use crate::connection::keepalive::PingEvent;
use crate::error::{BoxError, LinkError};
use crate::inbound::Inbound;
use crate::reply::Reply;
use crate::stanza::{Kind, Stanza};

impl<S> Link<'_, S>
where
    S: Service<Inbound, Response = Reply>,
    S::Error: Into<BoxError>,
    S::Future: Unpin + Send + 'static,
{
    pub(super) fn stanza(&mut self, cx: &mut Context<'_>, stanza: Stanza) -> Result<(), Ended> {
        let shared = self.parts.client.shared();
        let ping_event = self.parts.keepalive.observe(&stanza, shared, self.now);
        if let PingEvent::RoundTrip { position } = ping_event {
            self.parts.outbox.confirm(position, self.parts.counters);
        }
        if matches!(self.phase, Phase::Closing(_)) && !stanza.kind().is_response() {
            if ping_event == PingEvent::Unrelated {
                self.count_late(stanza.kind().name());
            }
            return Ok(());
        }
        match ping_event {
            PingEvent::Unrelated => {}
            PingEvent::RoundTrip { .. } => {
                self.parts.counters.round_trips.inc();
                (self.parts.route)(Route::Live);
                return Ok(());
            }
            PingEvent::Failure => return Err(Ended::Lost(LinkError::NoRoute)),
            PingEvent::Peer => {
                tracing::warn!(jid = %shared.domain, "another process is connected with this JID; \
                    the server distributes stanzas among them");
                return Ok(());
            }
        }
        if stanza.kind().is_response() {
            self.accept_response(stanza);
            return Ok(());
        }
        if stanza.from().is_none()
            || stanza
                .to()
                .is_none_or(|to| to.domain() != shared.domain.domain())
        {
            self.stray(&stanza);
            return Ok(());
        }
        self.parts.keepalive.heard(self.now);
        let Some(stanza) = self.uncollected(stanza) else {
            return Ok(());
        };
        self.parts
            .dispatch
            .offer(cx, stanza, self.parts.outbox)
            .map_err(Ended::Service)
    }
}

impl<S> Link<'_, S> {
    /// Passes a response to the pending request, here or in another process on the same JID.
    fn accept_response(&self, response: Stanza) {
        let shared = self.parts.client.shared();
        let counters = self.parts.counters;
        let is_own = response.id().is_some_and(|id| shared.ids.is_own(id));
        let response = if is_own {
            Some(response)
        } else {
            shared.instances.forward(response)
        };
        let Some(response) = response else {
            counters.forwarded.inc();
            return;
        };
        if !shared.pending.resolve(response) {
            counters.unsolicited.inc();
        }
    }

    /// Passes a message to the request that collects it; returns any other stanza.
    fn uncollected(&self, stanza: Stanza) -> Option<Stanza> {
        let pending = &self.parts.client.shared().pending;
        if !matches!(stanza.kind(), Kind::Message(_)) || !pending.is_collecting() {
            return Some(stanza);
        }
        match pending.offer(stanza) {
            Offered::Unwanted(stanza) => return Some(stanza),
            Offered::Collected => {}
            Offered::TooMany => self.parts.counters.uncollected.inc(),
        }
        None
    }

    /// Counts a stanza that this component must not answer: with ejabberd's `global_routes`, one
    /// connection gets the stanzas of all domains.
    fn stray(&self, stanza: &Stanza) {
        if self.parts.counters.stray.get() == 0 {
            let from = stanza.from().map(jid::Jid::as_str);
            let to = stanza.to().map(jid::Jid::as_str);
            tracing::warn!(
                jid = %self.parts.client.domain(), ?from, ?to,
                "stanza for another domain or without a usable sender ignored; further ones are \
                ignored silently; on ejabberd, set `global_routes: false` on the listener",
            );
        }
        self.parts.counters.stray.inc();
    }
}
