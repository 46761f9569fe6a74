//! Waiting for a condition, with a deadline.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// How long most things may take on a busy machine with two cores.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// How often a condition is looked at that cannot wake us.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Looks until `probe` gives something.
///
/// # Errors
/// What was waited for, when it did not come in time.
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

/// Whether something accepts connections at `address`.
pub async fn answers(address: &str) -> bool {
    matches!(
        timeout(Duration::from_secs(1), TcpStream::connect(address)).await,
        Ok(Ok(_))
    )
}
