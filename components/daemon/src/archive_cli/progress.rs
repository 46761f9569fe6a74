//! Progress bar with rate and remaining time, shown only on a terminal.

use std::fmt::Write;
use std::io::{IsTerminal, stderr};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// A progress bar on stderr; hidden unless stderr is a terminal.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Counts entries; without a total the remaining time is not shown.
    pub(super) fn counting(entries: Option<u64>) -> Self {
        Self::new(
            entries,
            "{human_pos} of {human_len} entries",
            "{human_pos} entries",
            "{rate}",
        )
    }

    /// Counts bytes; without a total the remaining time is not shown.
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
        // The templates above are valid; otherwise the bar would only look different.
        Self(
            ProgressStyle::with_template(&template)
                .map(|style| style.with_key("rate", whole_rate))
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

/// Writes a rate without the decimals of `{per_sec}`.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast of a float saturates, and a rate is not negative"
)]
fn whole_rate(state: &ProgressState, text: &mut dyn Write) {
    // Writing to a string does not fail.
    let _ = write!(text, "{}/s", HumanCount(state.per_sec() as u64));
}
