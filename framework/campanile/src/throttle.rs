//! Rate limit for repeated log lines.

use tokio::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(10);
const LINES: u32 = 10;

/// Allows ten lines in ten seconds, and then logs how many were suppressed.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    window: Option<Instant>,
    lines: u32,
    held_back: u64,
}

impl Throttle {
    /// Returns `true` if the next line may be logged.
    pub(crate) fn allow(&mut self) -> bool {
        let now = Instant::now();
        if self
            .window
            .is_none_or(|start| now.duration_since(start) >= WINDOW)
        {
            if self.held_back > 0 {
                tracing::warn!(lines = self.held_back, "suppressed repeated log lines");
            }
            *self = Self {
                window: Some(now),
                lines: 0,
                held_back: 0,
            };
        }
        if self.lines == LINES {
            self.held_back += 1;
            return false;
        }
        self.lines += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn throttle_allows_ten_lines_in_ten_seconds() {
        let mut throttle = Throttle::default();
        assert_eq!((0..30).filter(|_| throttle.allow()).count(), 10);
        tokio::time::advance(WINDOW).await;
        assert!(throttle.allow());
    }
}
