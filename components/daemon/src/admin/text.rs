//! The text format of Prometheus (version 0.0.4).

use std::collections::BTreeMap;
use std::fmt::Write;

use campanile::layer::Histogram;
use campanile::metrics::{Metric, MetricValue};

/// Collects series by name: in the output, each name occurs once, followed by all of its series.
#[derive(Debug, Default)]
pub(super) struct Text {
    families: BTreeMap<&'static str, Family>,
}

#[derive(Debug)]
struct Family {
    kind: &'static str,
    help: &'static str,
    lines: String,
}

/// Labels of a series.
pub(super) type Labels<'l> = &'l [(&'static str, &'l str)];

impl Text {
    pub(super) fn counter(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: Labels<'_>,
        value: u64,
    ) {
        self.line("counter", name, help, labels, value);
    }

    pub(super) fn gauge(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: Labels<'_>,
        value: f64,
    ) {
        self.line("gauge", name, help, labels, value);
    }

    /// Adds a counter of seconds, which has fractions.
    pub(super) fn seconds_spent(&mut self, name: &'static str, help: &'static str, seconds: f64) {
        self.line("counter", name, help, &[], seconds);
    }

    /// Adds a gauge for a length or a limit.
    #[allow(
        clippy::cast_precision_loss,
        reason = "lengths and limits are far below 2^52"
    )]
    pub(super) fn size(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: Labels<'_>,
        value: usize,
    ) {
        self.gauge(name, help, labels, value as f64);
    }

    pub(super) fn seconds(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: Labels<'_>,
        value: &Histogram,
    ) {
        let lines = self.family("histogram", name, help);
        for (bound, count) in value.cumulative() {
            let bound = bound.map_or_else(
                || "+Inf".to_owned(),
                |bound| bound.as_secs_f64().to_string(),
            );
            let mut labels = labels.to_vec();
            labels.push(("le", &bound));
            write(lines, name, "_bucket", &labels, count);
        }
        write(lines, name, "_sum", labels, value.sum().as_secs_f64());
        write(lines, name, "_count", labels, value.count());
    }

    /// Adds a metric of a module.
    pub(super) fn metric(&mut self, component: &str, metric: &Metric) {
        let mut labels = vec![("component", component)];
        labels.extend(metric.labels.iter().copied());
        match &metric.value {
            MetricValue::Counter(value) => self.counter(metric.name, metric.help, &labels, *value),
            MetricValue::Gauge(value) => self.gauge(metric.name, metric.help, &labels, *value),
            MetricValue::Histogram(value) => self.seconds(metric.name, metric.help, &labels, value),
            // The enum is non-exhaustive.
            _ => {}
        }
    }

    pub(super) fn finish(self) -> String {
        let mut text = String::new();
        for (name, Family { kind, help, lines }) in self.families {
            // Writing to a string does not fail.
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{lines}");
        }
        text
    }

    fn line(
        &mut self,
        kind: &'static str,
        name: &'static str,
        help: &'static str,
        labels: Labels<'_>,
        value: impl std::fmt::Display,
    ) {
        write(self.family(kind, name, help), name, "", labels, value);
    }

    fn family(
        &mut self,
        kind: &'static str,
        name: &'static str,
        help: &'static str,
    ) -> &mut String {
        &mut self
            .families
            .entry(name)
            .or_insert(Family {
                kind,
                help,
                lines: String::new(),
            })
            .lines
    }
}

fn write(
    lines: &mut String,
    name: &str,
    suffix: &str,
    labels: Labels<'_>,
    value: impl std::fmt::Display,
) {
    lines.push_str(name);
    lines.push_str(suffix);
    for (index, (label, value)) in labels.iter().enumerate() {
        lines.push(if index == 0 { '{' } else { ',' });
        lines.push_str(label);
        lines.push_str("=\"");
        for c in value.chars() {
            match c {
                '\\' => lines.push_str("\\\\"),
                '"' => lines.push_str("\\\""),
                '\n' => lines.push_str("\\n"),
                c => lines.push(c),
            }
        }
        lines.push('"');
    }
    // Writing to a string does not fail.
    let _ = writeln!(
        lines,
        "{} {value}",
        if labels.is_empty() { "" } else { "}" }
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_grouped_by_name_and_label_values_are_escaped() {
        let mut text = Text::default();
        text.counter("b_total", "B", &[("component", "x")], 1);
        text.gauge("a", "A", &[], 0.5);
        text.counter(
            "b_total",
            "B",
            &[("component", "a\"b\\c\nd"), ("k", "v")],
            2,
        );
        let expected = "# HELP a A\n# TYPE a gauge\na 0.5\n# HELP b_total B\n# TYPE b_total \
            counter\n\
            b_total{component=\"x\"} 1\nb_total{component=\"a\\\"b\\\\c\\nd\",k=\"v\"} 2\n";
        assert_eq!(text.finish(), expected);
    }

    #[test]
    fn histogram_has_cumulative_buckets() {
        let buckets = campanile::metrics::AtomicHistogram::default();
        buckets.record(std::time::Duration::from_millis(2));
        let mut text = Text::default();
        text.seconds("t_seconds", "T", &[("component", "x")], &buckets.snapshot());
        let text = text.finish();
        for line in [
            "t_seconds_bucket{component=\"x\",le=\"0.001\"} 0\n",
            "t_seconds_bucket{component=\"x\",le=\"0.0025\"} 1\n",
            "t_seconds_bucket{component=\"x\",le=\"+Inf\"} 1\n",
            "t_seconds_sum{component=\"x\"} 0.002\n",
            "t_seconds_count{component=\"x\"} 1\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }
}
