//! Metrics of modules.

use super::Histogram;

/// A metric with its current value.
///
/// Names and labels follow the conventions of Prometheus: a name ends in its unit, or in `_total`
/// if it is a counter. A label must take few values, none of them chosen by remote users.
///
/// ```
/// use campanile::metrics::Metric;
///
/// let orders = Metric::counter("shelf_orders_total", "Orders by outcome", 17)
///     .with("outcome", "shipped");
/// assert_eq!(orders.labels, [("outcome", "shipped")]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// The name, such as `shelf_orders_total`.
    pub name: &'static str,
    /// The description shown to people.
    pub help: &'static str,
    /// Labels and their values, in addition to the component.
    pub labels: Vec<(&'static str, &'static str)>,
    /// The current value.
    pub value: MetricValue,
}

/// The value of a [`Metric`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum MetricValue {
    /// A monotonic counter.
    Counter(u64),
    /// A value that goes up and down.
    Gauge(f64),
    /// A histogram of durations, in seconds.
    Histogram(Histogram),
}

impl Metric {
    /// Creates a counter.
    #[must_use]
    pub const fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self {
            name,
            help,
            labels: Vec::new(),
            value: MetricValue::Counter(value),
        }
    }

    /// Creates a gauge.
    #[must_use]
    pub const fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self {
            name,
            help,
            labels: Vec::new(),
            value: MetricValue::Gauge(value),
        }
    }

    /// Creates a histogram of durations, in seconds.
    #[must_use]
    pub const fn histogram(name: &'static str, help: &'static str, value: Histogram) -> Self {
        Self {
            name,
            help,
            labels: Vec::new(),
            value: MetricValue::Histogram(value),
        }
    }

    /// Adds a label.
    #[must_use]
    pub fn with(mut self, label: &'static str, value: &'static str) -> Self {
        self.labels.push((label, value));
        self
    }
}
