//! A component whose JID may be shared by several instances.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use compact_str::CompactString;
use tokio::time::{Duration, Instant};

use super::id::instance_of;
use super::{Ids, Instances, PingPolicy, ResponseForwarder};
use crate::limits::Limits;
use crate::stanza::Stanza;

/// Keepalive intervals for which another instance is assumed to be connected. With two instances,
/// every second ping of the other one comes back to itself; ten in a row do so once in a thousand
/// times.
const MEMORY: u32 = 10;
/// Time for which pings are sent as if another instance were connected. It does not shrink with the
/// keepalive interval: a connection that is dropped for pings routed elsewhere costs more than a
/// few pings.
const PING_MEMORY: Duration = Duration::from_secs(600);

/// An instance that detects others by their pings, and forwards responses to them.
///
/// Any component may turn out to be one of several, since only the server knows.
#[derive(Debug)]
pub(crate) struct SharedJid {
    instance: CompactString,
    memory: Duration,
    /// Time of the last ping of another instance.
    last_peer: Mutex<Option<Instant>>,
    forwarder: RwLock<Option<Arc<dyn ResponseForwarder>>>,
}

impl SharedJid {
    /// Creates the instance that these ids belong to.
    pub(crate) fn new(ids: &Ids, limits: &Limits) -> Self {
        Self {
            instance: ids.instance().into(),
            memory: limits.keepalive * MEMORY,
            last_peer: Mutex::default(),
            forwarder: RwLock::default(),
        }
    }

    /// Returns the instance that created an id, unless that is this one.
    fn other_instance<'i>(&self, id: &'i str) -> Option<&'i str> {
        instance_of(id).filter(|instance| *instance != self.instance)
    }

    fn has_peers_at(&self, now: Instant, memory: Duration) -> bool {
        let last_peer = *self
            .last_peer
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        last_peer.is_some_and(|last| now.duration_since(last) < memory)
    }

    fn forwarder(&self) -> Option<Arc<dyn ResponseForwarder>> {
        self.forwarder
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Instances for SharedJid {
    fn has_peers(&self) -> bool {
        self.has_peers_at(Instant::now(), self.memory)
    }

    fn belongs_to_peer(&self, id: &str) -> bool {
        self.has_peers() && self.other_instance(id).is_some()
    }

    fn record_peer(&self, now: Instant) -> bool {
        let known = self.has_peers_at(now, PING_MEMORY);
        *self
            .last_peer
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(now);
        known
    }

    fn ping_policy(&self, now: Instant) -> PingPolicy {
        if self.has_peers_at(now, PING_MEMORY) {
            PingPolicy::WithPeers
        } else {
            PingPolicy::Alone
        }
    }

    fn forward(&self, response: Stanza) -> Option<Stanza> {
        let other = response.id().and_then(|id| self.other_instance(id));
        let Some(instance) = other.map(CompactString::from) else {
            return Some(response);
        };
        let Some(forwarder) = self.forwarder() else {
            return Some(response);
        };
        forwarder.forward(&instance, response);
        None
    }

    fn set_forwarder(&self, forwarder: Option<Arc<dyn ResponseForwarder>>) {
        *self
            .forwarder
            .write()
            .unwrap_or_else(PoisonError::into_inner) = forwarder;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_util::stanza;

    /// Records the instances that responses were forwarded to.
    #[derive(Debug, Default)]
    struct Recorder(Mutex<Vec<String>>);

    impl ResponseForwarder for Recorder {
        fn forward(&self, instance: &str, _response: Stanza) {
            self.0.lock().unwrap().push(instance.to_owned());
        }
    }

    fn shared_jid() -> (Ids, SharedJid) {
        let ids = Ids::new();
        let shared_jid = SharedJid::new(&ids, &Limits::default());
        (ids, shared_jid)
    }

    fn response(id: &str) -> Stanza {
        stanza(&format!("<iq type='result' id='{id}'/>"))
    }

    #[test]
    fn response_is_forwarded_to_the_instance_that_created_its_id() {
        let (ids, shared_jid) = shared_jid();
        let other = Ids::new();
        let theirs = response(&other.fresh());
        assert!(shared_jid.forward(theirs.clone()).is_some());

        let recorder = Arc::new(Recorder::default());
        shared_jid.set_forwarder(Some(Arc::clone(&recorder) as Arc<dyn ResponseForwarder>));
        assert!(shared_jid.forward(response(&ids.fresh())).is_some());
        assert!(shared_jid.forward(response("purple7f3a")).is_some());
        assert!(shared_jid.forward(theirs).is_none());
        assert_eq!(*recorder.0.lock().unwrap(), [other.instance()]);
    }

    #[tokio::test(start_paused = true)]
    async fn peer_is_assumed_for_ten_keepalive_intervals_after_its_last_ping() {
        let (ids, mut shared_jid) = shared_jid();
        shared_jid.memory = Duration::from_secs(10);
        let theirs = Ids::new().fresh();
        assert!(!shared_jid.belongs_to_peer(&theirs));

        assert!(!shared_jid.record_peer(Instant::now()));
        assert!(shared_jid.record_peer(Instant::now()));
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(shared_jid.has_peers() && shared_jid.belongs_to_peer(&theirs));
        assert!(!shared_jid.belongs_to_peer(&ids.fresh()));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!shared_jid.has_peers() && !shared_jid.belongs_to_peer(&theirs));
    }

    #[tokio::test(start_paused = true)]
    async fn ping_policy_remembers_peers_for_ten_minutes() {
        let (_, shared_jid) = shared_jid();
        let start = Instant::now();
        assert_eq!(shared_jid.ping_policy(start), PingPolicy::Alone);
        shared_jid.record_peer(start);
        let [within, after] = [599, 600].map(|age| start + Duration::from_secs(age));
        assert_eq!(shared_jid.ping_policy(within), PingPolicy::WithPeers);
        assert_eq!(shared_jid.ping_policy(after), PingPolicy::Alone);
    }
}
