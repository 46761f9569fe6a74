//! How far something is: rate and time left, on a terminal and nowhere else.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar on stderr, or nothing at all.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Over so many entries; of an unknown number without the time left.
    pub(super) fn counting(entries: Option<u64>) -> Self {
        Self::new(
            entries,
            "{human_pos} of {human_len} entries",
            "{human_pos} entries",
            "{per_sec}",
        )
    }

    /// Over so many bytes.
    pub(super) fn bytes(bytes: Option<u64>) -> Self {
        Self::new(
            bytes,
            "{bytes} of {total_bytes}",
            "{bytes}",
            "{bytes_per_sec}",
        )
    }

    fn new(length: Option<u64>, of: &str, so_far: &str, rate: &str) -> Self {
        if !stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let (bar, template) = match length {
            Some(length) => (
                ProgressBar::new(length),
                format!("{{bar:30}} {of}, {rate}, {{eta}} left"),
            ),
            None => (
                ProgressBar::no_length(),
                format!("{{spinner}} {so_far}, {rate}"),
            ),
        };
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
        // The templates above are sound; a bar in another style is no harm.
        Self(
            ProgressStyle::with_template(&template)
                .map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style)),
        )
    }

    pub(super) fn advance(&self, by: u64) {
        self.0.inc(by);
    }

    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
