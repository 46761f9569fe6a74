//! Removal of all queued stanzas, after the grace period of a shutdown.

use std::sync::Arc;

use super::{Lanes, Sender};
use crate::limits::Limits;
use crate::stanza::Stanza;

impl Lanes {
    /// Removes and returns all queued stanzas, in no particular order.
    pub(in crate::dispatch) fn drain(&mut self, limits: &Limits) -> Vec<Arc<Stanza>> {
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
            domain.waiting = 0;
            domain.released = 0;
            domain.blocked.clear();
            domain.running > 0
        });
        self.run_queue.clear();
        self.waiting = 0;
        debug_assert!(limits.waiting >= waiting.len());
        waiting.into_iter().map(|(_, stanza)| stanza).collect()
    }
}
