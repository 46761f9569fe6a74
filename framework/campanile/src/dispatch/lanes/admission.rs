//! The decision whether a stanza is handled at once, queued, or rejected.

use super::{Domain, Keys, Lanes, Sender};
use crate::limits::Limits;

/// The sender and the domain of a stanza, if they have anything running or queued.
#[derive(Debug, Clone, Copy)]
struct Usage<'l> {
    sender: Option<&'l Sender>,
    domain: Option<&'l Domain>,
}

impl Lanes {
    /// Returns `true` if a stanza with these keys and this size could be handled at once.
    #[inline]
    pub(in crate::dispatch) fn is_free(&self, keys: Keys, bytes: usize, limits: &Limits) -> bool {
        let usage = self.usage(keys);
        !self.lanes.contains_key(&keys.lane)
            && self.fits(usage, bytes, limits)
            && usage.sender.is_none_or(|sender| {
                sender.running < limits.in_flight_per_sender() && sender.ready.is_empty()
            })
            && usage.domain.is_none_or(|domain| domain.has_slot(limits))
    }

    /// Returns `true` if the limits admit another queued stanza with these keys and this size.
    pub(super) fn may_wait(&self, keys: Keys, bytes: usize, limits: &Limits) -> bool {
        let usage = self.usage(keys);
        self.waiting < limits.waiting
            && usage
                .sender
                .is_none_or(|sender| sender.waiting < limits.waiting_per_sender())
            && usage
                .domain
                .is_none_or(|domain| domain.waiting < limits.waiting_per_domain())
            && self.fits(usage, bytes, limits)
    }

    /// Returns the usage of a stanza's sender and domain.
    #[inline]
    fn usage(&self, keys: Keys) -> Usage<'_> {
        Usage {
            sender: self.senders.get(&keys.sender),
            domain: self.domains.get(&keys.domain),
        }
    }

    /// Returns `true` if the limits on bytes admit another stanza. A single stanza always fits: in
    /// total, in its domain and for its sender.
    #[inline]
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
}
