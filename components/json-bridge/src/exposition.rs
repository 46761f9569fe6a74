//! The metrics of a bridge as exported to Prometheus.

use campanile::metrics::Metric;

use crate::metrics::BridgeMetrics;

const MESSAGES: (&str, &str) = (
    "campanile_webhook_messages_total",
    "Messages to webhooks by outcome",
);

/// Returns all counters of a bridge, with the number of waiting messages and its limit as gauges.
#[allow(
    clippy::cast_precision_loss,
    reason = "the number of messages in memory is far below 2^52"
)]
pub(crate) fn collect(metrics: &BridgeMetrics, waiting: usize, most: usize) -> Vec<Metric> {
    let outcomes = [
        ("delivered", metrics.delivered),
        ("refused", metrics.refused),
        ("dead", metrics.dead),
        ("turned_away", metrics.turned_away),
    ];
    let messages = outcomes.map(|(outcome, count)| {
        Metric::counter(MESSAGES.0, MESSAGES.1, count).with("outcome", outcome)
    });
    let mut figures = messages.to_vec();
    figures.extend([
        Metric::counter(
            "campanile_webhook_retries_total",
            "Delivery attempts that failed and are retried",
            metrics.failed,
        ),
        Metric::counter(
            "campanile_webhook_bad_answers_total",
            "Webhook responses that are not valid stanzas, or that the bot may not send",
            metrics.bad_answers,
        ),
        Metric::counter(
            "campanile_webhook_dropped_answers_total",
            "Webhook responses to errors, own messages and room history, which get no reply",
            metrics.dropped_answers,
        ),
        Metric::gauge(
            "campanile_webhook_waiting",
            "Messages waiting for webhooks or being delivered",
            waiting as f64,
        ),
        Metric::gauge(
            "campanile_webhook_waiting_limit",
            "Limit on the number of waiting messages (max_waiting)",
            most as f64,
        ),
        Metric::counter(
            "campanile_api_stanzas_total",
            "Stanzas accepted from clients of the HTTP API",
            metrics.accepted,
        ),
        Metric::counter(
            "campanile_broker_lost_answers_total",
            "IQ responses for other bridges that could not be forwarded through the broker",
            metrics.lost_answers,
        ),
        Metric::counter(
            "campanile_bridge_panics_total",
            "Panics of background tasks of the bridge, which were restarted",
            metrics.panics,
        ),
    ]);
    figures
}
