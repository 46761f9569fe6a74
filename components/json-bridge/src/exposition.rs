//! What a bridge has counted, as figures for operators.

use campanile::metrics::Metric;

use crate::metrics::BridgeMetrics;

const MESSAGES: (&str, &str) = (
    "campanile_webhook_messages_total",
    "Messages to webhooks by what became of them",
);

/// Everything that a bridge counts, and what waits in it.
#[allow(
    clippy::cast_precision_loss,
    reason = "no count of what waits in memory comes near 2^52"
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
            "Attempts that failed and are made again",
            metrics.failed,
        ),
        Metric::counter(
            "campanile_webhook_bad_answers_total",
            "Answers of webhooks that are no stanzas, or that the bot may not send",
            metrics.bad_answers,
        ),
        Metric::gauge(
            "campanile_webhook_waiting",
            "Messages that wait for webhooks",
            waiting as f64,
        ),
        Metric::gauge(
            "campanile_webhook_waiting_limit",
            "How many messages may wait for webhooks",
            most as f64,
        ),
        Metric::counter(
            "campanile_api_stanzas_total",
            "Stanzas accepted from callers of the HTTP side",
            metrics.accepted,
        ),
        Metric::counter(
            "campanile_broker_lost_answers_total",
            "Answers to requests of other bridges that the broker did not take",
            metrics.lost_answers,
        ),
    ]);
    figures
}
