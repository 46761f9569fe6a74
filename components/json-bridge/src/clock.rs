//! The system clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Returns the time in milliseconds since 1970, or 0 if the clock is set to an earlier time.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Returns the time that has passed since `then`, in milliseconds since 1970; zero for the future.
pub(crate) fn age(then: i64) -> Duration {
    Duration::from_millis(u64::try_from(now().saturating_sub(then)).unwrap_or(0))
}
