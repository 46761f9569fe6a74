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

/// Returns the number before the first event of a new feed: the time in microseconds since 1970.
///
/// No feed adds a million events per second, so a later feed has higher numbers. They stay below
/// 2^53, which JSON readers in all languages can represent, until the year 2255.
pub(crate) fn first_event() -> i64 {
    now().saturating_mul(1000)
}
