//! Tracing spans for stanzas.

use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;
use tracing::instrument::{Instrument, Instrumented};

use crate::inbound::Inbound;

/// Opens a debug span around each stanza, with its kind, sender, recipient and id.
///
/// At the default log level, no span is created and the cost is negligible. Errors are not logged
/// here: the dispatcher logs them for every component, with addresses and id.
#[derive(Debug, Clone, Copy, Default)]
pub struct TraceLayer;

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Trace<S> {
        Trace { inner }
    }
}

/// The service of [`TraceLayer`].
#[derive(Debug, Clone)]
#[doc(hidden)]
pub struct Trace<S> {
    inner: S,
}

impl<S: Service<Inbound>> Service<Inbound> for Trace<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Instrumented<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, inbound: Inbound) -> Self::Future {
        // The sender chooses the id freely. Debug formatting escapes line breaks and terminal
        // control characters.
        let span = tracing::debug_span!(
            "stanza",
            kind = %inbound.kind(),
            from = %inbound.sender(),
            to = %inbound.recipient(),
            id = inbound.stanza().id().map(tracing::field::debug),
        );
        let response = span.in_scope(|| self.inner.call(inbound));
        response.instrument(span)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Level, Metadata, Subscriber};

    use super::*;
    use crate::router::Router;
    use crate::test_util::call;

    /// Records the fields of each span.
    struct SpanRecorder(Level, Arc<Mutex<String>>);

    impl Visit for SpanRecorder {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            self.1
                .lock()
                .unwrap()
                .push_str(&format!("{field}={value:?} "));
        }
    }

    impl Subscriber for SpanRecorder {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            *metadata.level() <= self.0 && metadata.is_span()
        }

        fn new_span(&self, span: &Attributes<'_>) -> Id {
            span.record(&mut Self(self.0, Arc::clone(&self.1)));
            Id::from_u64(1)
        }

        fn record(&self, _span: &Id, _values: &Record<'_>) {}
        fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
        fn event(&self, _event: &Event<'_>) {}
        fn enter(&self, _span: &Id) {}
        fn exit(&self, _span: &Id) {}
    }

    fn spans(level: Level) -> String {
        let notes = Arc::new(Mutex::new(String::new()));
        let handler = || async {};
        let mut service = TraceLayer.layer(Router::new().message(handler));
        tracing::subscriber::with_default(SpanRecorder(level, Arc::clone(&notes)), || {
            call(
                &mut service,
                "<message id='a&#10;b'><body>hi</body></message>",
            )
            .unwrap();
        });
        notes.lock().unwrap().clone()
    }

    #[test]
    fn span_is_opened_only_at_debug_level() {
        let wanted =
            "kind=message normal from=alice@example.org/desk to=bot.localhost id=\"a\\nb\" ";
        assert_eq!(spans(Level::DEBUG), wanted);
        assert_eq!(spans(Level::INFO), "");
    }
}
