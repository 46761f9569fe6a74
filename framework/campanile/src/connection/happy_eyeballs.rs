//! Connecting to a name with several addresses (RFC 8305), of which some may not answer.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use tokio::task::JoinSet;
use tokio::time::{Duration, sleep, timeout};

/// Time after which the next address is tried, beside the ones before it (RFC 8305 §8).
const NEXT: Duration = Duration::from_millis(250);
/// Deadline of the attempt at one address.
const ATTEMPT: Duration = Duration::from_secs(10);
/// Maximum number of addresses of one name that are tried.
const MOST: usize = 16;

/// Connects to the first of several addresses that accepts.
///
/// The addresses are tried in order, with IPv6 and IPv4 in turn. The next one is tried as soon as
/// one fails, or after 250 ms without an answer; attempts that are under way continue. `connect`
/// opens the connection, after it has checked that the address is permitted.
///
/// # Errors
/// Returns the error of the attempt that failed last.
#[doc(hidden)]
pub async fn connect_to_any<T, F, Fut>(
    addresses: impl IntoIterator<Item = SocketAddr>,
    connect: F,
) -> io::Result<T>
where
    F: Fn(SocketAddr) -> Fut,
    Fut: Future<Output = io::Result<T>> + Send + 'static,
    T: Send + 'static,
{
    let mut left = in_turn(addresses).into_iter();
    let mut running = JoinSet::new();
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        match left.next() {
            Some(address) => {
                running.spawn(timeout(ATTEMPT, connect(address)));
            }
            None if running.is_empty() => return Err(failed),
            None => {}
        }
        let more = left.len() > 0;
        tokio::select! {
            Some(ended) = running.join_next() => match ended {
                Ok(Ok(Ok(connected))) => return Ok(connected),
                Ok(Ok(Err(error))) => failed = error,
                Ok(Err(late)) => failed = late.into(),
                Err(panicked) => failed = io::Error::other(panicked),
            },
            () = sleep(NEXT), if more => {}
        }
    }
}

/// Orders addresses so that the families take turns, beginning with that of the first one (RFC 8305
/// §4). The resolver has sorted them by preference.
fn in_turn(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut addresses: Vec<_> = addresses.into_iter().collect();
    addresses.dedup();
    let Some(first) = addresses.first().map(SocketAddr::is_ipv6) else {
        return addresses;
    };
    let (preferred, others): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first);
    let mut others = others.into_iter();
    let mut ordered = Vec::new();
    for address in preferred {
        ordered.push(address);
        ordered.extend(others.next());
    }
    ordered.extend(others);
    ordered.truncate(MOST);
    ordered
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::time::Instant;

    use super::*;

    /// Connects to addresses that accept, refuse or ignore the attempt, by their port.
    async fn connected(ports: &[u16]) -> (io::Result<u16>, Vec<u128>) {
        let began = Instant::now();
        let starts: Arc<Mutex<Vec<_>>> = Arc::default();
        let seen = Arc::clone(&starts);
        let addresses = ports.iter().map(|port| ([127, 0, 0, 1], *port).into());
        let result = connect_to_any(addresses, move |address| {
            seen.lock().unwrap().push(began.elapsed().as_millis());
            async move {
                match address.port() {
                    port @ 1..100 => Ok(port),
                    100..200 => Err(io::ErrorKind::ConnectionRefused.into()),
                    _ => std::future::pending().await,
                }
            }
        })
        .await;
        let starts = starts.lock().unwrap().clone();
        (result, starts)
    }

    #[tokio::test(start_paused = true)]
    async fn address_that_does_not_answer_delays_the_next_by_a_quarter_of_a_second() {
        let (result, starts) = connected(&[200, 1, 2]).await;
        assert_eq!((result.unwrap(), starts), (1, vec![0, 250]));
        let (result, starts) = connected(&[200, 201, 100, 3, 4]).await;
        assert_eq!((result.unwrap(), starts), (3, vec![0, 250, 500, 500]));
    }

    #[tokio::test(start_paused = true)]
    async fn all_addresses_can_fail() {
        let began = Instant::now();
        let (result, _) = connected(&[100, 101]).await;
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(began.elapsed(), Duration::ZERO);
        let (result, _) = connected(&[200, 100]).await;
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed(), ATTEMPT);
        let (result, _) = connected(&[]).await;
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn families_take_turns() {
        let ordered = |texts: &[&str]| -> Vec<String> {
            let addresses = texts.iter().map(|text| text.parse().unwrap());
            in_turn(addresses)
                .iter()
                .map(SocketAddr::to_string)
                .collect()
        };
        assert_eq!(
            ordered(&["[::1]:1", "[::2]:1", "[::3]:1", "1.0.0.0:1"]),
            ["[::1]:1", "1.0.0.0:1", "[::2]:1", "[::3]:1"]
        );
        assert_eq!(
            ordered(&["1.0.0.0:1", "2.0.0.0:1", "[::1]:1", "[::2]:1"]),
            ["1.0.0.0:1", "[::1]:1", "2.0.0.0:1", "[::2]:1"]
        );
    }
}
