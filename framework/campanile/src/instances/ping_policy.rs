//! The pace of keepalive pings, with and without other instances.

use tokio::time::Duration;

/// Maximum number of consecutive lost pings; the first may be lost to a brief disturbance.
const MAX_LOST: u32 = 2;
/// The same with other instances: any ping may be routed to one of them, but so many in a row are
/// not by chance.
const MAX_LOST_WITH_PEERS: u32 = 9;
/// Pings sent at once with other instances while a confirmation is awaited, so that one of them
/// comes back here.
const BURST: usize = 4;
/// Delay before the next ping with other instances while a confirmation is awaited.
const RETRY: Duration = Duration::from_secs(2);
/// Longest pause between pings with other instances while readiness has a maximum age.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// The pace of keepalive pings, and the number of lost ones that end a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PingPolicy {
    /// Every ping comes back here while the route is live.
    Alone,
    /// A ping comes back here or goes to another instance.
    WithPeers,
}

impl PingPolicy {
    /// Returns the maximum number of consecutive lost pings.
    pub(crate) fn max_lost(self) -> u32 {
        match self {
            Self::Alone => MAX_LOST,
            Self::WithPeers => MAX_LOST_WITH_PEERS,
        }
    }

    /// Returns the number of pings to send at once. `awaited` is set while something waits for
    /// confirmation.
    pub(crate) fn burst(self, awaited: bool) -> usize {
        match self {
            Self::WithPeers if awaited => BURST,
            _ => 1,
        }
    }

    /// Returns the longest quiet time before a ping, if readiness has a maximum age.
    pub(crate) fn pause(self, max_age: Option<Duration>) -> Option<Duration> {
        let pause = max_age? / 3;
        Some(match self {
            Self::Alone => pause,
            Self::WithPeers => pause.min(MAX_PAUSE),
        })
    }

    /// Returns the delay before another ping is sent while one is in flight. `deadline` is that of
    /// a ping.
    pub(crate) fn retry(
        self,
        max_age: Option<Duration>,
        awaited: bool,
        deadline: Duration,
    ) -> Duration {
        match (self, self.pause(max_age)) {
            (Self::WithPeers, Some(pause)) => pause,
            (Self::WithPeers, None) if awaited => RETRY.min(deadline),
            _ => deadline,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(15);
    const MAX_AGE: Option<Duration> = Some(Duration::from_secs(30));

    #[test]
    fn single_instance_waits_for_the_deadline_of_each_ping() {
        let policy = PingPolicy::Alone;
        assert_eq!(policy.burst(true), 1);
        assert_eq!(policy.pause(None), None);
        assert_eq!(policy.pause(MAX_AGE), Some(Duration::from_secs(10)));
        for (max_age, awaited) in [(None, false), (None, true), (MAX_AGE, true)] {
            assert_eq!(policy.retry(max_age, awaited, DEADLINE), DEADLINE);
        }
    }

    #[test]
    fn instance_with_peers_pings_more_while_something_is_awaited() {
        let policy = PingPolicy::WithPeers;
        assert_eq!([policy.burst(false), policy.burst(true)], [1, BURST]);
        assert_eq!(policy.pause(MAX_AGE), Some(MAX_PAUSE));
        assert_eq!(policy.retry(None, false, DEADLINE), DEADLINE);
        assert_eq!(policy.retry(None, true, DEADLINE), RETRY);
        let short = Duration::from_secs(1);
        assert_eq!(policy.retry(None, true, short), short);
        assert_eq!(policy.retry(MAX_AGE, false, DEADLINE), MAX_PAUSE);
        assert!(policy.max_lost() > PingPolicy::Alone.max_lost());
    }
}
