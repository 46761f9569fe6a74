//! Aggregates the runs of one peer in one scenario and window.

use crate::sample::Sample;

#[derive(Debug)]
pub(super) struct Cell<'a> {
    samples: Vec<&'a Sample>,
}

impl<'a> Cell<'a> {
    /// Returns the runs, or `None` if there are none.
    pub(super) fn find(
        samples: &'a [Sample],
        peer: &str,
        scenario: &str,
        window: u32,
    ) -> Option<Self> {
        let fits = |s: &&Sample| s.peer == peer && s.scenario == scenario && s.window == window;
        let samples: Vec<_> = samples.iter().filter(fits).collect();
        (!samples.is_empty()).then_some(Self { samples })
    }

    pub(super) fn median(&self, value: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(|sample| value(sample)))
    }

    pub(super) fn highest(&self, value: impl Fn(&Sample) -> f64) -> f64 {
        self.samples
            .iter()
            .map(|sample| value(sample))
            .fold(f64::MIN, f64::max)
    }

    /// Formats the median with the range: median (lowest–highest).
    pub(super) fn spread(&self, value: impl Fn(&Sample) -> f64, show: fn(f64) -> String) -> String {
        let lowest = self
            .samples
            .iter()
            .map(|sample| value(sample))
            .fold(f64::MAX, f64::min);
        let middle = show(self.median(&value));
        if self.samples.len() == 1 {
            return middle;
        }
        format!("{middle} ({}–{})", show(lowest), show(self.highest(&value)))
    }

    pub(super) fn samples(&self) -> &[&'a Sample] {
        &self.samples
    }
}

pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// Formats 1234567 as 1,234,567.
pub(super) fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut shown = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Formats with three significant digits: 612345 as 612,000.
pub(super) fn rounded(value: f64) -> String {
    let unit = 10f64.powi((value.max(1.0).log10().floor() as i32 - 2).max(0));
    thousands((value / unit).round() * unit)
}

/// Formats with two decimals below 10, otherwise one.
pub(super) fn small(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_formatted() {
        assert_eq!(thousands(1_234_567.4), "1,234,567");
        assert_eq!(thousands(999.0), "999");
        assert_eq!(
            [612_345.0, 999_999.0, 5_432.1, 12.0].map(rounded),
            ["612,000", "1,000,000", "5,430", "12"]
        );
        assert_eq!(
            (small(1.234), small(12.34)),
            ("1.23".to_owned(), "12.3".to_owned())
        );
        assert!((median([3.0, 1.0, 2.0].into_iter()) - 2.0).abs() < 1e-9);
        assert!((median([4.0, 1.0, 2.0, 3.0].into_iter()) - 2.5).abs() < 1e-9);
    }
}
