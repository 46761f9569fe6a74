//! The way of stanzas through the outbound layers.

use std::task::Context;

use jid::Jid;
use tokio::time::Instant;

use super::Outbox;
use crate::client::{Completion, Shared};
use crate::connection::outbound_layers::{InFlight, LayerResult, Panicked};
use crate::dispatch::ReplySink;
use crate::error::{BoxError, StanzaError, too_large_by_peer};
use crate::metrics::Registry;
use crate::reply;
use crate::stanza::Stanza;

impl Outbox {
    /// Adds a reply that has to pass the outbound layers.
    pub(super) fn push_to_layers(
        &mut self,
        stanza: Stanza,
        bytes: Vec<u8>,
        request: &Stanza,
        since: Instant,
    ) {
        let Some(layers) = &mut self.layers else {
            return self.add(bytes, Completion::Answer, since);
        };
        let owed = stanza.kind().is_response() || reply::should_bounce(request);
        let request = owed.then(|| Box::new(request.clone_header()));
        layers.push(InFlight {
            stanza,
            completion: Completion::Answer,
            since,
            request,
            weight: bytes.len(),
        });
    }

    /// Polls the outbound layers. Returns `true` if there is more to do at once.
    ///
    /// # Errors
    /// If the layers will never be ready again.
    pub(crate) fn pass(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared,
        counters: &Registry,
    ) -> Result<bool, BoxError> {
        let Some(mut layers) = self.layers.take() else {
            return Ok(false);
        };
        // While the layers are taken out, the error sent in place of a rejected reply bypasses
        // them.
        let more = layers.poll(cx, &shared.pending, |passed| {
            self.passed(passed, shared, counters);
        });
        self.layers = Some(layers);
        more
    }

    fn passed(&mut self, passed: LayerResult, shared: &Shared, counters: &Registry) {
        let LayerResult { result, in_flight } = passed;
        match result {
            Ok(bytes) if bytes.is_empty() => in_flight.completion.done(),
            Ok(bytes) => self.add(bytes, in_flight.completion, in_flight.since),
            Err(error) => self.refused(in_flight, error, shared, counters),
        }
    }

    /// Handles a stanza that a layer rejected. The sender of an IQ request or message gets an error
    /// reply all the same.
    fn refused(
        &mut self,
        in_flight: InFlight,
        error: BoxError,
        shared: &Shared,
        counters: &Registry,
    ) {
        if error.is::<Panicked>() {
            counters.panics.inc();
        }
        if !matches!(in_flight.completion, Completion::Answer) {
            return in_flight.completion.refuse(error, &shared.pending);
        }
        let error = match too_large_by_peer(in_flight.weight, &*error) {
            Some(error) => {
                counters.oversize.inc();
                error
            }
            None => self.rejected(&in_flight.stanza, &error, counters),
        };
        if let Some(request) = in_flight.request {
            let refusal = reply::error_reply(&request, &error);
            // Conditions and addresses that were received can always be written.
            let _ = self.write_reply(shared, refusal, &request, self.now);
        }
    }
    /// Counts and logs a reply that a layer rejected, and returns the error to send in its place.
    fn rejected(&mut self, reply: &Stanza, error: &BoxError, counters: &Registry) -> StanzaError {
        counters.unwritable.inc();
        if self.log.allow() {
            let to = reply.to().map(Jid::as_str);
            let id = reply.id();
            let why = crate::error::chain(error);
            tracing::error!(?to, ?id, ?why, "outbound layer rejected a reply");
        }
        crate::error::classify(error).error
    }
}
