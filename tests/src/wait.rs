//! Polling for a condition, with a deadline.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// Time limit for most operations on a busy machine with two cores.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// Interval between polls.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Polls until `probe` returns a value.
///
/// # Errors
/// Returns a description of the condition if it was not met in time.
pub async fn until<T>(
    what: &str,
    within: Duration,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> Result<T, String> {
    let end = Instant::now() + within;
    loop {
        if let Some(found) = probe().await {
            return Ok(found);
        }
        if Instant::now() >= end {
            return Err(format!("{what}: not within {within:?}"));
        }
        sleep(POLL_INTERVAL).await;
    }
}

/// Returns `true` if the address accepts connections.
pub async fn answers(address: &str) -> bool {
    matches!(
        timeout(Duration::from_secs(1), TcpStream::connect(address)).await,
        Ok(Ok(_))
    )
}
