//! Accounting of entries and bytes per party, for quotas and counts.

use std::collections::HashMap;

use super::{Quota, StoreError};
use crate::new_entry::{Class, NewEntry};

/// The parties of an entry, as JID numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parties {
    pub(super) archive: i64,
    pub(super) sender: i64,
    /// The sender's domain.
    pub(super) home: i64,
    pub(super) recipient: Option<i64>,
}

impl Parties {
    /// Returns sender and recipient; one of them if they are the same.
    pub(super) fn both(&self) -> impl Iterator<Item = i64> {
        both(self.sender, self.recipient)
    }
}

/// Returns sender and recipient; one of them if they are the same.
pub(super) fn both(sender: i64, recipient: Option<i64>) -> impl Iterator<Item = i64> {
    std::iter::once(sender).chain(recipient.filter(|recipient| *recipient != sender))
}

/// An entry as it is accounted.
pub(super) struct Accounted {
    pub(super) parties: Parties,
    pub(super) class: Class,
    /// Size of the stanza; `None` if already erased.
    pub(super) bytes: Option<usize>,
}

/// The pseudo-party whose usage is the total of an archive.
pub(super) const ALL: i64 = 0;
/// Offsets added to the class of received entries, and of entries sent by the users of a domain,
/// because quotas and counts differ.
pub(super) const RECEIVED: i64 = 16;
pub(super) const HOME: i64 = 32;

/// The changes to the usage table in one transaction.
#[derive(Default)]
pub(super) struct UsageDelta {
    changes: HashMap<(i64, i64, i64), (i64, i64)>,
    /// Bytes stored by senders and domains, loaded as far as quotas apply.
    kept: HashMap<(i64, bool), u64>,
}

impl UsageDelta {
    /// Returns `true` and reserves the space if an entry is within the quotas.
    pub(super) fn admits(
        &mut self,
        parties: &Parties,
        new_entry: &NewEntry,
        mut kept: impl FnMut(i64, bool) -> Result<u64, StoreError>,
    ) -> Result<bool, StoreError> {
        let (
            Quota {
                per_sender,
                per_domain,
            },
            bytes,
        ) = (new_entry.quota, new_entry.stanza.len() as u64);
        let bounds = [
            (parties.sender, false, per_sender),
            (parties.home, true, per_domain),
        ];
        let bounds = bounds
            .into_iter()
            .filter_map(|(party, home, bound)| Some((party, home, bound?)));
        for (party, home, bound) in bounds.clone() {
            let kept = match self.kept.get(&(party, home)) {
                Some(kept) => *kept,
                None => {
                    let kept = kept(party, home)?;
                    self.kept.insert((party, home), kept);
                    kept
                }
            };
            if kept + bytes > bound {
                return Ok(false);
            }
        }
        for (party, home, _) in bounds {
            *self.kept.entry((party, home)).or_default() += bytes;
        }
        Ok(true)
    }

    pub(super) fn add(&mut self, parties: &Parties, class: Class, bytes: usize) {
        self.change(parties, class, 1, i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Records the removal of an entry, which may have been erased before.
    pub(super) fn remove(&mut self, entry: &Accounted) {
        let Accounted { parties, class, .. } = entry;
        match entry.bytes {
            Some(bytes) => {
                let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
                self.change(parties, *class, -1, -bytes);
            }
            None => self.one(ALL, parties.archive, *class as i64, (-1, 0)),
        }
    }

    /// Records an erased entry: it remains for admins only, with no bytes.
    pub(super) fn empty(&mut self, entry: &Accounted) {
        if entry.bytes.is_some() {
            self.remove(entry);
            self.one(ALL, entry.parties.archive, entry.class as i64, (1, 0));
        }
    }

    fn change(&mut self, parties: &Parties, class: Class, entries: i64, bytes: i64) {
        let class = class as i64;
        let archive = parties.archive;
        let by = (entries, bytes);
        self.one(ALL, archive, class, by);
        self.one(parties.sender, archive, class, by);
        self.one(parties.home, archive, class + HOME, by);
        if let Some(recipient) = parties
            .recipient
            .filter(|recipient| *recipient != parties.sender)
        {
            self.one(recipient, archive, class + RECEIVED, by);
        }
    }

    fn one(&mut self, party: i64, archive: i64, class: i64, (entries, bytes): (i64, i64)) {
        let (known, size) = self.changes.entry((party, archive, class)).or_default();
        *known += entries;
        *size += bytes;
    }

    /// Returns the changes: party, archive and class, with the difference in entries and bytes.
    pub(super) fn changes(self) -> impl Iterator<Item = ((i64, i64, i64), (i64, i64))> {
        self.changes.into_iter()
    }
}

/// Returns the range of classes that count toward the quota of a domain or of a sender.
pub(super) const fn quota_classes(home: bool) -> (i64, i64) {
    if home {
        (HOME, HOME + RECEIVED)
    } else {
        (0, RECEIVED)
    }
}
