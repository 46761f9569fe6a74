//! Figures of a module's own, for whoever shows them.

use super::Histogram;

/// One figure: what is counted or measured, and how much of it there is now.
///
/// Names and labels are those of Prometheus: a name ends in its unit, or in `_total` when it only
/// grows, and a label takes few values, none of which strangers choose.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Its name, such as `shelf_orders_total`.
    pub name: &'static str,
    /// What it means, for people.
    pub help: &'static str,
    /// Labels besides the component, each with its value.
    pub labels: Vec<(&'static str, &'static str)>,
    /// How much.
    pub value: MetricValue,
}

/// How much there is.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum MetricValue {
    /// What only grows.
    Counter(u64),
    /// What goes up and down.
    Gauge(f64),
    /// How long something took.
    Histogram(Histogram),
}

impl Metric {
    /// What only grows.
    #[must_use]
    pub const fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self {
            name,
            help,
            labels: Vec::new(),
            value: MetricValue::Counter(value),
        }
    }

    /// What goes up and down.
    #[must_use]
    pub const fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self {
            name,
            help,
            labels: Vec::new(),
            value: MetricValue::Gauge(value),
        }
    }

    /// How long something took.
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
