//! Received stanzas: round trips of pings, responses to requests, and stanzas for the handlers.

use std::ops::ControlFlow;
use std::task::Context;

use tower_service::Service;

use super::{Ended, Link, Phase, Route};
use crate::address::is_same;
use crate::client::Offered;
use crate::connection::keepalive::PingEvent;
use crate::dispatch::ReplySink;
use crate::error::{BoxError, Condition, LinkError, StanzaError};
use crate::handler::ReplyFuture;
use crate::inbound::Inbound;
use crate::reply::{self, Reply};
use crate::stanza::{Kind, Stanza};

impl<S> Link<'_, S>
where
    S: Service<Inbound, Response = Reply, Error = BoxError, Future = ReplyFuture>,
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
        if !is_addressed(&stanza, shared.domain.domain().as_str()) {
            self.stray(&stanza);
            return Ok(());
        }
        if (stanza.raw_from().is_some() || stanza.raw_to().is_some())
            && self.raw_address(&stanza).is_break()
        {
            return Ok(());
        }
        self.parts.keepalive.heard(self.now);
        let Some(stanza) = self.uncollected(stanza) else {
            return Ok(());
        };
        if !stanza.kind().is_request()
            && let Some(observer) = self.parts.client.shared().observer.get()
            && !observer.observe(&stanza)
        {
            return Ok(());
        }
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
        if response.raw_from().is_some() {
            // No request was sent to it, and its bare JID must not stand for it.
            counters.unsolicited.inc();
            return;
        }
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
        let collectable = matches!(stanza.kind(), Kind::Message(_)) && stanza.raw_from().is_none();
        if !collectable || !pending.is_collecting() {
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
            let from = stanza.from_text();
            let to = stanza.to_text();
            let jid = self.parts.client.domain();
            if stanza.to_domain().is_some() && stanza.from_domain().is_some() {
                tracing::warn!(%jid, ?from, ?to, "stanza for another domain ignored; further ones \
                    are ignored silently; on ejabberd, set `global_routes: false` on the listener");
            } else {
                tracing::warn!(%jid, ?from, ?to, "stanza without a usable sender or recipient \
                    ignored; further ones are ignored silently");
            }
        }
        self.parts.counters.stray.inc();
    }

    /// Counts and logs a stanza with an address that is not a valid JID. If not even its bare JID
    /// is one, no handler can take it, so it is answered here.
    #[cold]
    fn raw_address(&mut self, stanza: &Stanza) -> ControlFlow<()> {
        self.parts.counters.raw_addresses.inc();
        let handled = stanza.from().is_some() && stanza.to().is_some();
        if self.address_log.allow() {
            tracing::warn!(
                jid = %self.parts.client.domain(), from = ?stanza.from_text(),
                to = ?stanza.to_text(), kind = %stanza.kind(), handled,
                "address has characters newer than Unicode 3.2, which are not supported; replies \
                go to it as received",
            );
        }
        if handled {
            return ControlFlow::Continue(());
        }
        if stanza.kind().is_request() || reply::should_bounce(stanza) {
            let error = StanzaError::new(Condition::JidMalformed);
            self.write_error(stanza, &error);
        }
        ControlFlow::Break(())
    }

    /// Writes an error for a stanza that reaches no handler.
    pub(super) fn write_error(&mut self, stanza: &Stanza, error: &StanzaError) {
        let refusal = reply::error_reply(stanza, error);
        let shared = self.parts.client.shared();
        let outbox = &mut *self.parts.outbox;
        if let Err(error) = outbox.write_reply(shared, refusal, stanza, outbox.now()) {
            tracing::debug!(%error, "error reply could not be serialized");
        }
    }
}

/// Returns `true` if the stanza has a sender, and a recipient in this domain.
pub(super) fn is_addressed(stanza: &Stanza, domain: &str) -> bool {
    stanza.from_text().is_some() && stanza.to_domain().is_some_and(|to| is_same(&to, domain))
}
