//! The run queue: stanzas of one lane in order, lanes of one sender in turn, senders round-robin,
//! with limits per sender and per domain.
//!
//! ```text
//! domain example.org             at most 7/8 of all handlers
//! └─ sender alice@example.org    at most 1/4 of all handlers
//!    ├─ lane alice → bot         stanzas in order, one at a time
//!    └─ lane alice → other bot   runs concurrently with the lane above
//! ```
//!
//! The run queue holds each sender that has a ready lane and a free handler slot. If the sender's
//! domain has no free slot when its turn comes, the sender is moved to the blocked list of its
//! domain, and returns to the run queue when a handler of that domain completes.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::prehashed::PrehashedMap;
use crate::limits::Limits;
use crate::stanza::Stanza;

/// Hash of a lane (bare sender, bare recipient). Two lanes with the same hash are handled in one
/// order, which does no harm. The hash is keyed, so a sender cannot provoke it.
pub(super) type LaneKey = u64;
/// Hash of a bare sender. Two senders with the same hash share one quota.
pub(super) type SenderKey = u64;
/// Hash of a sender's domain. Two domains with the same hash share one quota.
pub(super) type DomainKey = u64;

/// The keys of a stanza: its lane, its sender, and the sender's domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) lane: LaneKey,
    pub(super) sender: SenderKey,
    pub(super) domain: DomainKey,
}

/// Running handlers and queued stanzas. Only lanes, senders and domains with something running or
/// queued are kept.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: PrehashedMap<LaneKey, Lane>,
    senders: PrehashedMap<SenderKey, Sender>,
    domains: PrehashedMap<DomainKey, Domain>,
    /// Senders with a ready lane and a free handler slot, each once.
    run_queue: VecDeque<SenderKey>,
    waiting: usize,
    /// Bytes of queued stanzas and of those being handled.
    bytes: usize,
}

#[derive(Debug, Default)]
struct Lane {
    busy: bool,
    /// Each stanza with its sender: a custom ordering may put several senders into one lane.
    waiting: VecDeque<(SenderKey, Arc<Stanza>)>,
}

#[derive(Debug, Default)]
struct Sender {
    domain: DomainKey,
    running: usize,
    waiting: usize,
    bytes: usize,
    /// Lanes with queued stanzas that are not busy.
    ready: VecDeque<LaneKey>,
    /// In the run queue, or blocked until its domain has a free slot.
    queued: bool,
}

#[derive(Debug, Default)]
struct Domain {
    running: usize,
    waiting: usize,
    bytes: usize,
    /// Senders whose turn came while the domain was using all the handlers it may.
    blocked: VecDeque<SenderKey>,
}

#[derive(Debug, Clone, Copy)]
struct Usage<'l> {
    sender: Option<&'l Sender>,
    domain: Option<&'l Domain>,
}

impl Lanes {
    /// Returns `true` if nothing runs and nothing is queued.
    pub(super) fn is_empty(&self) -> bool {
        self.senders.is_empty()
    }

    /// Returns `true` if a stanza with these keys and this size could be handled at once.
    pub(super) fn is_free(&self, keys: Keys, bytes: usize, limits: &Limits) -> bool {
        let usage = self.usage(keys);
        !self.lanes.contains_key(&keys.lane)
            && self.fits(usage, bytes, limits)
            && usage.sender.is_none_or(|sender| {
                sender.running < limits.in_flight_per_sender() && sender.ready.is_empty()
            })
            && usage
                .domain
                .is_none_or(|domain| domain.running < limits.in_flight_per_domain())
    }

    /// Returns the usage of a stanza's sender and domain.
    fn usage(&self, keys: Keys) -> Usage<'_> {
        Usage {
            sender: self.senders.get(&keys.sender),
            domain: self.domains.get(&keys.domain),
        }
    }

    /// Returns `true` if the limits on bytes admit another stanza. A single stanza always fits: in
    /// total, in its domain and for its sender.
    fn fits(&self, Usage { sender, domain }: Usage<'_>, bytes: usize, limits: &Limits) -> bool {
        let fits = |held: usize, most: usize| held == 0 || held + bytes <= most;
        fits(self.bytes, limits.waiting_bytes)
            && fits(
                domain.map_or(0, |domain| domain.bytes),
                limits.waiting_bytes_per_domain(),
            )
            && fits(
                sender.map_or(0, |sender| sender.bytes),
                limits.waiting_bytes_per_sender(),
            )
    }

    /// Queues a stanza, or returns it if the limits do not admit it.
    pub(super) fn wait(
        &mut self,
        keys: Keys,
        stanza: Arc<Stanza>,
        limits: &Limits,
    ) -> Result<(), Arc<Stanza>> {
        let bytes = stanza.weight();
        let usage = self.usage(keys);
        let few = self.waiting < limits.waiting
            && usage
                .sender
                .is_none_or(|sender| sender.waiting < limits.waiting_per_sender())
            && usage
                .domain
                .is_none_or(|domain| domain.waiting < limits.waiting_per_domain());
        if !few || !self.fits(usage, bytes, limits) {
            return Err(stanza);
        }
        self.waiting += 1;
        self.bytes += bytes;
        let domain = self.domains.entry(keys.domain).or_default();
        domain.waiting += 1;
        domain.bytes += bytes;
        let sender = self.senders.entry(keys.sender).or_default();
        sender.domain = keys.domain;
        sender.waiting += 1;
        sender.bytes += bytes;
        let lane = self.lanes.entry(keys.lane).or_default();
        lane.waiting.push_back((keys.sender, stanza));
        if !lane.busy && lane.waiting.len() == 1 {
            sender.ready.push_back(keys.lane);
            self.schedule(keys.sender, limits);
        }
        Ok(())
    }

    /// Returns the next stanza to handle. Its lane is busy until [`Lanes::done`].
    pub(super) fn next(&mut self, limits: &Limits) -> Option<(Keys, Arc<Stanza>)> {
        self.block_domains(limits);
        let key = self.run_queue.pop_front()?;
        let sender = self.senders.get_mut(&key)?;
        let domain_key = sender.domain;
        let domain = self.domains.get_mut(&domain_key)?;
        sender.queued = false;
        let lane_key = sender.ready.pop_front()?;
        let lane = self.lanes.get_mut(&lane_key)?;
        let (_, stanza) = lane.waiting.pop_front()?;
        lane.busy = true;
        sender.running += 1;
        sender.waiting -= 1;
        domain.running += 1;
        domain.waiting -= 1;
        self.waiting -= 1;
        self.schedule(key, limits);
        Some((
            Keys {
                lane: lane_key,
                sender: key,
                domain: domain_key,
            },
            stanza,
        ))
    }

    /// Records that a stanza that was not queued is being handled and has not completed at once.
    pub(super) fn start(&mut self, keys: Keys, bytes: usize) {
        self.lanes.entry(keys.lane).or_default().busy = true;
        let sender = self.senders.entry(keys.sender).or_default();
        sender.domain = keys.domain;
        sender.running += 1;
        sender.bytes += bytes;
        let domain = self.domains.entry(keys.domain).or_default();
        domain.running += 1;
        domain.bytes += bytes;
        self.bytes += bytes;
    }

    /// Records that the stanza of this size that kept this lane busy has been handled.
    pub(super) fn done(&mut self, keys: Keys, bytes: usize, limits: &Limits) {
        let mut next = None;
        if let Entry::Occupied(mut lane) = self.lanes.entry(keys.lane) {
            lane.get_mut().busy = false;
            next = lane.get().waiting.front().map(|(sender, _)| *sender);
            if next.is_none() {
                lane.remove();
            }
        }
        if let Some(sender) = self.senders.get_mut(&keys.sender) {
            sender.running -= 1;
            sender.bytes -= bytes;
        }
        if let Some(domain) = self.domains.get_mut(&keys.domain) {
            domain.running -= 1;
            domain.bytes -= bytes;
            self.run_queue.extend(domain.blocked.pop_front());
            if domain.running == 0 && domain.waiting == 0 {
                self.domains.remove(&keys.domain);
            }
        }
        self.bytes -= bytes;
        // The next stanza in the lane may be from another sender.
        if let Some(key) = next
            && let Some(sender) = self.senders.get_mut(&key)
        {
            sender.ready.push_back(keys.lane);
            self.schedule(key, limits);
        }
        self.schedule(keys.sender, limits);
        if self
            .senders
            .get(&keys.sender)
            .is_some_and(|sender| sender.running == 0 && sender.waiting == 0)
        {
            self.senders.remove(&keys.sender);
        }
        if self.senders.is_empty() {
            self.release_memory();
        }
    }

    /// Returns the number of queued stanzas.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Returns `true` if a queued stanza may be handled now.
    pub(super) fn has_ready(&mut self, limits: &Limits) -> bool {
        self.block_domains(limits);
        !self.run_queue.is_empty()
    }

    /// Moves senders at the front of the run queue to the blocked list of their domain while it is
    /// using all the handlers it may. Each handler of that domain that completes returns one of
    /// them.
    fn block_domains(&mut self, limits: &Limits) {
        while let Some(&key) = self.run_queue.front() {
            let domain = self
                .senders
                .get(&key)
                .and_then(|sender| self.domains.get_mut(&sender.domain));
            let Some(domain) =
                domain.filter(|domain| domain.running >= limits.in_flight_per_domain())
            else {
                return;
            };
            domain.blocked.push_back(key);
            self.run_queue.pop_front();
        }
    }

    /// Removes and returns all queued stanzas, in no particular order.
    pub(super) fn drain(&mut self, limits: &Limits) -> Vec<Arc<Stanza>> {
        let waiting = self
            .lanes
            .values_mut()
            .flat_map(|lane| lane.waiting.drain(..));
        let waiting: Vec<_> = waiting.collect();
        self.lanes.retain(|_, lane| lane.busy);
        for (key, stanza) in &waiting {
            self.bytes -= stanza.weight();
            if let Some(sender) = self.senders.get_mut(key) {
                sender.bytes -= stanza.weight();
                if let Some(domain) = self.domains.get_mut(&sender.domain) {
                    domain.bytes -= stanza.weight();
                }
            }
        }
        self.senders.retain(|_, sender| {
            let Sender {
                domain,
                running,
                bytes,
                ..
            } = *sender;
            *sender = Sender {
                domain,
                running,
                bytes,
                ..Sender::default()
            };
            running > 0
        });
        self.domains.retain(|_, domain| {
            (domain.waiting, domain.blocked) = (0, VecDeque::new());
            domain.running > 0
        });
        self.run_queue.clear();
        self.waiting = 0;
        debug_assert!(limits.waiting >= waiting.len());
        waiting.into_iter().map(|(_, stanza)| stanza).collect()
    }

    fn schedule(&mut self, key: SenderKey, limits: &Limits) {
        if let Some(sender) = self.senders.get_mut(&key)
            && !sender.queued
            && !sender.ready.is_empty()
            && sender.running < limits.in_flight_per_sender()
        {
            sender.queued = true;
            self.run_queue.push_back(key);
        }
    }

    /// Returns memory after a flood, whose tables would otherwise stay allocated.
    fn release_memory(&mut self) {
        const KEEP: usize = 1024;
        if self.lanes.capacity() > KEEP {
            self.lanes.shrink_to(KEEP);
            self.senders.shrink_to(KEEP);
            self.domains.shrink_to(KEEP);
            self.run_queue.shrink_to(KEEP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::{Kind, MessageType};

    fn stanza(id: &str) -> Arc<Stanza> {
        Arc::new(Stanza::new(Kind::Message(MessageType::Chat)).with_id(id))
    }

    fn keys(sender: u64, lane: u64) -> Keys {
        Keys {
            lane: sender * 1000 + lane,
            sender,
            domain: sender,
        }
    }

    fn order(lanes: &mut Lanes, limits: &Limits) -> Vec<String> {
        let mut ids = Vec::new();
        while let Some((keys, stanza)) = lanes.next(limits) {
            ids.push(stanza.id().unwrap_or_default().to_owned());
            lanes.done(keys, stanza.weight(), limits);
        }
        ids
    }

    #[test]
    fn senders_alternate_and_lanes_keep_their_order() {
        let mut lanes = Lanes::default();
        let limits = Limits::default();
        for (sender, lane, id) in [
            (1, 0, "a1"),
            (1, 0, "a2"),
            (1, 1, "b1"),
            (1, 2, "c1"),
            (2, 0, "x1"),
            (2, 0, "x2"),
        ] {
            lanes.wait(keys(sender, lane), stanza(id), &limits).unwrap();
        }
        assert_eq!(
            order(&mut lanes, &limits),
            ["a1", "x1", "b1", "x2", "c1", "a2"]
        );
        assert_eq!((lanes.waiting, lanes.bytes), (0, 0));
        assert!(lanes.lanes.is_empty() && lanes.senders.is_empty() && lanes.run_queue.is_empty());
    }

    #[test]
    fn lane_can_contain_several_senders() {
        let mut lanes = Lanes::default();
        let limits = Limits::default();
        let keys = |sender| Keys {
            lane: 7,
            sender,
            domain: sender % 2,
        };
        lanes.start(keys(1), 0);
        for (sender, id) in [(1, "a"), (2, "b"), (1, "c"), (3, "d")] {
            lanes.wait(keys(sender), stanza(id), &limits).unwrap();
        }
        lanes.done(keys(1), 0, &limits);
        assert_eq!(order(&mut lanes, &limits), ["a", "b", "c", "d"]);
        assert!(lanes.is_empty() && lanes.lanes.is_empty() && lanes.run_queue.is_empty());
    }

    #[test]
    fn busy_lane_queues_and_sender_is_limited_to_a_quarter() {
        let limits = Limits {
            in_flight: 8,
            ..Limits::default()
        };
        let mut lanes = Lanes::default();
        lanes.start(keys(1, 0), 0);
        assert!(!lanes.is_free(keys(1, 0), 0, &limits) && lanes.is_free(keys(1, 1), 0, &limits));
        lanes.start(keys(1, 1), 0);
        assert!(!lanes.is_free(keys(1, 2), 0, &limits) && lanes.is_free(keys(2, 0), 0, &limits));
        lanes.wait(keys(1, 2), stanza("late"), &limits).unwrap();
        assert!(!lanes.has_ready(&limits));
        lanes.done(keys(1, 0), 0, &limits);
        assert_eq!(order(&mut lanes, &limits), ["late"]);
    }

    #[test]
    fn limits_apply_in_total_and_per_sender() {
        let limits = Limits {
            waiting: 8,
            ..Limits::default()
        };
        let mut lanes = Lanes::default();
        for sender in 1..=4 {
            for n in 0..2 {
                assert!(lanes.wait(keys(sender, n), stanza("s"), &limits).is_ok());
            }
            assert!(
                lanes
                    .wait(keys(sender, 9), stanza("over"), &limits)
                    .is_err()
            );
        }
        assert!(lanes.wait(keys(5, 0), stanza("over"), &limits).is_err());
        assert_eq!(lanes.drain(&limits).len(), 8);
        assert!(lanes.wait(keys(5, 0), stanza("fits"), &limits).is_ok());
    }

    #[test]
    fn domain_leaves_an_eighth_for_others() {
        let limits = Limits {
            in_flight: 16,
            waiting: 16,
            ..Limits::default()
        };
        let mut lanes = Lanes::default();
        // Each of the many users of domain 1 stays within the limits of a single user.
        let evil = |user: u64| Keys {
            lane: user,
            sender: user,
            domain: 1,
        };
        for user in 0..14 {
            assert!(lanes.is_free(evil(user), 0, &limits), "{user}");
            lanes.start(evil(user), 0);
        }
        assert!(!lanes.is_free(evil(14), 0, &limits));
        let shed = (14..100)
            .filter(|&user| lanes.wait(evil(user), stanza("evil"), &limits).is_err())
            .count();
        assert_eq!(shed, 86 - 14);
        let honest = Keys {
            lane: 100,
            sender: 100,
            domain: 2,
        };
        assert!(lanes.is_free(honest, 0, &limits));
        lanes.wait(honest, stanza("honest"), &limits).unwrap();
        assert_eq!(lanes.next(&limits).unwrap().1.id(), Some("honest"));
        assert!(lanes.next(&limits).is_none() && !lanes.has_ready(&limits));
        // A completed handler makes room for exactly one more.
        lanes.done(evil(0), 0, &limits);
        assert!(lanes.has_ready(&limits));
        assert_eq!(lanes.next(&limits).unwrap().0, evil(14));
        assert!(lanes.next(&limits).is_none());
        lanes.done(honest, stanza("honest").weight(), &limits);
        for user in 1..14 {
            lanes.done(evil(user), 0, &limits);
        }
        lanes.done(evil(14), stanza("evil").weight(), &limits);
        assert_eq!(order(&mut lanes, &limits).len(), 13);
        assert!(lanes.is_empty() && lanes.domains.is_empty() && lanes.run_queue.is_empty());
    }

    #[test]
    fn bytes_being_handled_count_like_queued_bytes() {
        let one = stanza("s").weight();
        let limits = Limits {
            waiting_bytes: 8 * one,
            ..Limits::default()
        };
        let mut lanes = Lanes::default();
        lanes.start(keys(1, 0), one);
        assert!(lanes.is_free(keys(1, 1), one, &limits));
        lanes.start(keys(1, 1), one);
        assert!(
            !lanes.is_free(keys(1, 2), one, &limits)
                && lanes.wait(keys(1, 2), stanza("s"), &limits).is_err()
        );
        // A single stanza is accepted whatever its size, so that a small limit does not lock any
        // sender out.
        assert!(
            lanes.is_free(keys(2, 0), one, &limits) && !lanes.is_free(keys(2, 0), 7 * one, &limits)
        );
        lanes.done(keys(1, 0), one, &limits);
        lanes.wait(keys(1, 1), stanza("s"), &limits).unwrap();
        lanes.drain(&limits);
        assert_eq!(lanes.bytes, one);
        lanes.done(keys(1, 1), one, &limits);
        assert!(lanes.is_empty() && lanes.is_free(keys(2, 0), 100 * one, &limits));
    }
}
