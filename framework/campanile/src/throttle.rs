//! A log line that repeats must not fill the disk.

use tokio::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(10);
const LINES: u32 = 10;

/// Lets ten lines through in ten seconds, and says afterwards how many it held back.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    window: Option<Instant>,
    lines: u32,
    held_back: u64,
}

impl Throttle {
    /// Whether the next line may be written.
    pub(crate) fn allow(&mut self) -> bool {
        let now = Instant::now();
        if self
            .window
            .is_none_or(|start| now.duration_since(start) >= WINDOW)
        {
            if self.held_back > 0 {
                tracing::warn!(
                    lines = self.held_back,
                    "similar lines were left out of the log"
                );
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
    async fn ten_lines_in_ten_seconds() {
        let mut throttle = Throttle::default();
        assert_eq!((0..30).filter(|_| throttle.allow()).count(), 10);
        tokio::time::advance(WINDOW).await;
        assert!(throttle.allow());
    }
}
