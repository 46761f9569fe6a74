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
//! domain, and returns to the run queue when a handler of that domain completes. The slot of that
//! handler is kept for it: otherwise a sender that came later could take it, time and again.

mod admission;
mod drain;

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
    /// In the run queue after it was blocked, with a slot of its domain kept for it.
    released: bool,
}

#[derive(Debug, Default)]
struct Domain {
    running: usize,
    waiting: usize,
    bytes: usize,
    /// Senders whose turn came while the domain was using all the handlers it may.
    blocked: VecDeque<SenderKey>,
    /// The number of senders that were released from this list and have not had their turn yet.
    released: usize,
}

impl Domain {
    /// Returns `true` if the domain may use another handler that is not kept for a sender.
    fn has_slot(&self, limits: &Limits) -> bool {
        self.running + self.released < limits.in_flight_per_domain()
    }
}

impl Lanes {
    /// Returns `true` if nothing runs and nothing is queued.
    pub(super) fn is_empty(&self) -> bool {
        self.senders.is_empty()
    }

    /// Queues a stanza, or returns it if the limits do not admit it.
    pub(super) fn wait(
        &mut self,
        keys: Keys,
        stanza: Arc<Stanza>,
        limits: &Limits,
    ) -> Result<(), Arc<Stanza>> {
        let bytes = stanza.weight();
        if !self.may_wait(keys, bytes, limits) {
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
        domain.released -= usize::from(std::mem::take(&mut sender.released));
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
        let next = self.release_lane(keys.lane);
        self.release_slots(keys, bytes, limits);
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

    /// Marks a lane as not busy. Returns the sender of the next stanza in it.
    fn release_lane(&mut self, key: LaneKey) -> Option<SenderKey> {
        let Entry::Occupied(mut lane) = self.lanes.entry(key) else {
            return None;
        };
        lane.get_mut().busy = false;
        let next = lane.get().waiting.front().map(|(sender, _)| *sender);
        if next.is_none() {
            lane.remove();
        }
        next
    }

    /// Frees the handler slot and the bytes of a stanza, and releases a blocked sender for the slot
    /// of its domain.
    fn release_slots(&mut self, keys: Keys, bytes: usize, limits: &Limits) {
        if let Some(sender) = self.senders.get_mut(&keys.sender) {
            sender.running -= 1;
            sender.bytes -= bytes;
        }
        if let Some(domain) = self.domains.get_mut(&keys.domain) {
            domain.running -= 1;
            domain.bytes -= bytes;
            while domain.has_slot(limits)
                && let Some(key) = domain.blocked.pop_front()
            {
                if let Some(sender) = self.senders.get_mut(&key) {
                    sender.released = true;
                    domain.released += 1;
                    self.run_queue.push_back(key);
                }
            }
            if domain.running == 0 && domain.waiting == 0 {
                self.domains.remove(&keys.domain);
            }
        }
        self.bytes -= bytes;
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
    /// using all the handlers it may, or keeps the free ones for senders that are blocked already.
    fn block_domains(&mut self, limits: &Limits) {
        while let Some(&key) = self.run_queue.front() {
            let Some(sender) = self.senders.get_mut(&key) else {
                return;
            };
            let Some(domain) = self.domains.get_mut(&sender.domain) else {
                return;
            };
            if sender.released || domain.has_slot(limits) {
                return;
            }
            domain.blocked.push_back(key);
            self.run_queue.pop_front();
        }
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
mod tests;
